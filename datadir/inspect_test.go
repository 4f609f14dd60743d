package datadir

import (
	"context"
	"os"
	"path"
	"testing"

	"github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"flowd/block"
	"flowd/disk"
	"flowd/flow"
	"flowd/store/manifest"
	"flowd/wal"
)

func inspect(t testing.TB, dir string) *Report {
	t.Helper()
	r, err := Inspect(context.Background(), disk.OS, dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestInspect(t *testing.T) {
	d := damaged{t, filled(t)}
	d.must(os.WriteFile(d.path("notes.txt"), nil, 0o600))
	d.must(os.WriteFile(d.path("hours/hour=7/00000009.parquet"), nil, 0o600))
	d.must(os.WriteFile(d.path("hours/readme"), nil, 0o600))
	r := inspect(t, d.dir)

	tally := Tally{Flows: 300, BytesTx: Sum{Lo: 3 * 4950}, BytesRx: Sum{Lo: 300}}
	hour := func(h flow.Hour) Hour {
		name := block.FileName(h, 2)
		info, err := os.Stat(d.path(name))
		d.must(err)
		return Hour{Hour: h, Tuples: 100, Flows: 100, BytesTx: Sum{Lo: 4950}, BytesRx: Sum{Lo: 100}, Block: name, Bytes: info.Size()}
	}
	want := &Report{
		Folder: d.dir, Use: UseNone,
		Manifest: &Manifest{Generation: 2, Log: wal.Position{Segment: 2, Group: 101}, Ledger: Account{Received: tally, Stored: tally}},
		Windows:  &Windows{File: "windows-00000002", Agents: 1},
		Log:      Log{End: wal.Position{Segment: 4, Group: 301}, Groups: 200, Records: 200, Flows: 600},
		Hours:    []Hour{hour(7), hour(480_000), hour(480_001)},
		Parquet:  &Parquet{Hours: 3, Wrong: []Finding{}},
		Unnamed:  []string{"notes.txt", "hours/hour=7/00000009.parquet", "hours/readme"},
		Damage:   []Finding{},
	}
	ignore := cmp.Options{
		cmpopts.IgnoreFields(Manifest{}, "Written"), cmpopts.IgnoreFields(Hour{}, "LastWrite"),
		cmpopts.IgnoreFields(Windows{}, "Bytes"), cmpopts.IgnoreFields(Log{}, "Bytes", "Segments"),
	}
	if diff := cmp.Diff(want, r, ignore); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	checkSegments(t, r)
}

// checkSegments holds what is said of each segment against what is said of the log.
func checkSegments(t *testing.T, r *Report) {
	t.Helper()
	next, states := uint64(0), ""
	for i, s := range r.Log.Segments {
		if s.Number != uint64(i)+2 || s.Bytes != 16<<10 || len(s.Salt) != 16 {
			t.Errorf("segment %d: %+v", i, s)
		}
		states += string(s.State) + " "
		if s.State != StateLog {
			continue
		}
		if next > 0 && s.First != next || s.Last-s.First+1 != s.Groups || s.Records != s.Groups || s.Used <= firstFrame || s.Used > s.Bytes {
			t.Errorf("segment %d: %+v, want it to begin with group %d", i, s, next)
		}
		next = s.Last + 1
	}
	if next != r.Log.End.Group || states != "log log log prepared prepared " {
		t.Errorf("segments are %sand end at group %d, the log at %+v", states, next, r.Log.End)
	}
}

func TestInspectWithoutManifest(t *testing.T) {
	d := damaged{t, filled(t)}
	d.must(os.Remove(d.path(manifest.Name)))
	r := inspect(t, d.dir)
	if r.Manifest != nil || len(r.Damage) != 1 || len(r.Log.Segments) != 5 {
		t.Fatalf("report without a manifest: %+v", r)
	}
	first, last := r.Log.Segments[0], r.Log.Segments[2]
	if first.State != StateUnread || last.Last != 300 || last.Used <= firstFrame {
		t.Errorf("segments without a manifest: %+v", r.Log.Segments)
	}
}

func TestInspectOfAFolderInUse(t *testing.T) {
	e := open(t, testOptions(path.Join(t.TempDir(), "data")))
	e.posts(0, 10)
	r := inspect(t, e.dir)
	if r.Use != UseServer || len(r.Damage) > 0 || r.Log.Records != 10 {
		t.Errorf("use %q, damage %v, %d records; want %q, none, 10", r.Use, r.Damage, r.Log.Records, UseServer)
	}
	e.posts(10, 20) // the folder is still its own
	e.close()
	if r = inspect(t, e.dir); r.Use != UseNone || r.Log.Records != 0 || len(r.Hours) != len(batchHours) {
		t.Errorf("use %q, %d records, %d hours; want %q, 0, %d", r.Use, r.Log.Records, len(r.Hours), UseNone, len(batchHours))
	}
}

func TestReportIsJSON(t *testing.T) {
	r := &Report{Hours: []Hour{{BytesTx: Sum{Hi: 1}}}, Damage: []Finding{{"a", -1, "b"}}}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Hours []struct {
			BytesTx json.Number `json:"bytes_tx"`
		} `json:"hours"`
		Damage []Finding `json:"damage"`
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got := back.Hours[0].BytesTx.String(); got != "18446744073709551616" {
		t.Errorf("2^64 is %s in JSON", got)
	}
	if diff := cmp.Diff(r.Damage, back.Damage); diff != "" {
		t.Errorf("damage (-want +got):\n%s", diff)
	}
}
