package client

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"flowd/disk/crashfs"
)

// Every flipped byte of a batch's file is found, and so is each end that is missing; other batches go
// on.
func TestDamagedBatches(t *testing.T) {
	s := newMemoryServer()
	s.fails(unreachable)
	fs := crashfs.New()
	o := s.options()
	o.FS, o.Dir, o.BatchFlows = fs, "spool", 2
	c := open(t, o)
	add(t, c, "a", 4)
	abandon(t, c)
	s.fails(nil)
	name := "spool/" + batchFile(1)
	whole := readFile(t, fs, name)
	versions := 0
	for at := range len(whole) * 2 {
		text := append([]byte(nil), whole...)
		if at < len(whole) {
			text[at] ^= 1 << (at % 8)
		} else {
			text = text[:at-len(whole)]
		}
		h, body, wrong := parseBatch(text)
		switch {
		case wrong == "":
			t.Fatalf("byte %d: %+v %s", at, h, body)
		case wrong == wrongVersion:
			versions++
		}
	}
	if versions != 0 {
		t.Errorf("%d changes look like another version", versions)
	}
	for _, test := range []struct {
		name  string
		text  string
		found bool // at the start, by the head alone
	}{
		{"a flipped byte in the body", strings.Replace(string(whole), `"a1"`, `"b1"`, 1), false},
		{"another sequence", strings.Replace(string(whole), "seq=1 ", "seq=2 ", 1), false},
		{"cut", string(whole[:len(whole)-1]), true},
		{"longer", string(whole) + "x", true},
		{"empty", "", true},
		{"no head", "hello", true},
		{"a head without an end", "flowd-batch 1 crc32c=", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newMemoryServer()
			fs := crashfs.New()
			must(t, fs.MkdirAll("spool"))
			for i, text := range []string{test.text, string(readFile(t, o.FS, "spool/"+batchFile(2)))} {
				must(t, (&spool{fs: fs}).writeNew("spool/"+batchFile(uint64(i+1)), []byte(text), true))
			}
			o := s.options()
			o.FS, o.Dir = fs, "spool"
			c := open(t, o)
			if found := c.Stats().Damaged.Batches == 1 && c.Stats().Recovered.Batches == 1; found != test.found && test.found {
				t.Errorf("at the start: %+v", c.Stats())
			}
			mustClose(t, c)
			stats := c.Stats()
			if stats.Damaged.Batches != 1 || stats.Stored != (Count{1, 2}) || len(s.received()) != 1 {
				t.Errorf("%+v", stats)
			}
			if got := readFile(t, fs, "spool/refused/"+batchFile(1)); string(got) != test.text {
				t.Errorf("kept is %q", got)
			}
		})
	}
	must(t, fs.Remove(name))
	must(t, (&spool{fs: fs}).writeNew(name, []byte(strings.Replace(string(whole), "flowd-batch 1", "flowd-batch 2", 1)), true))
	later, err := New(o)
	must(t, err)
	if err := later.Open(); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("a batch of another version: %v", err)
	}
}

// A batch whose file vanishes is told as damaged, and holds nothing up.
func TestVanishedBatch(t *testing.T) {
	s := newMemoryServer()
	s.fails(unreachable)
	o := s.options()
	o.Dir = t.TempDir()
	c := open(t, o)
	add(t, c, "a", 20)
	abandon(t, c)
	s.fails(nil)
	c, err := New(o)
	must(t, err)
	s.fault = func(post int, _ *http.Request) fault {
		if post == 2 {
			must(t, os.Remove(filepath.Join(o.Dir, batchFile(2))))
		}
		return fault{}
	}
	must(t, c.Open())
	mustClose(t, c)
	if stats := balanced(t, c); stats.Damaged != (Count{1, 10}) || stats.Stored != (Count{1, 10}) {
		t.Errorf("%+v", stats)
	}
}

// A folder that fails holds nothing up: batches are sent from memory, and Save tells.
func TestFolderFails(t *testing.T) {
	for _, test := range []struct {
		name  string
		fails func(errorfs.Op) bool
		file  bool // may be there all the same
	}{
		{"no space", func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWriteAt }, false},
		{"create", func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate }, false},
		{"sync", func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSync && strings.HasSuffix(op.Path, unfinishedSuffix)
		}, false},
		{"rename", func(op errorfs.Op) bool { return op.Kind == errorfs.OpRename }, false},
		{"sync of the folder", func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSync && op.Path == "spool" }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemoryServer()
				s.fails(unreachable)
				fs := crashfs.New()
				o := s.options()
				o.FS, o.Dir = fs, "spool"
				c := open(t, o)
				add(t, c, "a", 10)
				must(t, c.Save())
				fs.Inject(func(op errorfs.Op) error {
					if test.fails(op) {
						return syscall.ENOSPC
					}
					return nil
				})
				add(t, c, "b", 15)
				err := c.Save()
				if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "2 batches with 15 flows are in memory alone") {
					t.Errorf("Save: %v", err)
				}
				if stats := balanced(t, c); stats.Unsaved != (Count{2, 15}) {
					t.Errorf("%+v", stats)
				}
				fs.Inject(nil)
				add(t, c, "c", 10)
				if err := c.Save(); err == nil {
					t.Error("Save forgot what is not saved")
				}
				s.fails(nil)
				mustFlush(t, c, time.Hour)
				must(t, c.Save())
				mustClose(t, c)
				if stats := balanced(t, c); stats.Stored.Flows != 35 || stats.Unsaved.Batches > 0 {
					t.Errorf("%+v", stats)
				}
				names, err := fs.List("spool")
				must(t, err)
				if diff := cmp.Diff([]string{"AGENT", "LOCK", "refused"}, names); diff != "" {
					t.Errorf("in the folder (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A batch that is in memory alone, and is refused, is kept as well; and Close tells what it lost.
func TestUnsavedBatches(t *testing.T) {
	s := newMemoryServer()
	s.fault = func(post int, _ *http.Request) fault {
		if post == 1 {
			return fault{answer: problemAnswer(400, "no")}
		}
		return fault{unreached: true}
	}
	fs := crashfs.New()
	o := s.options()
	o.FS, o.Dir = fs, "spool"
	var file string
	kept := make(chan struct{})
	o.Refused = func(r *Refusal) { file = r.File; close(kept) }
	c := open(t, o)
	fs.Inject(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasPrefix(op.Path, "spool/0") {
			return syscall.EIO
		}
		return nil
	})
	add(t, c, "a", 20)
	<-kept
	if err := c.Save(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Save: %v", err)
	}
	if text := readFile(t, fs, file); !strings.Contains(string(text), `"a0"`) {
		t.Errorf("kept is %s", text)
	}
	fs.Inject(nil)
	add(t, c, "b", 10)
	_ = c.Save()
	unsent := abandon(t, c)
	want := "client: 2 batches with 20 flows are not answered for; 1 batch with 10 flows of them are lost, the rest stays in spool: context canceled"
	if unsent == nil || unsent.Error() != want {
		t.Errorf("%v, want %s", unsent, want)
	}
}

// While the folder cannot keep which numbers are used, batches go under a name of this run alone.
func TestNumbersCannotBeReserved(t *testing.T) {
	s := newMemoryServer()
	fs := crashfs.New()
	o := s.options()
	o.FS, o.Dir, o.BatchFlows = fs, "spool", 1
	c := open(t, o)
	c.names.next = c.names.reserved // as if all were used
	kept := c.names.agent
	fs.Inject(func(op errorfs.Op) error {
		if strings.Contains(op.Path, namesFile[1:]) {
			return syscall.ENOSPC
		}
		return nil
	})
	add(t, c, "a", 3)
	mustClose(t, c)
	for i, post := range s.received() {
		if post.agent == kept || post.seq != uint64(i+1) {
			t.Errorf("%s %d", post.agent, post.seq)
		}
	}
	fs.Inject(nil)
	c = open(t, o)
	add(t, c, "b", 1)
	mustClose(t, c)
	if last := s.received()[3]; last.agent != kept || last.seq != 1+block {
		t.Errorf("after a restart: %s %d", last.agent, last.seq)
	}
	balanced(t, c)
}

// That a batch cannot be read just now is no damage.
func TestReadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer()
		s.fails(unreachable)
		fs := crashfs.New()
		o := s.options()
		o.FS, o.Dir = fs, "spool"
		c := open(t, o)
		add(t, c, "a", 10)
		abandon(t, c)
		s.fails(nil)
		opens := 0
		fs.Inject(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpOpen && strings.HasSuffix(op.Path, batchFile(1)) {
				if opens++; opens == 2 { // the first is the look at its head
					return syscall.EMFILE
				}
			}
			return nil
		})
		var reasons []string
		o.Retrying = func(a *Attempt) { reasons = append(reasons, a.Reason) }
		c = open(t, o)
		mustFlush(t, c, time.Hour)
		mustClose(t, c)
		if len(reasons) != 1 || !strings.Contains(reasons[0], "cannot be read: ") {
			t.Errorf("told %q", reasons)
		}
		if stats := balanced(t, c); stats.Stored.Flows != 10 || stats.Damaged.Batches > 0 {
			t.Errorf("%+v", stats)
		}
	})
}
