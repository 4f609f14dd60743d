package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/flow"
	"flowd/flow/flowjson"
)

// unreachable is the fault of a server that accepts no connection.
func unreachable(int, *http.Request) fault { return fault{noConnection: true} }

// closeNow closes a client without waiting, and returns the batches it leaves.
func closeNow(t *testing.T, c *Client) *UnsentError {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var unsent *UnsentError
	if err := c.Close(ctx); err != nil && !errors.As(err, &unsent) {
		t.Errorf("Close: %v", err)
	}
	return unsent
}

// TestRestart holds that a client first sends the batches that an earlier one left in its folder, under
// the same sequences.
func TestRestart(t *testing.T) {
	for _, encoding := range []Encoding{Plain, Gzip, Zstandard} {
		s := newMemoryServer()
		tried := make(chan struct{})
		s.setFault(func(post int, _ *http.Request) fault {
			if post == 2 {
				close(tried)
			}
			return fault{hangUp: true, counts: post == 1}
		})
		o := s.options()
		o.Dir, o.Encoding, o.minBackoff = filepath.Join(t.TempDir(), "a", "spool"), encoding, time.Millisecond
		c := open(t, o)
		add(t, c, "a", 35)
		if err := c.Save(); err != nil {
			t.Fatal(err)
		}
		<-tried // the first batch counts, but its answer was lost
		unsent := closeNow(t, c)
		want := "client: 4 batches with 35 flows are not answered for; they stay in " + o.Dir + ": context canceled"
		if unsent == nil || unsent.Error() != want || unsent.Lost.Batches != 0 {
			t.Fatalf("%v, want %s", unsent, want)
		}
		first := s.received()[0].header.Get("Flowd-Agent")
		before := len(s.received())
		s.setFault(nil)
		c = open(t, o)
		add(t, c, "b", 5)
		mustClose(t, c)
		stats := checkBalance(t, c)
		if stats.Recovered != (Count{4, 35}) || stats.Stored != (Count{5, 40}) || stats.Duplicate != (Count{1, 10}) {
			t.Errorf("%+v", stats)
		}
		var seqs []uint64
		for _, post := range s.received()[before:] {
			seqs = append(seqs, post.seq)
			if post.agent != first {
				t.Errorf("sequence %d is of agent %s, not %s", post.seq, post.agent, first)
			}
		}
		if diff := cmp.Diff([]uint64{1, 2, 3, 4, 1 + reservationSize}, seqs); diff != "" {
			t.Errorf("sequences (-want +got):\n%s", diff)
		}
		counts := onceEach("a", 35)
		for name := range onceEach("b", 5) {
			counts[name] = 1
		}
		if diff := cmp.Diff(counts, s.counted(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if names := list(t, o.Dir); !cmp.Equal(names, []string{"AGENT", "LOCK", "refused"}) {
			t.Errorf("the folder has %q", names)
		}
	}
}

// list returns the names in a folder.
func list(t *testing.T, dir string) []string {
	t.Helper()
	names, err := disk.OS.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestFolderIsLocked(t *testing.T) {
	s := newMemoryServer()
	o := s.options()
	o.Dir = t.TempDir()
	c := open(t, o)
	second, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Open(); !errors.Is(err, disk.ErrLocked) || !strings.Contains(err.Error(), "give each client its own") {
		t.Errorf("%v", err)
	}
	mustClose(t, c)
	mustClose(t, open(t, o))
}

// TestFull holds that the counters and the server agree on the flows that a full spool refuses or drops.
func TestFull(t *testing.T) {
	for _, dir := range []bool{false, true} {
		for _, test := range []struct {
			whenFull   WhenFull
			added      int    // of 200 flows, with an unreachable server
			minDropped uint64 // batches; one more if the spooler was fast
		}{
			{Refuse, 50, 0},
			{DropOldest, 200, 15},
		} {
			s := newMemoryServer()
			s.setFault(unreachable)
			o := s.options()
			o.BatchBytes, o.SpoolBytes = MinBatchBytes, MinBatchBytes
			o.WhenFull, o.minBackoff, o.MaxBackoff = test.whenFull, time.Hour, time.Hour
			if dir {
				o.Dir = t.TempDir()
			}
			c := open(t, o)
			added, addErr := 0, error(nil)
			for i := range 200 {
				f := namedFlow(fmt.Sprintf("a%d", i))
				if addErr = c.Add(&f); addErr != nil {
					break
				}
				added++
			}
			if (test.whenFull == Refuse) != errors.Is(addErr, ErrFull) || added != test.added {
				t.Errorf("%v: %d flows were added, then %v, want %d", test.whenFull, added, addErr, test.added)
			}
			if test.whenFull == Refuse {
				if err := c.Save(); dir && !errors.Is(err, ErrFull) || !dir && !errors.Is(err, ErrNoFolder) {
					t.Errorf("Save: %v", err)
				}
			} else if err := c.Save(); dir && err != nil {
				t.Errorf("Save: %v", err)
			}
			stats := checkBalance(t, c)
			if d := stats.Dropped.Batches; d < test.minDropped || d > test.minDropped+test.minDropped/15 || stats.SpoolBytes > o.SpoolBytes {
				t.Errorf("%v: %+v", test.whenFull, stats)
			}
			// Close keeps the flows that were added, even beyond SpoolBytes.
			unsent := closeNow(t, c)
			stats = checkBalance(t, c)
			if pending := uint64(added) - stats.Dropped.Flows; unsent == nil || unsent.Pending.Flows != pending {
				t.Errorf("%v: %v, want %d flows", test.whenFull, unsent, pending)
			}
			if dir {
				s.setFault(nil)
				o.minBackoff = time.Millisecond
				mustClose(t, open(t, o))
				want := map[string]uint64{}
				for i := int(stats.Dropped.Flows); i < added; i++ {
					want[fmt.Sprintf("a%d", i)] = 1
				}
				if diff := cmp.Diff(want, s.counted(t)); diff != "" {
					t.Errorf("%v (-want +got):\n%s", test.whenFull, diff)
				}
			}
		}
	}
}

// TestWaitForRoom holds that with Wait Add returns once there is room, or when the client closes.
func TestWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer()
		begin := time.Now()
		s.setFault(func(int, *http.Request) fault { return fault{noConnection: time.Since(begin) < time.Hour} })
		o := s.options()
		o.BatchBytes, o.SpoolBytes, o.WhenFull = MinBatchBytes, MinBatchBytes, Wait
		c := open(t, o)
		add(t, c, "a", 200)
		if waited := time.Since(begin); waited < time.Hour || waited > time.Hour+time.Minute {
			t.Errorf("waited for %v", waited)
		}
		mustFlush(t, c, time.Hour)
		if diff := cmp.Diff(onceEach("a", 200), s.counted(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		begin = time.Now()
		ended := make(chan error)
		go func() {
			for {
				f := namedFlow("b")
				if err := c.Add(&f); err != nil {
					ended <- err
					return
				}
			}
		}()
		synctest.Wait()
		closeNow(t, c)
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("Add after Close: %v", err)
		}
		checkBalance(t, c)
	})
}

// TestRefusedFolder holds that refused batches are stored as they were sent, up to a limit, in files
// that are readable without this package.
func TestRefusedFolder(t *testing.T) {
	s := newMemoryServer()
	s.fault = func(_ int, r *http.Request) fault {
		if seq := r.Header.Get("Flowd-Seq"); seq != "4" {
			return fault{answer: problemAnswer(400, "no")}
		}
		return fault{}
	}
	o := s.options()
	o.Dir = t.TempDir()
	var files []string
	o.Refused = func(r *RefusedBatch) { files = append(files, r.File) }
	c := open(t, o)
	add(t, c, "a", 50)
	mustClose(t, c)
	stats := checkBalance(t, c)
	if stats.Refused != (Count{4, 40}) || stats.RefusedBytes == 0 || stats.RefusedEvicted != 0 || len(files) != 4 {
		t.Fatalf("%+v %q", stats, files)
	}
	data, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(data), "\n")
	var batch flow.Batch
	if err := flowjson.Decode(&batch, []byte(body), flowjson.JSON, 10); err != nil || batch.Len() != 10 || !strings.Contains(body, `"a10"`) {
		t.Errorf("%v: %s", err, data)
	}
	// The next client counts them, does not reuse their numbers, and applies the limit to all of them.
	o.RefusedBytes = stats.RefusedBytes + 10
	s.setFault(func(int, *http.Request) fault { return fault{answer: problemAnswer(413, "no")} })
	c = open(t, o)
	if got := c.Stats().RefusedBytes; got != stats.RefusedBytes {
		t.Errorf("the next client finds %d bytes, not %d", got, stats.RefusedBytes)
	}
	add(t, c, "b", 20)
	mustClose(t, c)
	stats = checkBalance(t, c)
	if stats.RefusedEvicted != 2 || stats.RefusedBytes > o.RefusedBytes {
		t.Errorf("%+v", stats)
	}
	want := []string{filepath.Base(files[2]), filepath.Base(files[3]), batchFile(6), batchFile(7)}
	if diff := cmp.Diff(want, list(t, filepath.Join(o.Dir, refusedFolder))); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	// With a limit of 0 no new batch is stored, and the old files stay.
	o.RefusedBytes, files = 0, nil
	c = open(t, o)
	add(t, c, "c", 10)
	mustClose(t, c)
	if stats := checkBalance(t, c); stats.Refused != (Count{1, 10}) || files[0] != "" || len(list(t, filepath.Join(o.Dir, refusedFolder))) != 4 {
		t.Errorf("%+v %q", stats, files)
	}
}

// TestBacklogUsesLittleMemory holds that memory is bounded regardless of the size of the spool.
func TestBacklogUsesLittleMemory(t *testing.T) {
	s := newMemoryServer()
	s.setFault(unreachable)
	o := s.options()
	o.Dir, o.NoSync = t.TempDir(), true
	o.BatchFlows, o.BatchBytes = MaxBatchFlows, 4<<20
	o.minBackoff, o.MaxBackoff = time.Hour, time.Hour
	c := open(t, o)
	add(t, c, "a", 150_000)
	must(t, c.Save())
	if stats := checkBalance(t, c); stats.SpoolBytes < maxCached+4<<20 || c.queue.batches[0].body == nil {
		t.Errorf("%+v", stats)
	}
	closeNow(t, c)
	s.setFault(nil)
	o.minBackoff = time.Millisecond
	c = open(t, o)
	mustClose(t, c)
	checkBalance(t, c)
	// cmp.Diff of 150,000 entries takes most of a minute.
	if want, got := onceEach("a", 150_000), s.counted(t); !maps.Equal(want, got) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
}
