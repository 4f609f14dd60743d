package datadir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/store/manifest"
)

// backup makes one that must work.
func backup(t testing.TB, o BackupOptions) *Backup {
	t.Helper()
	made, err := MakeBackup(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.FS.List(o.To + unfinishedSuffix); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", o.To+unfinishedSuffix, err)
	}
	return made
}

func noLink(from, to string) error { return syscall.EXDEV }

func TestBackupOfAStoppedServer(t *testing.T) {
	from := filled(t)
	for _, c := range []struct {
		name   string
		link   func(from, to string) error
		linked int
	}{
		{"linked", os.Link, len(batchHours) + 1},
		{"other file system", noLink, 0},
		{"copied", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := files(t, from)
			to := path.Join(t.TempDir(), "copy")
			if err := os.Mkdir(to, 0o750); err != nil { // empty, so it may be there
				t.Fatal(err)
			}
			made := backup(t, BackupOptions{FS: disk.OS, From: from, To: to, Link: c.link})
			if made.Linked != c.linked || made.Linked+made.Copied != len(batchHours)+1+3 || made.Manifests != 1 {
				t.Errorf("linked %d, copied %d, %d manifests; want %d, %d in all, 1",
					made.Linked, made.Copied, made.Manifests, c.linked, len(batchHours)+1+3)
			}
			copied := files(t, to)
			size := int64(-len(copied[manifest.Name]))
			for name, text := range copied {
				size += int64(len(text))
				if text != before[name] && !strings.HasPrefix(before[name], strings.TrimRight(text, "\x00")) {
					t.Errorf("%s is not as it was", name)
				}
			}
			if made.LinkedBytes+made.CopiedBytes != size {
				t.Errorf("linked %d bytes and copied %d, but %d are there", made.LinkedBytes, made.CopiedBytes, size)
			}
			r := made.Report
			if r.Folder != to || !r.Whole || r.Log.Records != 200 || r.Manifest.Generation != 2 {
				t.Errorf("report of the copy: %+v", r)
			}
			wantBatches(t, disk.OS, to, 300)
			if diff := cmp.Diff(before, files(t, from)); diff != "" {
				t.Errorf("the folder was changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestBackupOfTornWrite(t *testing.T) {
	d := damaged{t, filled(t)}
	log := inspect(t, d.dir).Log
	last := log.Segments[2]
	d.change(segmentFile(last.Number), func(b []byte) []byte {
		copy(b[last.Used:], b[firstFrame:firstFrame+60]) // a begun frame
		return b
	})
	to := path.Join(t.TempDir(), "copy")
	if made := backup(t, BackupOptions{FS: disk.OS, From: d.dir, To: to, Link: os.Link}); made.Report.Log.End != log.End {
		t.Errorf("the copy ends at %+v, want %+v", made.Report.Log.End, log.End)
	}
	wantBatches(t, disk.OS, to, 300)
}

func TestBackupRefuses(t *testing.T) {
	from := filled(t)
	here := t.TempDir()
	for _, c := range []struct {
		name    string
		to      string
		prepare func(damaged)
		want    string
	}{
		{"not empty", here, func(d damaged) { d.must(os.WriteFile(path.Join(here, "x"), nil, 0o600)) }, "is not empty"},
		{"a file", path.Join(here, "x"), func(damaged) {}, "is no folder"},
		{"inside", path.Join(from, "copy"), func(damaged) {}, "is inside of"},
		{"unfinished", path.Join(here, "y"), func(d damaged) { d.must(os.MkdirAll(path.Join(here, "y.unfinished/z"), 0o700)) },
			"y.unfinished is in the way"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.prepare(damaged{t, from})
			before := files(t, from)
			_, err := MakeBackup(context.Background(), BackupOptions{FS: disk.OS, From: from, To: c.to, Link: os.Link})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if diff := cmp.Diff(before, files(t, from)); diff != "" {
				t.Errorf("the folder was changed (-before +after):\n%s", diff)
			}
		})
	}
}

// What is damaged is not copied as if it were well, and what was begun does not stay.
func TestBackupOfDamage(t *testing.T) {
	from := filled(t)
	for _, c := range []struct {
		name   string
		damage func(damaged)
		file   string
	}{
		{"log", func(d damaged) { d.flip(d.segment(1), firstFrame+40) }, "wal/"},
		{"block", func(d damaged) { d.flip(d.block(), 100) }, "hours/"},
		{"missing block", func(d damaged) { d.must(os.Remove(d.path(d.block()))) }, "hours/"},
		{"missing segment", func(d damaged) { d.must(os.Remove(d.path(d.segment(1)))) }, "wal/"},
		{"manifest", func(d damaged) { d.flip(manifest.Name, 80) }, manifest.Name},
		{"newer manifest", damaged.newer, manifest.Name},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := damaged{t, copyOf(t, from)}
			c.damage(d)
			to := t.TempDir()
			_, err := MakeBackup(context.Background(), BackupOptions{FS: disk.OS, From: d.dir, To: to + "/copy", Link: os.Link})
			var damage *DamageError
			if !errors.As(err, &damage) || !strings.HasPrefix(damage.Findings[0].File, c.file) {
				t.Errorf("%v, want damage of %s", err, c.file)
			}
			if left := files(t, to); len(left) > 0 {
				t.Errorf("%d files are left", len(left))
			}
		})
	}
}

func TestBackupStops(t *testing.T) {
	from, to := filled(t), t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	link := func(from, to string) error { cancel(); return os.Link(from, to) }
	_, err := MakeBackup(ctx, BackupOptions{FS: disk.OS, From: from, To: to + "/copy", Link: link})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
	if names, err := filepath.Glob(to + "/*"); len(names) > 0 || err != nil {
		t.Errorf("%v is left, %v", names, err)
	}
}
