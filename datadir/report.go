package datadir

import (
	"flowd/flow"
	"flowd/store/manifest"
	"flowd/wal"
)

// Report is what a data folder holds, as of one manifest. Its JSON is what flowd inspect prints.
type Report struct {
	// Folder is its path, as it was given.
	Folder string `json:"folder"`
	// Use is whether a server used the folder when it was looked at.
	Use Use `json:"use"`
	// Manifest is nil if it could not be read. Then it is not known what of the rest counts.
	Manifest *Manifest `json:"manifest"`
	// Windows are the dedupe windows that the manifest names, nil if it names none.
	Windows *Windows `json:"windows"`
	Log     Log      `json:"log"`
	// Hours are those of the manifest, ascending.
	Hours []Hour `json:"hours"`
	// Parquet is the folder that other programs read, nil if absent.
	Parquet *Parquet `json:"parquet"`
	// Unnamed are the files that the manifest does not name: of a checkpoint under way or one that
	// did not come to its end, which the next start removes, and files that no server wrote.
	Unnamed []string `json:"unnamed"`
	// Whole says that all bytes and rows of the blocks were read; else only their sizes and footers.
	Whole bool `json:"whole"`
	// Damage is what is wrong; none if all is well.
	Damage []Finding `json:"damage"`
}

// Manifest is what the manifest says of the whole.
type Manifest struct {
	Generation uint64 `json:"generation"`
	// Written is when, in milliseconds since the Unix epoch.
	Written int64 `json:"written_ms"`
	// Log is from where a start replays the log.
	Log    wal.Position `json:"log"`
	Ledger Account      `json:"ledger"`
}

// Windows are dedupe windows on disk.
type Windows struct {
	File   string `json:"file"`
	Bytes  int64  `json:"bytes"`
	Keys   uint64 `json:"keys"`
	Agents uint64 `json:"agents"`
}

// Log is what a start would replay.
type Log struct {
	// End is the position behind the last group.
	End wal.Position `json:"end"`
	// Groups, Records and Flows are those from the manifest's position on.
	Groups  uint64 `json:"groups"`
	Records uint64 `json:"records"`
	Flows   uint64 `json:"flows"`
	// Bytes are those of the groups.
	Bytes int64 `json:"bytes"`
	// Torn is what a start would cut off: bytes of groups that were not written to their end. While
	// a server writes it may be the group under way.
	Torn int64 `json:"torn"`
	// Segments are all that are in the folder, in order.
	Segments []Segment `json:"segments"`
}

// State is what a segment is to the log.
type State string

// The states of segments. Dropped ones are from before the manifest's position.
const (
	StateDropped    State = "dropped"
	StateLog        State = "log"
	StatePrepared   State = "prepared"
	StateUnfinished State = "unfinished"
	StateUnread     State = "unread" // behind damage, or without a manifest that counts
)

// Segment is a file of the log.
type Segment struct {
	Number uint64 `json:"number"`
	State  State  `json:"state"`
	// Salt tells this use of the file from earlier ones: 16 digits in hex.
	Salt string `json:"salt"`
	// Bytes is the file's size, Used what groups take of it, with the header.
	Bytes int64 `json:"bytes"`
	Used  int64 `json:"used"`
	// Groups are those in the file, from First to Last.
	Groups  uint64 `json:"groups"`
	First   uint64 `json:"first_group"`
	Last    uint64 `json:"last_group"`
	Records uint64 `json:"records"`
	Torn    int64  `json:"torn"`
}

// Hour is an hour as of the manifest. The log may have more flows of it.
type Hour struct {
	Hour   flow.Hour `json:"hour"`
	Tuples uint64    `json:"tuples"`
	Flows  uint64    `json:"flows"`
	// BytesTx and BytesRx are those of its flows.
	BytesTx Sum `json:"bytes_tx"`
	BytesRx Sum `json:"bytes_rx"`
	// Saturated is how many times a total was held at 2^64-1.
	Saturated uint64 `json:"saturated"`
	// LastWrite is when the last flow came, in milliseconds since the Unix epoch.
	LastWrite int64 `json:"last_write_ms"`
	// Block is the hour's file, empty if it has none, and Bytes its size.
	Block string `json:"block"`
	Bytes int64  `json:"block_bytes"`
}

// Parquet is the folder parquet/.
type Parquet struct {
	// Hours are those whose file is as of the manifest.
	Hours int `json:"hours"`
	// Empty are those that expired, whose file has no rows, and goes within some hours.
	Empty int `json:"empty"`
	// Wrong are the files that are not as the manifest says, or do not belong there. The data is not
	// concerned, and the next start puts them right: but a program that reads them is told something else.
	Wrong []Finding `json:"wrong"`
}

// Account is a flow.Account with names for JSON.
type Account struct {
	Received  Tally `json:"received"`
	Stored    Tally `json:"stored"`
	Duplicate Tally `json:"duplicate"`
	Rejected  Tally `json:"rejected"`
	Expired   Tally `json:"expired"`
	Folded    Tally `json:"folded"`
}

// Tally is a flow.Tally with names for JSON.
type Tally struct {
	Flows   uint64 `json:"flows"`
	BytesTx Sum    `json:"bytes_tx"`
	BytesRx Sum    `json:"bytes_rx"`
}

// Sum is a flow.Sum that is a number in JSON.
type Sum flow.Sum

// MarshalJSON writes s in decimal.
func (s Sum) MarshalJSON() ([]byte, error) { return []byte(flow.Sum(s).String()), nil }

func tallyOf(t flow.Tally) Tally { return Tally{t.Flows, Sum(t.BytesTx), Sum(t.BytesRx)} }

func manifestOf(m *manifest.Manifest, from wal.Position) *Manifest {
	a := &m.Ledger
	return &Manifest{
		Generation: m.Generation, Written: m.Written, Log: from,
		Ledger: Account{tallyOf(a.Received), tallyOf(a.Stored), tallyOf(a.Duplicate), tallyOf(a.Rejected), tallyOf(a.Expired), tallyOf(a.Folded)},
	}
}

func hourOf(e *manifest.Hour) Hour {
	stored := &e.Account.Stored
	return Hour{
		Hour: e.Hour, Tuples: e.Tuples, Flows: stored.Flows, BytesTx: Sum(stored.BytesTx), BytesRx: Sum(stored.BytesRx),
		Saturated: e.Saturated, LastWrite: e.LastWrite, Block: e.Block.Name, Bytes: e.Block.Size,
	}
}
