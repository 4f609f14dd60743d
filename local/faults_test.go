package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"flowd/block"
	"flowd/disk/crashfs"
	"flowd/flow"
	"flowd/wal"
)

// TestDamagedFolders changes a folder with two hours on disk and one in the log. Each line says
// what the start is refused for, or else what the hours answer.
func TestDamagedFolders(t *testing.T) {
	for _, c := range []struct {
		name    string
		file    string // below the folder; of several the first
		change  func(t *testing.T, name string)
		refused string
		broken  []flow.Hour // that cannot be read
	}{
		{"nothing", "MANIFEST", func(*testing.T, string) {}, "", nil},
		{"missing block", "hours/hour=1/*", remove, "hours/hour=1/00000001.parquet is missing", nil},
		{"short block", "hours/hour=1/*", shorten, "hours/hour=1/00000001.parquet", nil},
		{"flipped byte in a block", "hours/hour=1/*", flip(200), "", []flow.Hour{1}},
		{"missing manifest", "MANIFEST", remove, "MANIFEST", nil},
		{"flipped byte in the manifest", "MANIFEST", flip(90), "MANIFEST", nil},
		{"missing windows", "windows-*", remove, "windows-00000001", nil},
		{"flipped byte in the windows", "windows-*", flip(40), "windows-00000001", nil},
		{"missing segment", "wal/*", remove, "000000000001.wal", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testOptions(t)
			e := open(t, o)
			e.mustPost(t, flow.Origin{Agent: "a", Seq: 1}, tuple(1, 1), tuple(2, 2))
			if err := e.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			e.mustPost(t, flow.Origin{Agent: "a", Seq: 2}, tuple(3, 3))
			e.checkpointer.covered.Store(e.stats.received.Load()) // so that Close makes no checkpoint
			e.mustClose(t)
			found, err := filepath.Glob(filepath.Join(o.Dir, c.file))
			if err != nil || len(found) == 0 {
				t.Fatalf("no file %s: %v", c.file, err)
			}
			c.change(t, found[0])

			e, err = New(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Open(); c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("the start: %v, want it refused for %s", err, c.refused)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			for h := flow.Hour(1); h <= 3; h++ {
				_, err := e.readHours(h)
				broken := len(c.broken) > 0 && c.broken[0] == h
				if corrupt := (*block.CorruptError)(nil); errors.As(err, &corrupt) != broken {
					t.Errorf("hour %d: %v, want damage: %v", h, err, broken)
				}
			}
			if got, want := e.Stats().DamagedReads, int64(len(c.broken)); got != want {
				t.Errorf("%d reads of a damaged block are counted, want %d", got, want)
			}
			e.mustClose(t)
		})
	}
}

func remove(t *testing.T, name string) {
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func shorten(t *testing.T, name string) {
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, info.Size()-1); err != nil {
		t.Fatal(err)
	}
}

func flip(offset int64) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[offset] ^= 1
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoSpace has a disk that takes no new files for a while.
func TestNoSpace(t *testing.T) {
	o := testOptions(t)
	disk := crashfs.New()
	o.FS, o.Dir, o.Log.SegmentBytes = disk, "data", 64<<10
	e := open(t, o)
	var full atomic.Bool
	full.Store(true)
	disk.Inject(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpCreate {
			return syscall.ENOSPC
		}
		return nil
	})
	counted := uint64(0)
	var err error
	for n := 0; err == nil; n++ {
		flows := make([]flow.Flow, 500)
		for i := range flows {
			flows[i] = tuple(500*n+i, 1)
		}
		if _, err = e.post(flow.Origin{}, flows...); err == nil {
			counted += 500
		}
	}
	refused := (*flow.UnavailableError)(nil)
	if !errors.As(err, &refused) || refused.Reason != reasonDiskFull {
		t.Errorf("when no segment could be made a batch got: %v", err)
	}
	if s := e.Status(); s.Ready() || !s.ReadOnly || s.Reasons[0] != reasonDiskFull {
		t.Errorf("the status then: %+v", s)
	}
	if e.Checkpoint() == nil {
		t.Error("a checkpoint was made without space")
	}
	if got := e.checkBalance(t); got.Stored.Flows != counted || got.Rejected.Flows != 500 {
		t.Errorf("%d flows stored and %d rejected, want %d and 500", got.Stored.Flows, got.Rejected.Flows, counted)
	}
	full.Store(false)
	for deadline := time.Now().Add(time.Minute); !e.ready(); {
		if time.Now().After(deadline) {
			t.Fatal("with space the engine does not become ready")
		}
		e.checkpointer.wake() // instead of waiting for its next tick
	}
	e.mustPost(t, flow.Origin{}, tuple(1, 1))
	e.mustClose(t)
	o.FS = disk.Kill()
	e = open(t, o)
	if got := e.checkBalance(t).Stored.Flows; got != counted+1 {
		t.Errorf("after a restart %d flows are stored, want %d", got, counted+1)
	}
	e.mustClose(t)
}

// TestFailedSyncBehindTheBack has the log fail while nobody posts: the status says so all the
// same, and there is no checkpoint any more.
func TestFailedSyncBehindTheBack(t *testing.T) {
	o := testOptions(t)
	disk := crashfs.New()
	o.FS, o.Dir, o.Log.SegmentBytes = disk, "data", 64<<10
	o.Log.Durability, o.Log.SyncEvery = wal.Interval, time.Millisecond
	e := open(t, o)
	disk.Inject(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync {
			return syscall.EIO
		}
		return nil
	})
	if _, err := e.post(flow.Origin{}, tuple(1, 1)); err != nil {
		t.Errorf("a batch that is written gets: %v", err)
	}
	for deadline := time.Now().Add(time.Minute); e.ready(); {
		if time.Now().After(deadline) {
			t.Fatal("the engine stays ready although its log cannot be synced")
		}
		e.checkpointer.wake() // instead of waiting for its next tick
	}
	if s := e.Status(); !s.ReadOnly || s.Reasons[0] != reasonLogFailed {
		t.Errorf("the status then: %+v", s)
	}
	if err := e.Checkpoint(); !errors.Is(err, wal.ErrPoisoned) {
		t.Errorf("a checkpoint then: %v, want ErrPoisoned", err)
	}
	if err := e.Close(); !errors.Is(err, wal.ErrPoisoned) {
		t.Errorf("Close says %v, want ErrPoisoned", err)
	}
}

func (e *Engine) ready() bool {
	s := e.Status()
	return s.Ready()
}

// TestLateFlowsToADamagedBlock takes a block away, or breaks it, under flows that come for its hour:
// checkpoints fail until it is restored, and nothing is lost.
func TestLateFlowsToADamagedBlock(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, name string) (restore func()){
		"missing": func(t *testing.T, name string) func() {
			aside := name + ".aside"
			if err := os.Rename(name, aside); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := os.Rename(aside, name); err != nil {
					t.Fatal(err)
				}
			}
		},
		"flipped byte": func(t *testing.T, name string) func() {
			flip(200)(t, name)
			return func() { flip(200)(t, name) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(t)
			o.MemoryBudget = 1
			e := open(t, o)
			want := make(totals)
			add := func(f flow.Flow) {
				e.mustPost(t, flow.Origin{}, f)
				want.add(f)
			}
			add(tuple(1, 1))
			if err := e.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			add(tuple(2, 1))
			found, err := filepath.Glob(filepath.Join(o.Dir, "hours/hour=1/*"))
			if err != nil || len(found) != 1 {
				t.Fatalf("blocks of the hour: %v, %v", found, err)
			}
			restore := damage(t, found[0])
			for range 3 {
				if e.Checkpoint() == nil {
					t.Error("a checkpoint was made of a block that cannot be read")
				}
				add(tuple(3, 1))
			}
			restore()
			if err := e.Checkpoint(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(want, e.read(t, 1)); diff != "" {
				t.Errorf("the hour (-want +got):\n%s", diff)
			}
			if _, err := os.Stat(found[0]); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the block that was replaced is still there: %v", err)
			}
			e.checkBalance(t)
			e.mustClose(t)
		})
	}
}
