package wal

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/disk/crashfs"
)

// failing returns an injector of an error into calls of one kind on files whose name ends so.
func failing(kind errorfs.OpKind, suffix string, err error) func(errorfs.Op) error {
	return func(op errorfs.Op) error {
		if op.Kind == kind && strings.HasSuffix(op.Path, suffix) {
			return err
		}
		return nil
	}
}

func TestAFailureOfAGroupPoisons(t *testing.T) {
	for _, c := range []struct {
		name       string
		durability Durability
		kind       errorfs.OpKind
		inject     error
		cause      error
	}{
		{"write", Fsync, errorfs.OpFileWriteAt, syscall.EIO, syscall.EIO},
		{"write without space", Fsync, errorfs.OpFileWriteAt, syscall.ENOSPC, syscall.ENOSPC},
		{"write that is done", Fsync, errorfs.OpFileWriteAt, crashfs.AfterDoing(syscall.EIO), syscall.EIO},
		{"short write", Fsync, errorfs.OpFileWriteAt, crashfs.ErrShort, io.ErrShortWrite},
		{"sync", Fsync, errorfs.OpFileSyncData, syscall.EIO, syscall.EIO},
		{"write, interval", Interval, errorfs.OpFileWriteAt, syscall.EIO, syscall.EIO},
		{"short write, none", None, errorfs.OpFileWriteAt, crashfs.ErrShort, io.ErrShortWrite},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := crashfs.New()
			o := small(fs)
			o.Durability = c.durability
			l, _ := open(t, o, Position{})
			before := appendText(t, l, "before")
			fs.Inject(failing(c.kind, ".wal", c.inject))
			_, err := l.Append([][]byte{[]byte(text("x", 5000))})
			fs.Inject(nil)
			isPoison(t, err, c.cause)
			isPoison(t, l.Err(), c.cause)
			isPoison(t, l.Reserve(1), c.cause)
			_, err = l.Append([][]byte{[]byte("after")})
			isPoison(t, err, c.cause)
			isPoison(t, l.Close(), c.cause)
			if _, err := l.Append(nil); !errors.Is(err, ErrClosed) {
				t.Errorf("closed: %v", err)
			}
			_, got, err := readAll(fs, Position{})
			if err != nil || len(got) == 0 || got[0].Records[0] != "before" || before.Position != got[0].Position {
				t.Fatalf("read %v, %v", got, err)
			}
		})
	}
}

func isPoison(t *testing.T, err, cause error) {
	t.Helper()
	if !errors.Is(err, ErrPoisoned) || !errors.Is(err, cause) {
		t.Errorf("error %v, want poison by %v", err, cause)
	}
}

func TestAFailedSyncBehindTheBackPoisons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashfs.New()
		o := small(fs)
		o.Durability, o.SyncEvery = Interval, time.Minute
		l, _ := open(t, o, Position{})
		l.Start()
		synctest.Wait()
		appendText(t, l, "a")
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if s := l.Stats(); s.Syncs != 1 {
			t.Errorf("%d syncs, want 1", s.Syncs)
		}
		time.Sleep(5 * time.Minute)
		if s := l.Stats(); s.Syncs != 1 {
			t.Errorf("%d syncs with nothing to sync", s.Syncs)
		}
		fs.Inject(failing(errorfs.OpFileSyncData, ".wal", syscall.EIO))
		appendText(t, l, "b")
		time.Sleep(time.Minute)
		synctest.Wait()
		isPoison(t, l.Err(), syscall.EIO)
		isPoison(t, l.Close(), syscall.EIO)
	})
}

func TestIntervalSyncsTheSegmentsThatWereLeft(t *testing.T) {
	fs := crashfs.New()
	o := small(fs)
	o.Durability = Interval
	l, _ := open(t, o, Position{})
	want := fillSegments(t, l, 4)
	if err := l.syncWritten(); err != nil {
		t.Fatal(err)
	}
	_, got, err := readAll(fs.Crash(0, nil), Position{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// A group that is written while others are synced is not synced with them.
func TestAGroupWrittenDuringASync(t *testing.T) {
	fs := crashfs.New()
	o := small(fs)
	o.Durability = Interval
	var l *Log
	o.FS = hookedFS{fs, func() {
		if l != nil {
			appendText(t, l, "during")
		}
	}}
	opened, _ := open(t, o, Position{})
	appendText(t, opened, "before")
	l = opened
	if err := l.syncWritten(); err != nil {
		t.Fatal(err)
	}
	if l.durable != 2 || l.group != 3 {
		t.Errorf("groups before %d are said to be synced, those before 2 are", l.durable)
	}
	l = nil
}

// hookedFS calls a function behind each sync of data.
type hookedFS struct {
	disk.FS
	synced func()
}

func (h hookedFS) Create(name string) (disk.File, error) {
	f, err := h.FS.Create(name)
	return hookedFile{f, h.synced}, err
}

type hookedFile struct {
	disk.File
	synced func()
}

func (f hookedFile) SyncData() error {
	err := f.File.SyncData()
	f.synced()
	return err
}

// No room for a new segment stops groups that need one, and nothing else, until there is room.
func TestNoSpaceForASegmentIsNoPoison(t *testing.T) {
	for _, c := range []struct {
		name  string
		kind  errorfs.OpKind
		where string
		err   error
	}{
		{"create", errorfs.OpCreate, ".wal", syscall.ENOSPC},
		{"write", errorfs.OpFileWriteAt, "3.wal", syscall.ENOSPC},
		{"short write", errorfs.OpFileWriteAt, "3.wal", crashfs.ErrShort},
		{"sync", errorfs.OpFileSync, "3.wal", syscall.EIO},
		{"sync of the folder", errorfs.OpFileSync, testDir, syscall.EIO},
	} {
		t.Run(c.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { noSpace(t, c.kind, c.where, c.err) }) })
	}
}

func noSpace(t *testing.T, kind errorfs.OpKind, where string, cause error) {
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	l.prepareSpares() // 2 and 3; what comes next is 4, or 3 once it was removed
	fs.Inject(failing(kind, strings.Replace(where, "3", "4", 1), cause))
	l.Start()
	synctest.Wait()
	var want []group
	record := text("r", 7000)
	for range 3 {
		if err := l.Reserve(len(record) + RecordOverhead); err != nil {
			t.Fatal(err)
		}
		want = append(want, appendText(t, l, record))
		synctest.Wait()
	}
	wantNames(t, fs, 1, 2, 3) // what was begun is gone, and takes no space
	for range 2 {
		err := l.Reserve(len(record) + RecordOverhead)
		if !errors.Is(err, ErrNoSegment) || cause != crashfs.ErrShort && !errors.Is(err, cause) || l.SpaceErr() == nil {
			t.Fatalf("reserve: %v, space %v", err, l.SpaceErr())
		}
		if _, err := l.Append([][]byte{[]byte(record)}); !errors.Is(err, ErrNoSegment) || l.Err() != nil {
			t.Fatalf("append: %v, %v", err, l.Err())
		}
		if err := l.Reserve(100); err != nil {
			t.Fatalf("what fits is refused: %v", err)
		}
		want = append(want, appendText(t, l, text("s", 100)))
		time.Sleep(10 * time.Second)
	}
	fs.Inject(nil)
	time.Sleep(2 * spaceRetry)
	synctest.Wait()
	if err := l.SpaceErr(); err != nil {
		t.Fatal(err)
	}
	if err := l.Reserve(len(record) + RecordOverhead); err != nil {
		t.Fatal(err)
	}
	want = append(want, appendText(t, l, record))
	synctest.Wait()
	if s := l.Stats(); s.Spares != wantedSpares {
		t.Errorf("stats %+v", s)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, got, err := readAll(fs.Crash(0, nil), Position{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// A drop gives back space, and the preparer uses it at once.
func TestADropEndsTheLackOfSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashfs.New()
		l, _ := open(t, small(fs), Position{})
		l.prepareSpares()
		fs.Inject(failing(errorfs.OpCreate, ".wal", syscall.ENOSPC))
		l.Start()
		record := text("r", 7000)
		for l.Reserve(len(record)+RecordOverhead) == nil {
			appendText(t, l, record)
			synctest.Wait()
		}
		if l.Position().Segment != 3 {
			t.Fatalf("at %v", l.Position())
		}
		if err := l.Drop(l.Position()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := l.Reserve(len(record) + RecordOverhead); err != nil {
			t.Fatal(err)
		}
		if at := appendText(t, l, record).Position; at.Segment != 4 {
			t.Errorf("at %v", at)
		}
	})
}

func TestReserveWaitsForTheSpareThatIsBeingMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := open(t, small(crashfs.New()), Position{})
		record := text("r", 7000)
		appendText(t, l, record)
		if err := l.Reserve(len(record) + RecordOverhead); !errors.Is(err, ErrNoSegment) {
			t.Errorf("before Start: %v", err)
		}
		l.Start()
		if err := l.Reserve(len(record) + RecordOverhead); err != nil {
			t.Error(err)
		}
	})
}

func TestTooLarge(t *testing.T) {
	l, _ := open(t, small(crashfs.New()), Position{})
	most := minSegmentBytes - firstFrame - frameHeader - 2 // for the record's length
	if err := l.Reserve(most + 1 + RecordOverhead); !errors.Is(err, ErrTooLarge) {
		t.Errorf("reserve: %v", err)
	}
	if _, err := l.Append([][]byte{make([]byte, most+1)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("append: %v", err)
	}
	if err := l.Reserve(most + 2); err != nil {
		t.Error(err)
	}
	appendText(t, l, text("m", most))
}
