package datadir

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flowd/disk"
	"flowd/disk/crashfs"
	"flowd/flow"
	"flowd/local"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testOptions are those of an engine with a log of small segments, which makes no checkpoints of
// its own.
func testOptions(dir string) local.Options {
	o := local.DefaultOptions()
	o.Dir, o.Logged = dir, true
	o.Log.SegmentBytes = 16 << 10
	o.Shards = 2
	o.CheckpointEvery = time.Hour
	o.Logger = slog.New(slog.DiscardHandler)
	return o
}

// engine is an engine with the test that it is for.
type engine struct {
	*local.Engine
	t   testing.TB
	dir string
}

func open(t testing.TB, o local.Options) engine {
	t.Helper()
	e, err := local.New(o)
	if err == nil {
		err = e.Open()
	}
	if err != nil {
		t.Fatal(err)
	}
	return engine{e, t, o.Dir}
}

func (e engine) close() {
	e.t.Helper()
	if err := e.Close(); err != nil {
		e.t.Fatal(err)
	}
}

func (e engine) checkpoint() {
	e.t.Helper()
	if err := e.Checkpoint(); err != nil {
		e.t.Fatal(err)
	}
}

// batchHours are the hours of each batch that post makes: one flow in each.
var batchHours = []flow.Hour{7, 480_000, 480_001}

// post appends batch n: flows of the tuple n, with n bytes, in a few hours.
func (e engine) post(n int) error {
	b := e.Acquire(time.Minute)
	for _, h := range batchHours {
		b.Add(&flow.Flow{SrcApp: fmt.Sprintf("app-%d", n), DestApp: strings.Repeat("d", 1+n%100), VPCID: "vpc",
			BytesTx: uint64(n), BytesRx: 1, Hour: h})
	}
	_, err := e.Append(b, flow.Origin{Agent: "agent", Seq: uint64(n + 1)})
	return err
}

func (e engine) posts(from, to int) {
	e.t.Helper()
	for n := from; n < to; n++ {
		if err := e.post(n); err != nil {
			e.t.Fatal(err)
		}
	}
}

// batches returns the batches that the engine has, in order, all of which must be whole.
func (e engine) batches() []int {
	e.t.Helper()
	seen := map[int]int{}
	for _, h := range batchHours {
		rows, err := e.Rows(h)
		if err != nil {
			e.t.Fatal(err)
		}
		dst := make([]flow.Row, 100)
		for n := rows.Next(dst); n > 0; n = rows.Next(dst) {
			for _, row := range dst[:n] {
				if row.Totals.BytesRx != 1 {
					e.t.Errorf("batch %d counts %d times in hour %d", row.Totals.BytesTx, row.Totals.BytesRx, h)
				}
				seen[int(row.Totals.BytesTx)]++
			}
		}
		if err := rows.Err(); err != nil {
			e.t.Fatal(err)
		}
		rows.Close()
	}
	var all []int
	for n, hours := range seen {
		if hours != len(batchHours) {
			e.t.Errorf("batch %d has flows in %d hours of %d", n, hours, len(batchHours))
		}
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// wantBatches opens a folder, and wants the first batches in it, and maybe more of them.
func wantBatches(t testing.TB, fsys disk.FS, dir string, least int) {
	t.Helper()
	o := testOptions(dir)
	o.FS = fsys
	e := open(t, o)
	all := e.batches()
	if len(all) < least {
		t.Errorf("%d batches, want at least %d", len(all), least)
	}
	for i, n := range all {
		if n != i {
			t.Fatalf("batch %d is missing, batch %d is there", i, n)
		}
	}
	e.close()
}

// filled returns a folder as a kill leaves it: blocks and windows of the second checkpoint, and
// a log of three segments behind them. It has 300 batches.
func filled(t testing.TB) string {
	t.Helper()
	o := testOptions("data")
	memory := crashfs.New() // where a sync costs nothing
	o.FS = memory
	e := open(t, o)
	e.posts(0, 50)
	e.checkpoint()
	e.posts(50, 100)
	e.checkpoint()
	e.posts(100, 300)
	for deadline := time.Now().Add(time.Minute); e.Stats().Log.Spares < 2; {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not prepare its segments: %+v", e.Stats().Log)
		}
		runtime.Gosched() // nothing tells when it has
	}
	dir := filepath.Join(t.TempDir(), "data")
	export(t, memory, "data", dir) // nothing is under way
	e.close()
	return dir
}

// export copies a folder to the real disk.
func export(t testing.TB, fsys disk.FS, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o750); err != nil {
		t.Fatal(err)
	}
	names, err := fsys.List(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		source, target := path.Join(from, name), filepath.Join(to, name)
		if _, err := fsys.List(source); err == nil {
			export(t, fsys, source, target)
			continue
		}
		file, err := fsys.Open(source)
		if err != nil {
			t.Fatal(err)
		}
		size, err := file.Size()
		b := make([]byte, size)
		if err == nil && size > 0 {
			_, err = file.ReadAt(b, 0)
		}
		if err := errors.Join(err, file.Close(), os.WriteFile(target, b, 0o640)); err != nil {
			t.Fatal(err)
		}
	}
}

// copyOf returns a copy of a folder that nobody writes to.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// files returns the files below a folder with their contents.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		short, _ := filepath.Rel(dir, name)
		all[filepath.ToSlash(short)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// work is an engine being worked with.
type work struct {
	t     testing.TB
	acked atomic.Int64
	ended atomic.Bool
	done  chan error
}

// work appends batches from 0 on, and makes checkpoints all the time, until it is told to stop.
func (e engine) work() *work {
	w := &work{t: e.t, done: make(chan error, 2)}
	go func() {
		var err error
		for n := 0; !w.ended.Load() && err == nil; n++ {
			if err = e.post(n); err == nil {
				w.acked.Add(1)
			}
		}
		w.done <- err
	}()
	go func() {
		var err error
		for !w.ended.Load() && err == nil {
			err = e.Checkpoint()
		}
		w.done <- err
	}()
	return w
}

// stop ends the work, which must have gone well.
func (w *work) stop() {
	w.t.Helper()
	w.ended.Store(true)
	if err := errors.Join(<-w.done, <-w.done); err != nil {
		w.t.Fatal(err)
	}
}
