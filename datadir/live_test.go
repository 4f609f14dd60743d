package datadir

import (
	"context"
	"strings"
	"testing"

	"flowd/disk"
)

// hookFS calls something before it opens a file of a folder, and after it has read of one.
type hookFS struct {
	disk.FS
	folder string
	opened func(count int)
	read   func(count int)

	opens, reads int
}

func (h *hookFS) Open(name string) (disk.File, error) {
	if !strings.HasPrefix(name, h.folder+"/") {
		return h.FS.Open(name)
	}
	h.opens++
	if h.opened != nil {
		h.opened(h.opens)
	}
	file, err := h.FS.Open(name)
	return hookFile{file, h}, err
}

type hookFile struct {
	disk.File
	hook *hookFS
}

func (f hookFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	f.hook.reads++
	if f.hook.read != nil {
		f.hook.read(f.hook.reads)
	}
	return n, err
}

// What an engine does to its folder at any moment of a look must never seem to be damage.
func TestVerifyWhileAnEngineWorks(t *testing.T) {
	for _, c := range []struct {
		name    string
		hook    func(h *hookFS, f func(int))
		meddle  func(e engine, from int) // appends batches from a number on, 70 of them
		records bool                     // the log has them
	}{
		{"checkpoint at an open", func(h *hookFS, f func(int)) { h.opened = f }, checkpointed, false},
		{"checkpoint at a read", func(h *hookFS, f func(int)) { h.read = f }, checkpointed, false},
		{"batches at an open", func(h *hookFS, f func(int)) { h.opened = f }, appended, true},
		{"batches at a read", func(h *hookFS, f func(int)) { h.read = f }, appended, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := places(t)[1]
			e := p.open(t)
			batches, again := 0, true
			for at := 1; again; at += 1 + at/5 {
				e.posts(batches, batches+10)
				e.checkpoint()
				e.posts(batches+10, batches+50)
				batches += 50
				again = false
				h := &hookFS{FS: p.fsys, folder: e.dir}
				c.hook(h, func(count int) {
					if count == at {
						again = true
						c.meddle(e, batches)
					}
				})
				r, err := Verify(context.Background(), h, e.dir)
				if err != nil || len(r.Damage) > 0 {
					t.Fatalf("at %d: damage %v, %v, while the engine works", at, r.Damage, err)
				}
				if again {
					batches += 70
				}
				if n := r.Log.Records; n < 40 && again == c.records {
					t.Errorf("at %d: %d records", at, n)
				}
			}
			e.close()
			t.Logf("%d batches", batches)
		})
	}
}

func appended(e engine, from int) { e.posts(from, from+70) }

func checkpointed(e engine, from int) {
	e.posts(from, from+70)
	e.checkpoint()
}

func TestVerifyGivesUp(t *testing.T) {
	p := places(t)[1]
	e := p.open(t)
	e.posts(0, 10)
	e.checkpoint()
	n := 10
	h := &hookFS{FS: p.fsys, folder: e.dir + "/hours/hour=7", opened: func(int) {
		e.posts(n, n+1)
		e.checkpoint()
		n++
	}}
	_, err := Verify(context.Background(), h, e.dir)
	if err == nil || !strings.Contains(err.Error(), "10 checkpoints were made while it was looked at") {
		t.Errorf("%v, want that it gave up", err)
	}
	e.close()
}
