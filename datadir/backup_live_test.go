package datadir

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/disk/crashfs"
)

// place is a disk on which there is an engine's folder, and its backups.
type place struct {
	name string
	fsys disk.FS
	dir  string
	link func(from, to string) error
}

// places are a real disk with links, and one in memory without.
func places(t *testing.T) []place {
	return []place{{"links", disk.OS, t.TempDir(), os.Link}, {"copies", crashfs.New(), "all", nil}}
}

func (p place) open(t testing.TB) engine {
	t.Helper()
	o := testOptions(path.Join(p.dir, "data"))
	o.FS = p.fsys
	return open(t, o)
}

// Whatever an engine does meanwhile, its copy has all that was answered before, in whole batches.
func TestBackupUnderLoad(t *testing.T) {
	for _, p := range places(t) {
		t.Run(p.name, func(t *testing.T) {
			e := p.open(t)
			w := e.work()
			gaveUp := 0
			for n := range 5 {
				least := int(w.acked.Load())
				to := path.Join(p.dir, fmt.Sprint("copy-", n))
				made, err := MakeBackup(context.Background(), BackupOptions{FS: p.fsys, From: e.dir, To: to, Link: p.link})
				if err != nil && strings.Contains(err.Error(), "try again") {
					gaveUp++ // which is honest: there was a checkpoint each time
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := int(made.Report.Manifest.Ledger.Stored.Flows+made.Report.Log.Flows) / len(batchHours); got < least {
					t.Errorf("copy %d has %d batches, and %d were answered before", n, got, least)
				}
				wantBatches(t, p.fsys, to, least)
			}
			w.stop()
			t.Logf("%d batches, gave up %d times of 5", w.acked.Load(), gaveUp)
			e.close()
		})
	}
}

// A checkpoint may come at any moment of a backup.
func TestBackupWithACheckpointInBetween(t *testing.T) {
	for _, p := range places(t) {
		t.Run(p.name, func(t *testing.T) {
			e := p.open(t)
			e.posts(0, 60)
			e.checkpoint()
			step := 2
			if p.fsys == disk.OS {
				step = 5 // each takes its time
			}
			batches, more, tried := 60, true, map[int]int{}
			for at := 1; more; at += step + at/10 {
				e.posts(batches, batches+60) // so that segments are used again
				batches += 60
				more = false
				hook := &hookFS{FS: p.fsys, folder: e.dir, opened: func(count int) {
					if count == at {
						more = true
						e.posts(batches, batches+60)
						e.checkpoint()
						e.posts(batches+60, batches+61)
					}
				}}
				to := path.Join(p.dir, fmt.Sprint("copy-", at))
				made := backup(t, BackupOptions{FS: hook, From: e.dir, To: to, Link: p.link})
				tried[made.Manifests]++
				wantBatches(t, p.fsys, to, batches)
				if more {
					batches += 61
				}
			}
			e.close()
			if tried[1] < 2 || tried[2] < 2 {
				t.Errorf("manifests tried, by number: %v; want some backups with one, and more with two", tried)
			}
		})
	}
}

func TestBackupGivesUp(t *testing.T) {
	p := places(t)[1]
	e := p.open(t)
	e.posts(0, 10)
	e.checkpoint()
	n := 10
	hook := &hookFS{FS: p.fsys, folder: e.dir + "/hours/hour=7", opened: func(int) {
		e.posts(n, n+1)
		e.checkpoint()
		n++
	}}
	_, err := MakeBackup(context.Background(), BackupOptions{FS: hook, From: e.dir, To: "all/copy"})
	if err == nil || !strings.Contains(err.Error(), "made a checkpoint each of 10 times") {
		t.Errorf("%v, want that it gave up", err)
	}
	names, err := p.fsys.List("all")
	if diff := cmp.Diff([]string{"data"}, names); err != nil || diff != "" {
		t.Errorf("what is left (-want +got): %v\n%s", err, diff)
	}
	e.close()
}

// A copy is on disk when it is said to be.
func TestBackupIsDurable(t *testing.T) {
	fsys := crashfs.New()
	o := testOptions("data")
	o.FS = fsys
	e := open(t, o)
	e.posts(0, 100)
	e.checkpoint()
	e.posts(100, 200)
	backup := BackupOptions{FS: fsys, From: "data", To: "copy"}
	if _, err := MakeBackup(context.Background(), backup); err != nil {
		t.Fatal(err)
	}
	o.Dir, o.FS = "copy", fsys.Crash(0, rand.New(rand.NewPCG(1, 2)))
	copied := open(t, o)
	if all := copied.batches(); len(all) != 200 {
		t.Errorf("%d batches after a power cut, want 200", len(all))
	}
	copied.close()
	e.close()
}
