package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"flowd/block"
	"flowd/clock"
	"flowd/disk/crashfs"
	"flowd/flow"
)

// sabotage breaks what this package relies on: the syncs of which it has an opinion are not done.
type sabotage struct {
	name string
	skip func(file string) bool
}

func isFolder(name string) bool {
	return path.Ext(name) == "" && !strings.Contains(name, windowsPrefix)
}

// sabotages are caught, each by itself, or the sync would not be needed.
var sabotages = []sabotage{
	{"no file is synced", func(file string) bool { return !isFolder(file) }},
	{"blocks are not synced", func(file string) bool { return path.Ext(file) == ".parquet" }},
	{"side files are not synced", func(file string) bool { return strings.Contains(file, windowsPrefix) }},
	{"the manifest is not synced", func(file string) bool { return path.Base(file) == unfinished }},
	{"no folder is synced", isFolder},
	{"folders of hours are not synced", func(file string) bool { return strings.HasPrefix(file, "data/hours/") && isFolder(file) }},
	{"the folder of folders of hours is not synced", func(file string) bool { return file == "data/hours" }},
	{"the data folder is not synced", func(file string) bool { return file == "data" }},
}

// crashRun is the life of a data folder through crashes, which follows from its seed alone.
type crashRun struct {
	rng      *rand.Rand
	fs       *crashfs.FS
	sabotage sabotage

	// now is the newest manifest that was promised, may the others that a crash may leave.
	now *Manifest
	may []*Manifest
	// rows are the rows of every block that was written whole.
	rows map[string][]flow.Row
	// seen is what happened, so that the test can tell that it does happen.
	seen map[string]int
}

func newCrashRun(seed uint64, s sabotage) *crashRun {
	return &crashRun{
		rng: rand.New(rand.NewPCG(seed, 11)), fs: crashfs.New(), sabotage: s,
		rows: map[string][]flow.Row{}, seen: map[string]int{},
	}
}

// live goes through some crashes and returns what was wrong after one of them.
func (run *crashRun) live() error {
	for round := range 3 {
		if err := run.round(); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

// round starts, checks what is there, works, and crashes.
func (run *crashRun) round() error {
	if err := errors.Join(run.fs.MkdirAll("data"), run.fs.SyncDir(".")); err != nil {
		return err
	}
	if err := run.start(); err != nil {
		return err
	}
	run.fs.Inject(run.faults())
	if _, err := Sweep(run.fs, "data", run.now); err == nil {
		run.work()
	}
	run.fs = run.fs.Crash(run.rng.IntN(101), run.rng)
	return nil
}

// start reads the manifest, which must be one that may be there, and all that it names.
func (run *crashRun) start() error {
	m, err := Read(run.fs, "data")
	if errors.Is(err, fs.ErrNotExist) {
		m, err = nil, nil
	}
	if err != nil {
		return err
	}
	switch {
	case same(m, run.now):
		run.seen["promised"]++
	case sameAsAny(m, run.may):
		run.seen["in flight"]++
	default:
		return fmt.Errorf("manifest %v came back instead of %v", generationOf(m), generationOf(run.now))
	}
	run.now, run.may = m, nil
	if m == nil {
		return nil
	}
	if err := block.VerifyPart(run.fs, "data", *m.Windows); err != nil {
		return err
	}
	for i := range m.Hours {
		f := m.Hours[i].Block
		if err := block.Verify(run.fs, "data", f); err != nil {
			return err
		}
		rows, err := readAll(run.fs, f)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(run.rows[f.Name], rows); diff != "" {
			return fmt.Errorf("%s: %s", f.Name, diff)
		}
	}
	return nil
}

// work takes some checkpoints. One that fails is given up, and its number is not used again.
func (run *crashRun) work() {
	generation := uint64(0)
	if run.now != nil {
		generation = run.now.Generation
	}
	for range 1 + run.rng.IntN(3) {
		generation++
		m, err := run.write(generation)
		if err != nil {
			run.seen["failed checkpoint"]++
			continue
		}
		if err := Write(run.fs, "data", m); err != nil {
			run.seen["failed manifest"]++
			run.may = append(run.may, m)
			continue
		}
		before := run.now
		run.now, run.may = m, nil
		run.clean(before)
	}
}

// write writes new blocks for some hours, and returns the manifest with them.
func (run *crashRun) write(generation uint64) (*Manifest, error) {
	m := &Manifest{Generation: generation, Log: Position("{}"), Clock: &clock.State{}}
	windows, err := block.WritePart(run.fs, "data", WindowsName(generation), func(w io.Writer) error {
		_, err := fmt.Fprint(w, run.rng.Uint64())
		return err
	})
	if err != nil {
		return nil, err
	}
	m.Windows = &windows
	for hour := range flow.Hour(2) {
		what := run.rng.IntN(4)
		if before := run.entry(hour); before != nil && what == 0 {
			m.Hours = append(m.Hours, *before)
		}
		if what < 2 { // it is as it was, or expired, or was never there
			continue
		}
		rows := run.someRows(hour)
		f, _, err := block.Write(run.fs, "data", &listRows{rows: rows}, block.Options{Hour: hour, Generation: generation, RowGroup: 2})
		if err != nil {
			return nil, err
		}
		run.rows[f.Name] = rows
		m.Hours = append(m.Hours, Hour{Hour: hour, Tuples: f.Rows, Block: f})
	}
	return m, nil
}

// someRows returns up to three rows, sorted.
func (run *crashRun) someRows(hour flow.Hour) []flow.Row {
	rows := make([]flow.Row, 0, 3)
	for i := range run.rng.IntN(4) {
		key := flow.AppendKey(nil, fmt.Sprintf("svc-%d", i), "db", "vpc-1")
		rows = append(rows, flow.Row{Key: key, Totals: flow.Totals{BytesTx: run.rng.Uint64()}, Hour: hour})
	}
	return rows
}

// entry is what the newest manifest has of an hour.
func (run *crashRun) entry(hour flow.Hour) *Hour {
	if run.now == nil {
		return nil
	}
	for i := range run.now.Hours {
		if run.now.Hours[i].Hour == hour {
			return &run.now.Hours[i]
		}
	}
	return nil
}

// clean removes what the manifest before named and the newest does not, in either of the two ways.
func (run *crashRun) clean(before *Manifest) {
	if before == nil || run.rng.IntN(2) == 0 {
		_, _ = Sweep(run.fs, "data", run.now) // what a fault left is removed by the next one
		return
	}
	for i := range before.Hours {
		if e := run.entry(before.Hours[i].Hour); e == nil || e.Block != before.Hours[i].Block {
			_ = block.Remove(run.fs, "data", before.Hours[i].Block)
		}
	}
}

// faults returns the injector of this round: from some call on nothing works, or one call fails.
func (run *crashRun) faults() func(errorfs.Op) error {
	kind, at := run.rng.IntN(8), run.rng.IntN(120)
	half := run.rng.IntN(2) == 0
	return func(op errorfs.Op) error {
		if s := run.sabotage.skip; s != nil && op.Kind == errorfs.OpFileSync && s(op.Path) {
			return crashfs.ErrSkip
		}
		if at--; at > 0 || kind == 7 || op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		if kind < 4 { // the power fails
			if at == 0 && half {
				return crashfs.AfterDoing(crashfs.ErrDead)
			}
			return crashfs.ErrDead
		}
		was := kind
		kind = 7 // once
		switch {
		case op.Kind == errorfs.OpFileWriteAt && half:
			return crashfs.ErrShort
		case was == 4:
			return crashfs.AfterDoing(syscall.EIO)
		case was == 5:
			return syscall.ENOSPC
		}
		return syscall.EIO
	}
}

func same(a, b *Manifest) bool {
	if a == nil || b == nil {
		return a == b
	}
	left, errLeft := format(a)
	right, errRight := format(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

func sameAsAny(m *Manifest, all []*Manifest) bool {
	for _, other := range all {
		if same(m, other) {
			return true
		}
	}
	return false
}

func generationOf(m *Manifest) string {
	if m == nil {
		return "none"
	}
	return strconv.FormatUint(m.Generation, 10)
}

func TestPowerCuts(t *testing.T) {
	seen := map[string]int{}
	for seed := range crashfs.Seeds(t, 100) {
		run := newCrashRun(seed, sabotage{})
		if err := run.live(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for what, n := range run.seen {
			seen[what] += n
		}
	}
	t.Log(seen)
	for _, what := range []string{"promised", "in flight", "failed checkpoint", "failed manifest"} {
		if seen[what] == 0 {
			t.Errorf("no seed came to: %s", what)
		}
	}
}

func TestPowerCutsCatchSabotage(t *testing.T) {
	const most = 300
	for _, s := range sabotages {
		caught := false
		for seed := uint64(0); seed < most && !caught; seed++ {
			if err := newCrashRun(seed, s).live(); err != nil {
				t.Logf("%s: seed %d: %v", s.name, seed, err)
				caught = true
			}
		}
		if !caught {
			t.Errorf("%s: %d seeds found nothing wrong", s.name, most)
		}
	}
}
