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

// TestDamagedBatches holds that every flipped byte and every truncation of a batch's file is detected,
// and that other batches are still sent.
func TestDamagedBatches(t *testing.T) {
	s := newMemoryServer()
	s.setFault(unreachable)
	fs := crashfs.New()
	o := s.options()
	o.FS, o.Dir, o.BatchFlows = fs, "spool", 2
	c := open(t, o)
	add(t, c, "a", 4)
	closeNow(t, c)
	s.setFault(nil)
	name := "spool/" + batchFile(1)
	whole := readFile(t, fs, name)
	versions := 0
	for at := range len(whole) * 2 {
		data := append([]byte(nil), whole...)
		if at < len(whole) {
			data[at] ^= 1 << (at % 8)
		} else {
			data = data[:at-len(whole)]
		}
		h, body, problem := parseBatch(data)
		switch {
		case problem == "":
			t.Fatalf("byte %d: %+v %s", at, h, body)
		case problem == unknownVersion:
			versions++
		}
	}
	if versions != 0 {
		t.Errorf("%d changes look like another version", versions)
	}
	for _, test := range []struct {
		name         string
		data         string
		foundAtStart bool // by its head
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
			for i, data := range []string{test.data, string(readFile(t, o.FS, "spool/"+batchFile(2)))} {
				must(t, (&spool{fs: fs}).writeNewFile("spool/"+batchFile(uint64(i+1)), []byte(data), true))
			}
			o := s.options()
			o.FS, o.Dir = fs, "spool"
			c := open(t, o)
			if foundAtStart := c.Stats().Damaged.Batches == 1 && c.Stats().Recovered.Batches == 1; foundAtStart != test.foundAtStart && test.foundAtStart {
				t.Errorf("at the start: %+v", c.Stats())
			}
			mustClose(t, c)
			stats := c.Stats()
			if stats.Damaged.Batches != 1 || stats.Stored != (Count{1, 2}) || len(s.received()) != 1 {
				t.Errorf("%+v", stats)
			}
			if got := readFile(t, fs, "spool/refused/"+batchFile(1)); string(got) != test.data {
				t.Errorf("the stored file is %q", got)
			}
		})
	}
	must(t, fs.Remove(name))
	must(t, (&spool{fs: fs}).writeNewFile(name, []byte(strings.Replace(string(whole), "flowd-batch 1", "flowd-batch 2", 1)), true))
	later, err := New(o)
	must(t, err)
	if err := later.Open(); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("a batch of another version: %v", err)
	}
}

// TestVanishedBatch holds that a batch without its file counts as damaged, and other batches are still
// sent.
func TestVanishedBatch(t *testing.T) {
	s := newMemoryServer()
	s.setFault(unreachable)
	o := s.options()
	o.Dir = t.TempDir()
	c := open(t, o)
	add(t, c, "a", 20)
	closeNow(t, c)
	s.setFault(nil)
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
	if stats := checkBalance(t, c); stats.Damaged != (Count{1, 10}) || stats.Stored != (Count{1, 10}) {
		t.Errorf("%+v", stats)
	}
}

// TestFolderFails holds that with a failing folder batches are sent from memory, and Save returns an
// error.
func TestFolderFails(t *testing.T) {
	for _, test := range []struct {
		name  string
		fails func(errorfs.Op) bool
		file  bool // may exist after the failure
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
				s.setFault(unreachable)
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
				if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "2 batches with 15 flows are only in memory") {
					t.Errorf("Save: %v", err)
				}
				if stats := checkBalance(t, c); stats.Unsaved != (Count{2, 15}) {
					t.Errorf("%+v", stats)
				}
				fs.Inject(nil)
				add(t, c, "c", 10)
				if err := c.Save(); err == nil {
					t.Error("Save returned nil with unsaved batches")
				}
				s.setFault(nil)
				mustFlush(t, c, time.Hour)
				must(t, c.Save())
				mustClose(t, c)
				if stats := checkBalance(t, c); stats.Stored.Flows != 35 || stats.Unsaved.Batches > 0 {
					t.Errorf("%+v", stats)
				}
				names, err := fs.List("spool")
				must(t, err)
				if diff := cmp.Diff([]string{"AGENT", "LOCK", "refused"}, names); diff != "" {
					t.Errorf("files in the folder (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestUnsavedBatches holds that a refused batch that only memory has is stored too, and that Close
// reports lost batches.
func TestUnsavedBatches(t *testing.T) {
	s := newMemoryServer()
	s.fault = func(post int, _ *http.Request) fault {
		if post == 1 {
			return fault{answer: problemAnswer(400, "no")}
		}
		return fault{noConnection: true}
	}
	fs := crashfs.New()
	o := s.options()
	o.FS, o.Dir = fs, "spool"
	var file string
	refused := make(chan struct{})
	o.Refused = func(r *RefusedBatch) { file = r.File; close(refused) }
	c := open(t, o)
	fs.Inject(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasPrefix(op.Path, "spool/0") {
			return syscall.EIO
		}
		return nil
	})
	add(t, c, "a", 20)
	<-refused
	if err := c.Save(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Save: %v", err)
	}
	if text := readFile(t, fs, file); !strings.Contains(string(text), `"a0"`) {
		t.Errorf("the stored file is %s", text)
	}
	fs.Inject(nil)
	add(t, c, "b", 10)
	_ = c.Save()
	unsent := closeNow(t, c)
	want := "client: 2 batches with 20 flows are not answered for; 1 batch with 10 flows of them are lost, the rest stays in spool: context canceled"
	if unsent == nil || unsent.Error() != want {
		t.Errorf("%v, want %s", unsent, want)
	}
}

// TestNumbersCannotBeReserved holds that batches get an ephemeral name while the folder cannot reserve
// sequences.
func TestNumbersCannotBeReserved(t *testing.T) {
	s := newMemoryServer()
	fs := crashfs.New()
	o := s.options()
	o.FS, o.Dir, o.BatchFlows = fs, "spool", 1
	c := open(t, o)
	c.identity.next = c.identity.reservedUpTo // as if all reserved ones were used
	reserved := c.identity.agent
	fs.Inject(func(op errorfs.Op) error {
		if strings.Contains(op.Path, identityFile[1:]) {
			return syscall.ENOSPC
		}
		return nil
	})
	add(t, c, "a", 3)
	mustClose(t, c)
	for i, post := range s.received() {
		if post.agent == reserved || post.seq != uint64(i+1) {
			t.Errorf("%s %d", post.agent, post.seq)
		}
	}
	fs.Inject(nil)
	c = open(t, o)
	add(t, c, "b", 1)
	mustClose(t, c)
	if last := s.received()[3]; last.agent != reserved || last.seq != 1+reservationSize {
		t.Errorf("after a restart: %s %d", last.agent, last.seq)
	}
	checkBalance(t, c)
}

// TestReadFails holds that a batch that cannot be read for a moment is retried, and not counted as
// damaged.
func TestReadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer()
		s.setFault(unreachable)
		fs := crashfs.New()
		o := s.options()
		o.FS, o.Dir = fs, "spool"
		c := open(t, o)
		add(t, c, "a", 10)
		closeNow(t, c)
		s.setFault(nil)
		opens := 0
		fs.Inject(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpOpen && strings.HasSuffix(op.Path, batchFile(1)) {
				if opens++; opens == 2 { // the first reads its head
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
			t.Errorf("reasons are %q", reasons)
		}
		if stats := checkBalance(t, c); stats.Stored.Flows != 10 || stats.Damaged.Batches > 0 {
			t.Errorf("%+v", stats)
		}
	})
}
