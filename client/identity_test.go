package client

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/disk/crashfs"
)

// TestIdentity changes the folder between two clients. It holds that no batch in it is lost, and that
// new batches do not reuse old sequences.
func TestIdentity(t *testing.T) {
	for _, test := range []struct {
		name      string
		change    func(t *testing.T, o *Options)
		keepsName bool // the agent's name stays
		left      int  // flows sent from the folder
	}{
		{"nothing", func(*testing.T, *Options) {}, true, 10},
		{"wiped", func(t *testing.T, o *Options) { must(t, os.RemoveAll(o.Dir)) }, false, 0},
		{"no AGENT", func(t *testing.T, o *Options) { must(t, os.Remove(o.Dir+identityFile)) }, false, 10},
		{"an empty AGENT", func(t *testing.T, o *Options) { must(t, os.WriteFile(o.Dir+identityFile, nil, 0o600)) }, false, 10},
		{"a flipped digit in AGENT", func(t *testing.T, o *Options) {
			text, err := os.ReadFile(o.Dir + identityFile)
			must(t, err)
			changed := strings.Replace(string(text), "next=65537", "next=25537", 1)
			if changed == string(text) {
				t.Fatalf("%s", text)
			}
			must(t, os.WriteFile(o.Dir+identityFile, []byte(changed), 0o600))
		}, false, 10},
		{"another host", func(_ *testing.T, o *Options) { o.Agent = "web-2" }, false, 10},
		{"a longer name", func(_ *testing.T, o *Options) { o.Agent = "web-1.x" }, false, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newMemoryServer()
			s.setFault(unreachable)
			o := s.options()
			o.Dir = t.TempDir()
			c := open(t, o)
			add(t, c, "a", 10)
			agent := c.identity.agent
			closeNow(t, c)
			test.change(t, &o)
			s.setFault(nil)
			c = open(t, o)
			add(t, c, "b", 10)
			mustClose(t, c)
			var posts []receivedPost
			for _, post := range s.received() {
				if post.status == 200 {
					posts = append(posts, post)
				}
			}
			last := posts[len(posts)-1]
			if (last.agent == agent) != test.keepsName || !strings.HasPrefix(last.agent, o.Agent+".") {
				t.Errorf("the agent %s continues as %s", agent, last.agent)
			}
			if test.left > 0 && (posts[0].agent != agent || posts[0].seq != 1) {
				t.Errorf("the old batch is sent as %s %d, want %s 1", posts[0].agent, posts[0].seq, agent)
			}
			want := onceEach("a", test.left)
			for name := range onceEach("b", 10) {
				want[name] = 1
			}
			if diff := cmp.Diff(want, s.counted(t)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestNumbersAreReserved holds that the stored sequence is always above those in use, also where a
// reservation ends.
func TestNumbersAreReserved(t *testing.T) {
	fs := crashfs.New()
	must(t, fs.MkdirAll("spool"))
	n := identity{prefix: "web-1", spool: &spool{fs: fs, dir: "spool", syncs: true}}
	must(t, n.load())
	for want := uint64(1); want <= 2*reservationSize+1; want++ {
		agent, seq := n.assign("", slog.New(slog.DiscardHandler))
		if at := want % reservationSize; at > 1 && at < reservationSize-1 {
			continue
		}
		stored, next, ok := parseIdentity(readFile(t, fs, "spool"+identityFile))
		if !ok || stored != agent || seq != want || next <= seq {
			t.Fatalf("%s %d is used, want %d; the folder has %s with next %d", agent, seq, want, stored, next)
		}
	}
}

// TestFolderIsRolledBack uses sequences again that the server knows. It holds that the client notices,
// no flow counts twice, and later batches pass under a new name.
func TestFolderIsRolledBack(t *testing.T) {
	for _, test := range []struct {
		name    string
		batches int // sent after the copy was made
		inDoubt bool
	}{
		{"a little", 3, false},
		{"a lot", 200, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newMemoryServer()
			o := s.options()
			o.BatchFlows = 1
			fs := crashfs.New()
			o.FS, o.Dir = fs, "spool"
			c := open(t, o)
			must(t, c.Save())
			copied := readFile(t, fs, "spool"+identityFile)
			add(t, c, "a", test.batches)
			mustClose(t, c)
			// Sequences above the reserved ones would hide the effect of an old copy.
			c.identity.spool.fs = fs
			agent, _, ok := parseIdentity(copied)
			if !ok {
				t.Fatalf("%s", copied)
			}
			must(t, c.spool.storeIdentity(agent, 1))
			c = open(t, o)
			add(t, c, "b", 1)
			mustFlush(t, c, testTimeout)
			add(t, c, "c", 5)
			mustClose(t, c)
			stats := checkBalance(t, c)
			refused := stats.Refused
			if test.inDoubt {
				refused = stats.InDoubt
			}
			if refused != (Count{1, 1}) || stats.Stored != (Count{5, 5}) {
				t.Errorf("%+v", stats)
			}
			want := onceEach("a", test.batches)
			for name := range onceEach("c", 5) {
				want[name] = 1
			}
			if diff := cmp.Diff(want, s.counted(t)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func readFile(t *testing.T, fs disk.FS, name string) []byte {
	t.Helper()
	data, err := (&spool{fs: fs}).readFile(name)
	must(t, err)
	return data
}
