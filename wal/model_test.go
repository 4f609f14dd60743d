package wal

import (
	"fmt"
	"path"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowd/disk/crashfs"
)

// TestModel has a log do what a list of groups does: append, forget the first, be read, and be
// closed and opened, in any order. Its goroutines run.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := crashfs.New()
		if err := fs.MkdirAll(path.Dir(testDir)); err != nil {
			t.Fatal(err)
		}
		o := small(fs)
		o.SegmentBytes += pageBytes * int64(rapid.IntRange(0, 8).Draw(t, "pages"))
		o.KeepBytes = minSegmentBytes * int64(rapid.IntRange(0, 20).Draw(t, "kept"))
		o.Durability = Durability(rapid.IntRange(0, 2).Draw(t, "durability"))
		var want []group
		var from Position
		var l *Log
		reopen := func() {
			if l != nil {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			r, got, err := readAll(fs, from)
			if err != nil || r.Torn() > 0 {
				t.Fatalf("%v, %d bytes torn", err, r.Torn())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
			if l, err = Open(o, r); err != nil {
				t.Fatal(err)
			}
			l.Start()
		}
		reopen()
		defer func() { _ = l.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				sizes := rapid.SliceOfN(rapid.IntRange(0, 5000), 1, 8).Draw(t, "sizes")
				want = modelAppend(t, l, o, want, sizes)
			},
			"drop": func(t *rapid.T) {
				from = l.Position()
				if err := l.Drop(from); err != nil {
					t.Fatal(err)
				}
				want = nil
			},
			"drop some": func(t *rapid.T) {
				if len(want) == 0 {
					return
				}
				i := rapid.IntRange(0, len(want)-1).Draw(t, "first kept")
				from, want = want[i].Position, slices.Clone(want[i:])
				if err := l.Drop(from); err != nil {
					t.Fatal(err)
				}
			},
			"reopen": func(*rapid.T) { reopen() },
			"": func(t *rapid.T) {
				_, got, err := readAll(fs, from)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatal(diff)
				}
			},
		})
	})
}

func modelAppend(t *rapid.T, l *Log, o Options, want []group, sizes []int) []group {
	at := l.Position()
	var b [][]byte
	var names []string
	bytes := 0
	for i, n := range sizes {
		names = append(names, text(fmt.Sprint(at.Group, ".", i), n))
		b = append(b, []byte(names[i]))
		bytes += n + RecordOverhead
	}
	err := l.Reserve(bytes)
	if frameSize(int64(bytes)) > o.SegmentBytes-firstFrame {
		if err == nil {
			t.Fatal("too much was taken")
		}
		return want
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Append(b)
	if err != nil || got.Group != at.Group {
		t.Fatalf("appended at %v, expected %v: %v", got, at, err)
	}
	return append(want, group{got, names})
}
