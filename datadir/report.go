package datadir

import (
	"flowd/flow"
	"flowd/store/manifest"
	"flowd/wal"
)

// Report describes the content of a data folder, as of one manifest. flowd inspect prints it as JSON.
type Report struct {
	// Folder is the path as the caller gave it.
	Folder string `json:"folder"`
	// Use tells whether a server used the folder during the examination.
	Use Use `json:"use"`
	// Manifest is nil if it could not be read. Then it is unknown which of the other files count.
	Manifest *Manifest `json:"manifest"`
	// Windows are the dedupe windows that the manifest names, or nil.
	Windows *Windows `json:"windows"`
	Log     Log      `json:"log"`
	// Hours are the hours of the manifest, ascending.
	Hours []Hour `json:"hours"`
	// Parquet is the folder for other programs, nil if it is missing.
	Parquet *Parquet `json:"parquet"`
	// Unnamed are the files that the manifest does not name: those of a checkpoint in progress, those of an
	// aborted checkpoint, which the next start removes, and files that no server wrote.
	Unnamed []string `json:"unnamed"`
	// Whole tells that all bytes and rows of the blocks were read, and not only their sizes and footers.
	Whole bool `json:"whole"`
	// Damage has all problems; it is empty if all is well.
	Damage []Finding `json:"damage"`
}

// Manifest describes the manifest.
type Manifest struct {
	Generation uint64 `json:"generation"`
	// Written is the time when it was written, in milliseconds since the Unix epoch.
	Written int64 `json:"written_ms"`
	// Log is the position from which a start replays the log.
	Log    wal.Position `json:"log"`
	Ledger Account      `json:"ledger"`
}

// Windows describes dedupe windows on disk.
type Windows struct {
	File   string `json:"file"`
	Bytes  int64  `json:"bytes"`
	Keys   uint64 `json:"keys"`
	Agents uint64 `json:"agents"`
}

// Log describes the part of the log that a start would replay.
type Log struct {
	// End is the position behind the last group.
	End wal.Position `json:"end"`
	// Groups, Records and Flows count from the manifest's position on.
	Groups  uint64 `json:"groups"`
	Records uint64 `json:"records"`
	Flows   uint64 `json:"flows"`
	// Bytes is the size of the groups.
	Bytes int64 `json:"bytes"`
	// Torn is the number of bytes that a start would cut off: those of incomplete groups. While a server
	// writes, the group in progress may be among them.
	Torn int64 `json:"torn"`
	// Segments are all segments in the folder, in order.
	Segments []Segment `json:"segments"`
}

// State is the role of a segment in the log.
type State string

// The states of segments. Dropped segments are from before the manifest's position.
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
	// Salt distinguishes this use of the file from earlier ones: 16 digits in hex.
	Salt string `json:"salt"`
	// Bytes is the size of the file, Used the size of its groups and header.
	Bytes int64 `json:"bytes"`
	Used  int64 `json:"used"`
	// Groups is the number of groups in the file, from First to Last.
	Groups  uint64 `json:"groups"`
	First   uint64 `json:"first_group"`
	Last    uint64 `json:"last_group"`
	Records uint64 `json:"records"`
	Torn    int64  `json:"torn"`
}

// Hour describes an hour as of the manifest. The log may have more flows of it.
type Hour struct {
	Hour   flow.Hour `json:"hour"`
	Tuples uint64    `json:"tuples"`
	Flows  uint64    `json:"flows"`
	// BytesTx and BytesRx are the sums of its flows.
	BytesTx Sum `json:"bytes_tx"`
	BytesRx Sum `json:"bytes_rx"`
	// Saturated is the number of times that a total was capped at 2^64-1.
	Saturated uint64 `json:"saturated"`
	// LastWrite is the time of the last flow, in milliseconds since the Unix epoch.
	LastWrite int64 `json:"last_write_ms"`
	// Block is the hour's file, empty without one, and Bytes its size.
	Block string `json:"block"`
	Bytes int64  `json:"block_bytes"`
}

// Parquet describes the folder parquet/.
type Parquet struct {
	// Hours is the number of hours whose file is as of the manifest.
	Hours int `json:"hours"`
	// Empty is the number of expired hours whose file has no rows and will be removed within some hours.
	Empty int `json:"empty"`
	// Wrong are the files that differ from the manifest or do not belong there. The data is not affected,
	// and the next start corrects them, but programs that read them get other results.
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
