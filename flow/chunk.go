package flow

// Field is one of the three names of a tuple.
type Field uint8

// The names of a tuple, in the order of a key.
const (
	SrcApp Field = iota
	DestApp
	VPCID
	FieldCount
)

// String returns the name as flows have it, "src_app".
func (f Field) String() string { return fieldNames[f] }

var fieldNames = [FieldCount]string{"src_app", "dest_app", "vpc_id"}

// Fields is a set of names of a tuple.
type Fields uint8

// AllFields has all three.
const AllFields Fields = 1<<FieldCount - 1

// Has reports whether f is in s.
func (s Fields) Has(f Field) bool { return s>>f&1 != 0 }

// With returns s and f.
func (s Fields) With(f Field) Fields { return s | 1<<f }

// Chunk is a run of rows of one hour, column by column, as a Scan fills it. Its memory is lent by the
// scan until its next call of Next or Close, to be read: it may be the hour's own.
//
// The names of row i come in one of two forms, the same for all chunks of a scan:
//
//	Keys[i]                  whole tuples, if Keys is not nil
//	Dicts[f][Codes[f][i]]    each field by itself, where those that were not asked for are nil
type Chunk struct {
	// Totals has one element for each row. It is never empty.
	Totals []Totals
	// Keys are valid for good, though the slice is lent.
	Keys []Key
	// Codes are indexes into Dicts, which the scan has checked.
	Codes [FieldCount][]uint32
	// Dicts have each name once. They are valid for good.
	Dicts [FieldCount][]string
	// Group changes when Dicts do, and from 1 on: what was worked out for a dictionary holds as long as
	// it stays.
	Group int
}

// Scan is a cursor over rows of an hour that looks at columns instead of rows: several times as fast
// as Rows where few rows, or few columns, matter in the end. It belongs to one goroutine.
type Scan interface {
	// Next fills c with the next rows, and reports whether there were any.
	Next(c *Chunk) bool
	// Key returns the tuple of row i of the last chunk, whatever names were asked for. It is valid for
	// good. If it cannot be read Key returns nil, and Err tells why.
	Key(i int) Key
	// Err returns the error that ended Next before the last row, nil if none did.
	Err() error
	// Close ends the reading. It must be called, once or more often. Key is not to be called after it.
	Close()
}

// ScanOptions say what a scan is for.
type ScanOptions struct {
	// Names are those that chunks must have.
	Names Fields
	// Whole says that each tuple must come once, with its totals. Without it a tuple may come more than
	// once, in the same scan or in two, and its totals are the sum: enough for who adds them up.
	Whole bool
}

// ScanRows returns a scan of rows, whose keys must have all three names. It closes rows.
func ScanRows(rows Rows) Scan { return &rowsScan{rows: rows} }

// rowsScan turns rows into chunks.
type rowsScan struct {
	rows   Rows
	block  [scanRows]Row
	keys   [scanRows]Key
	totals [scanRows]Totals
}

const scanRows = 256

func (s *rowsScan) Next(c *Chunk) bool {
	n := s.rows.Next(s.block[:])
	for i := range s.block[:n] {
		s.keys[i], s.totals[i] = s.block[i].Key, s.block[i].Totals
	}
	*c = Chunk{Totals: s.totals[:n], Keys: s.keys[:n]}
	return n > 0
}

func (s *rowsScan) Key(i int) Key { return s.keys[i] }

func (s *rowsScan) Err() error { return s.rows.Err() }

func (s *rowsScan) Close() { s.rows.Close() }
