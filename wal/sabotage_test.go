package wal

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"flowd/disk"
)

// The same runs that pass above must fail when one thing that keeps groups safe is taken away.
// Who finds that one of these survives has a test that proves nothing.
func TestSabotageIsCaught(t *testing.T) {
	for _, s := range []sabotage{
		{name: "no sync of files", skip: func(_ *crashRun, op errorfs.Op) bool { return isSync(op) && isSegment(op) }},
		{name: "no sync of the data alone", skip: func(_ *crashRun, op errorfs.Op) bool { return op.Kind == errorfs.OpFileSyncData }},
		{name: "no sync of the folder", skip: func(_ *crashRun, op errorfs.Op) bool { return isSync(op) && op.Path == testDir }},
		{name: "no sync of the folder's folder", skip: func(_ *crashRun, op errorfs.Op) bool { return isSync(op) && op.Path == "data" }},
		{name: "answered despite a failed sync", wrap: func(fs disk.FS) disk.FS { return deafFS{fs} }},
		{name: "answered despite a short write", wrap: func(fs disk.FS) disk.FS { return boastfulFS{fs} }},
		{name: "a page written without its earlier groups", wrap: func(fs disk.FS) disk.FS { return forgetfulFS{fs} }},
		{name: "no sync on open", skip: func(run *crashRun, op errorfs.Op) bool { return run.syncsRead(op) && isSync(op) }},
		{name: "nothing written again on open", skip: func(run *crashRun, op errorfs.Op) bool { return run.syncsRead(op) && op.Kind == errorfs.OpFileWriteAt }},
	} {
		t.Run(s.name, func(t *testing.T) {
			for seed := range uint64(1500) {
				if err := newCrashRun(seed, s).live(); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("no run has noticed")
		})
	}
}

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
}

func isSegment(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".wal") }

// syncsRead reports whether op is one on a segment with groups while the log is opened.
func (run *crashRun) syncsRead(op errorfs.Op) bool {
	return slices.ContainsFunc(run.settling, func(s SegmentInfo) bool {
		return op.Path == path.Join(testDir, segmentName(s.Number))
	})
}

// deafFS says that each sync of a group succeeds.
type deafFS struct{ disk.FS }

func (d deafFS) OpenWrite(name string) (disk.File, error) {
	f, err := d.FS.OpenWrite(name)
	return deafFile{f}, err
}

func (d deafFS) Create(name string) (disk.File, error) {
	f, err := d.FS.Create(name)
	return deafFile{f}, err
}

type deafFile struct{ disk.File }

func (f deafFile) SyncData() error {
	_ = f.File.SyncData()
	return nil
}

// boastfulFS says that each write wrote all.
type boastfulFS struct{ disk.FS }

func (b boastfulFS) OpenWrite(name string) (disk.File, error) {
	f, err := b.FS.OpenWrite(name)
	return boastfulFile{f}, err
}

func (b boastfulFS) Create(name string) (disk.File, error) {
	f, err := b.FS.Create(name)
	return boastfulFile{f}, err
}

type boastfulFile struct{ disk.File }

func (f boastfulFile) WriteAt(b []byte, off int64) (int, error) {
	_, err := f.File.WriteAt(b, off)
	return len(b), err
}

func (f boastfulFile) WriteDirect(b []byte, off int64) (int, error) {
	_, err := f.File.WriteDirect(b, off)
	return len(b), err
}

// forgetfulFS makes the log forget the begin of a page that it writes again.
type forgetfulFS struct{ disk.FS }

func (g forgetfulFS) OpenWrite(name string) (disk.File, error) {
	f, err := g.FS.OpenWrite(name)
	return &forgetfulFile{File: f}, err
}

func (g forgetfulFS) Create(name string) (disk.File, error) {
	f, err := g.FS.Create(name)
	return &forgetfulFile{File: f}, err
}

type forgetfulFile struct {
	disk.File
	behind int64 // of what was written
}

func (f *forgetfulFile) WriteDirect(b []byte, off int64) (int, error) {
	if off < f.behind {
		clear(b[:pageBytes/2])
	}
	f.behind = off + int64(len(b))
	return f.File.WriteDirect(b, off)
}
