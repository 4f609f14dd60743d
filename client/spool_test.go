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
)

// unreachable is a server that is not there.
func unreachable(int, *http.Request) fault { return fault{unreached: true} }

// abandon closes a client without any patience, and returns what it leaves.
func abandon(t *testing.T, c *Client) *UnsentError {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var unsent *UnsentError
	if err := c.Close(ctx); err != nil && !errors.As(err, &unsent) {
		t.Errorf("Close: %v", err)
	}
	return unsent
}

// What a client leaves in its folder the next one sends first, under the same names.
func TestRestart(t *testing.T) {
	for _, encoding := range []Encoding{Plain, Gzip, Zstandard} {
		s := newMemoryServer()
		tried := make(chan struct{})
		s.fails(func(post int, _ *http.Request) fault {
			if post == 2 {
				close(tried)
			}
			return fault{hangUp: true, counts: post == 1}
		})
		o := s.options()
		o.Dir, o.Encoding, o.pause = filepath.Join(t.TempDir(), "a", "spool"), encoding, time.Millisecond
		c := open(t, o)
		add(t, c, "a", 35)
		if err := c.Save(); err != nil {
			t.Fatal(err)
		}
		<-tried // the first batch counts, and the client has not learned it
		unsent := abandon(t, c)
		want := "client: 4 batches with 35 flows are not answered for; they stay in " + o.Dir + ": context canceled"
		if unsent == nil || unsent.Error() != want || unsent.Lost.Batches != 0 {
			t.Fatalf("%v, want %s", unsent, want)
		}
		first := s.received()[0].header.Get("Flowd-Agent")
		before := len(s.received())
		s.fails(nil)
		c = open(t, o)
		add(t, c, "b", 5)
		mustClose(t, c)
		stats := balanced(t, c)
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
		if diff := cmp.Diff([]uint64{1, 2, 3, 4, 1 + block}, seqs); diff != "" {
			t.Errorf("sequences (-want +got):\n%s", diff)
		}
		counts := once("a", 35)
		for name := range once("b", 5) {
			counts[name] = 1
		}
		if diff := cmp.Diff(counts, s.held(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if names := list(t, o.Dir); !cmp.Equal(names, []string{"AGENT", "LOCK", "refused"}) {
			t.Errorf("in the folder is %q", names)
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
	if err := second.Open(); !errors.Is(err, disk.ErrLocked) || !strings.Contains(err.Error(), "each needs its own") {
		t.Errorf("%v", err)
	}
	mustClose(t, c)
	mustClose(t, open(t, o))
}

// The account and the server agree on what becomes of flows that find no room.
func TestFull(t *testing.T) {
	for _, dir := range []bool{false, true} {
		for _, test := range []struct {
			policy WhenFull
			added  int    // of 200 flows, by a server that is not there
			least  uint64 // batches dropped; one more if the keeper has come so far
		}{
			{Refuse, 50, 0},
			{DropOldest, 200, 15},
		} {
			s := newMemoryServer()
			s.fails(unreachable)
			o := s.options()
			o.BatchBytes, o.SpoolBytes = MinBatchBytes, MinBatchBytes
			o.WhenFull, o.pause, o.MaxBackoff = test.policy, time.Hour, time.Hour
			if dir {
				o.Dir = t.TempDir()
			}
			c := open(t, o)
			added, failed := 0, error(nil)
			for i := range 200 {
				f := named(fmt.Sprintf("a%d", i))
				if failed = c.Add(&f); failed != nil {
					break
				}
				added++
			}
			if (test.policy == Refuse) != errors.Is(failed, ErrFull) || added != test.added {
				t.Errorf("%v: %d flows were added, then %v, want %d", test.policy, added, failed, test.added)
			}
			if test.policy == Refuse {
				if err := c.Save(); dir && !errors.Is(err, ErrFull) || !dir && !errors.Is(err, ErrNoFolder) {
					t.Errorf("Save: %v", err)
				}
			} else if err := c.Save(); dir && err != nil {
				t.Errorf("Save: %v", err)
			}
			stats := balanced(t, c)
			if d := stats.Dropped.Batches; d < test.least || d > test.least+test.least/15 || stats.SpoolBytes > o.SpoolBytes {
				t.Errorf("%v: %+v", test.policy, stats)
			}
			// What was taken is not lost by the end, even where it goes beyond the bound.
			unsent := abandon(t, c)
			stats = balanced(t, c)
			if kept := uint64(added) - stats.Dropped.Flows; unsent == nil || unsent.Pending.Flows != kept {
				t.Errorf("%v: %v, want %d flows", test.policy, unsent, kept)
			}
			if dir {
				s.fails(nil)
				o.pause = time.Millisecond
				mustClose(t, open(t, o))
				want := map[string]uint64{}
				for i := int(stats.Dropped.Flows); i < added; i++ {
					want[fmt.Sprintf("a%d", i)] = 1
				}
				if diff := cmp.Diff(want, s.held(t)); diff != "" {
					t.Errorf("%v (-want +got):\n%s", test.policy, diff)
				}
			}
		}
	}
}

// With Wait, Add returns when there is room, and with the end of the client.
func TestWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer()
		begin := time.Now()
		s.fails(func(int, *http.Request) fault { return fault{unreached: time.Since(begin) < time.Hour} })
		o := s.options()
		o.BatchBytes, o.SpoolBytes, o.WhenFull = MinBatchBytes, MinBatchBytes, Wait
		c := open(t, o)
		add(t, c, "a", 200)
		if waited := time.Since(begin); waited < time.Hour || waited > time.Hour+time.Minute {
			t.Errorf("waited for %v", waited)
		}
		mustFlush(t, c, time.Hour)
		if diff := cmp.Diff(once("a", 200), s.held(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		begin = time.Now()
		ended := make(chan error)
		go func() {
			for {
				f := named("b")
				if err := c.Add(&f); err != nil {
					ended <- err
					return
				}
			}
		}()
		synctest.Wait()
		abandon(t, c)
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("Add at the end: %v", err)
		}
		balanced(t, c)
	})
}

// Refused batches are kept as they were sent, up to a bound, and can be read without this package.
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
	o.Refused = func(r *Refusal) { files = append(files, r.File) }
	c := open(t, o)
	add(t, c, "a", 50)
	mustClose(t, c)
	stats := balanced(t, c)
	if stats.Refused != (Count{4, 40}) || stats.RefusedBytes == 0 || stats.RefusedGone != 0 || len(files) != 4 {
		t.Fatalf("%+v %q", stats, files)
	}
	text, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\n")
	var batch flow.Batch
	if err := batch.Decode([]byte(body), flow.JSON, 10); err != nil || batch.Len() != 10 || !strings.Contains(body, `"a10"`) {
		t.Errorf("%v: %s", err, text)
	}
	// The next client knows them, uses no number of theirs, and keeps the bound over all.
	o.RefusedBytes = stats.RefusedBytes + 10
	s.fails(func(int, *http.Request) fault { return fault{answer: problemAnswer(413, "no")} })
	c = open(t, o)
	if got := c.Stats().RefusedBytes; got != stats.RefusedBytes {
		t.Errorf("the next client finds %d bytes, not %d", got, stats.RefusedBytes)
	}
	add(t, c, "b", 20)
	mustClose(t, c)
	stats = balanced(t, c)
	if stats.RefusedGone != 2 || stats.RefusedBytes > o.RefusedBytes {
		t.Errorf("%+v", stats)
	}
	want := []string{filepath.Base(files[2]), filepath.Base(files[3]), batchFile(6), batchFile(7)}
	if diff := cmp.Diff(want, list(t, filepath.Join(o.Dir, refusedFolder))); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	// Without a bound above 0 nothing is kept, and those before stay as they are.
	o.RefusedBytes, files = 0, nil
	c = open(t, o)
	add(t, c, "c", 10)
	mustClose(t, c)
	if stats := balanced(t, c); stats.Refused != (Count{1, 10}) || files[0] != "" || len(list(t, filepath.Join(o.Dir, refusedFolder))) != 4 {
		t.Errorf("%+v %q", stats, files)
	}
}

// However much waits in the folder, memory holds little of it.
func TestMemoryOfABacklog(t *testing.T) {
	s := newMemoryServer()
	s.fails(unreachable)
	o := s.options()
	o.Dir, o.NoSync = t.TempDir(), true
	o.BatchFlows, o.BatchBytes = MaxBatchFlows, 4<<20
	o.pause, o.MaxBackoff = time.Hour, time.Hour
	c := open(t, o)
	add(t, c, "a", 150_000)
	must(t, c.Save())
	if stats := balanced(t, c); stats.SpoolBytes < maxCached+4<<20 || c.queue.parcels[0].body == nil {
		t.Errorf("%+v", stats)
	}
	abandon(t, c)
	s.fails(nil)
	o.pause = time.Millisecond
	c = open(t, o)
	mustClose(t, c)
	balanced(t, c)
	// Compared as they are, for to find where so many differ takes most of a minute.
	if want, got := once("a", 150_000), s.held(t); !maps.Equal(want, got) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
}
