package block

import (
	"fmt"
	"time"

	"github.com/parquet-go/parquet-go"

	"flowd/disk"
	"flowd/flow"
)

// Options say what Write writes and how.
type Options struct {
	// Hour is the hour of all rows.
	Hour flow.Hour
	// Generation is the number of the checkpoint. It must be higher than that of every attempt before,
	// failed ones included.
	Generation uint64
	// RowGroup is the most rows of a row group, which is what Write and readers hold in memory at a
	// time; 0 is the default of 262,144.
	RowGroup int
	// Pace, if not nil, is called after every few thousand rows with the time that was spent since it
	// returned last, so that it can sleep and a block in the background leaves the processor to others.
	Pace func(busy time.Duration)
}

const (
	defaultRowGroup = 256 << 10
	// longKeys ends a row group early, if its keys have more bytes than this for each row that it might have.
	// Keys of 771 bytes would make a full one of 200 MB otherwise.
	longKeys = 128
	// writeRows are taken from the cursor at a time.
	writeRows = 2048
)

// Write writes rows, to their end, as the block of o.Hour below the folder dir, and syncs it: file and
// folders are durable when Write returns. The file is named FileName(o.Hour, o.Generation), which must
// not exist. Rows of another hour are an error, and so is what rows.Err returns at the end. After an error
// the file is removed as far as the disk lets it. The caller closes rows.
//
// Keys are in the block in the order in which they come. Sorted they would take an eighth less, but
// sorting takes longer than all else, and the whole hour in memory.
func Write(fsys disk.FS, dir string, rows flow.Rows, o Options) (File, Sums, error) {
	if o.RowGroup <= 0 {
		o.RowGroup = defaultRowGroup
	}
	name := FileName(o.Hour, o.Generation)
	var w *writer
	s, err := create(fsys, dir, name, func(s *sink) error {
		w = newWriter(s, o)
		if err := w.copy(rows); err != nil {
			return err
		}
		return w.close()
	})
	if err != nil {
		return File{}, Sums{}, err
	}
	return File{Name: name, Size: s.size, CRC: s.crc, Footer: w.footer, Rows: w.sums.Rows}, w.sums, nil
}

// writer makes a block.
type writer struct {
	options Options
	sink    *sink
	parquet *parquet.GenericWriter[record]
	group   *parquet.ConcurrentRowGroupWriter
	columns columns
	// rows and keys are how many rows the row group has, and the bytes of their keys.
	rows, keys int
	// sections are the row groups that were written.
	sections []section
	sums     Sums
	footer   uint32
	// since is when Pace returned last.
	since time.Time
}

func newWriter(s *sink, o Options) *writer {
	// The sink buffers, and must have all of a row group when Commit returns.
	p := parquet.NewGenericWriter[record](s, parquet.Compression(codec), parquet.WriteBufferSize(0))
	return &writer{options: o, sink: s, parquet: p, group: p.BeginRowGroup(), since: time.Now()}
}

// copy writes rows to their end.
func (w *writer) copy(rows flow.Rows) error {
	buf := make([]flow.Row, min(writeRows, w.options.RowGroup))
	for {
		part := buf[:rows.Next(buf[:min(len(buf), w.options.RowGroup-w.rows)])]
		if len(part) == 0 {
			break
		}
		if err := w.add(part); err != nil {
			return err
		}
		if w.rows == w.options.RowGroup || w.keys >= longKeys*w.options.RowGroup {
			if err := w.commit(); err != nil {
				return err
			}
		}
		w.pace()
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("block: rows for %s: %w", w.sink.name, err)
	}
	return w.commit()
}

// add appends part to the row group.
func (w *writer) add(part []flow.Row) error {
	for i := range part {
		if part[i].Hour != w.options.Hour {
			return fmt.Errorf("block: a row of hour %d came for %s", part[i].Hour, w.sink.name)
		}
		w.keys += len(part[i].Key)
		w.sums.BytesTx.Add(part[i].Totals.BytesTx)
		w.sums.BytesRx.Add(part[i].Totals.BytesRx)
	}
	w.rows += len(part)
	w.sums.Rows += uint64(len(part))
	w.columns.set(part)
	return w.columns.writeTo(w.group)
}

// commit ends the row group, if it has rows.
func (w *writer) commit() error {
	if w.rows == 0 {
		return nil
	}
	from := w.sink.size
	if _, err := w.group.Commit(); err != nil {
		return err
	}
	w.sections = append(w.sections, section{from, w.sink.size - from, w.sink.cut()})
	w.rows, w.keys = 0, 0
	return nil
}

// close writes the footer.
func (w *writer) close() error {
	w.parquet.SetKeyValueMetadata(sectionsKey, formatSections(w.sections))
	w.sink.keep()
	if err := w.parquet.Close(); err != nil {
		return err
	}
	var err error
	w.footer, err = footerChecksum(w.sink.kept)
	return err
}

func (w *writer) pace() {
	if w.options.Pace == nil {
		return
	}
	w.options.Pace(time.Since(w.since))
	w.since = time.Now()
}
