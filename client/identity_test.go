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

// What happens to the folder between two clients must neither lose what is in it nor make new batches
// look like old ones.
func TestIdentity(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t *testing.T, o *Options)
		same   bool // the agent's name goes on
		left   int  // flows that are sent from the folder
	}{
		{"nothing", func(*testing.T, *Options) {}, true, 10},
		{"wiped", func(t *testing.T, o *Options) { must(t, os.RemoveAll(o.Dir)) }, false, 0},
		{"no AGENT", func(t *testing.T, o *Options) { must(t, os.Remove(o.Dir+namesFile)) }, false, 10},
		{"an empty AGENT", func(t *testing.T, o *Options) { must(t, os.WriteFile(o.Dir+namesFile, nil, 0o600)) }, false, 10},
		{"a flipped digit in AGENT", func(t *testing.T, o *Options) {
			text, err := os.ReadFile(o.Dir + namesFile)
			must(t, err)
			changed := strings.Replace(string(text), "next=65537", "next=25537", 1)
			if changed == string(text) {
				t.Fatalf("%s", text)
			}
			must(t, os.WriteFile(o.Dir+namesFile, []byte(changed), 0o600))
		}, false, 10},
		{"another host", func(_ *testing.T, o *Options) { o.Agent = "web-2" }, false, 10},
		{"a longer name", func(_ *testing.T, o *Options) { o.Agent = "web-1.x" }, false, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newMemoryServer()
			s.fails(unreachable)
			o := s.options()
			o.Dir = t.TempDir()
			c := open(t, o)
			add(t, c, "a", 10)
			agent := c.names.agent
			abandon(t, c)
			test.change(t, &o)
			s.fails(nil)
			c = open(t, o)
			add(t, c, "b", 10)
			mustClose(t, c)
			var posts []received
			for _, post := range s.received() {
				if post.status == 200 {
					posts = append(posts, post)
				}
			}
			last := posts[len(posts)-1]
			if (last.agent == agent) != test.same || !strings.HasPrefix(last.agent, o.Agent+".") {
				t.Errorf("the agent %s goes on as %s", agent, last.agent)
			}
			if test.left > 0 && (posts[0].agent != agent || posts[0].seq != 1) {
				t.Errorf("what was left is sent as %s %d, not %s 1", posts[0].agent, posts[0].seq, agent)
			}
			want := once("a", test.left)
			for name := range once("b", 10) {
				want[name] = 1
			}
			if diff := cmp.Diff(want, s.held(t)); diff != "" {
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

// The folder is always ahead of the numbers that are used, also where a block of them ends.
func TestNumbersAreReserved(t *testing.T) {
	fs := crashfs.New()
	must(t, fs.MkdirAll("spool"))
	n := identity{prefix: "web-1", folder: &spool{fs: fs, dir: "spool", durable: true}}
	must(t, n.load())
	for want := uint64(1); want <= 2*block+1; want++ {
		agent, seq := n.take("", slog.New(slog.DiscardHandler))
		if at := want % block; at > 1 && at < block-1 {
			continue
		}
		kept, next, ok := parseNames(readFile(t, fs, "spool"+namesFile))
		if !ok || kept != agent || seq != want || next <= seq {
			t.Fatalf("%s %d is used, want %d, and the folder knows %s up to %d", agent, seq, want, kept, next)
		}
	}
}

// A folder that is set back to an older state uses numbers again that the server knows. It finds that
// out, nothing counts twice, and batches from then on pass under a new name.
func TestFolderSetBack(t *testing.T) {
	for _, test := range []struct {
		name    string
		between int // batches after the copy was made
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
			copied := readFile(t, fs, "spool"+namesFile)
			add(t, c, "a", test.between)
			mustClose(t, c)
			// The reserved numbers must not hide what a copy of an earlier moment would do.
			c.names.folder.fs = fs
			agent, _, ok := parseNames(copied)
			if !ok {
				t.Fatalf("%s", copied)
			}
			must(t, c.spool.storeNames(agent, 1))
			c = open(t, o)
			add(t, c, "b", 1)
			mustFlush(t, c, patience)
			add(t, c, "c", 5)
			mustClose(t, c)
			stats := balanced(t, c)
			lost := stats.Refused
			if test.inDoubt {
				lost = stats.InDoubt
			}
			if lost != (Count{1, 1}) || stats.Stored != (Count{5, 5}) {
				t.Errorf("%+v", stats)
			}
			want := once("a", test.between)
			for name := range once("c", 5) {
				want[name] = 1
			}
			if diff := cmp.Diff(want, s.held(t)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func readFile(t *testing.T, fs disk.FS, name string) []byte {
	t.Helper()
	text, err := (&spool{fs: fs}).readAll(name)
	must(t, err)
	return text
}
