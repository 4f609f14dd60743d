package view

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"flowd/block"
	"flowd/clock"
	"flowd/disk"
	"flowd/flow"
	"flowd/store/manifest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// data is a data folder of which a test is the server.
type data struct {
	t   testing.TB
	fs  disk.FS
	dir string
	m   *manifest.Manifest
	log bytes.Buffer
}

func (d *data) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// folder returns the folder of the data, repaired.
func (d *data) folder(mode Mode) *Folder {
	d.t.Helper()
	f := d.unrepaired(mode)
	f.Repair(d.m.Blocks())
	f.pass(false) // of copies
	return f
}

func (d *data) unrepaired(mode Mode) *Folder {
	d.t.Helper()
	f, err := New(Options{FS: d.fs, Data: d.dir, Mode: mode, Logger: slog.New(slog.NewTextHandler(&d.log, nil))})
	d.must(err)
	return f
}

// listRows is a cursor over rows in memory.
type listRows struct{ rows []flow.Row }

func (l *listRows) Next(dst []flow.Row) int {
	n := copy(dst, l.rows)
	l.rows = l.rows[n:]
	return n
}

func (l *listRows) Err() error { return nil }
func (l *listRows) Close()     {}

// write writes the block of a generation, whose rows tell it from all others.
func (d *data) write(hour flow.Hour, generation uint64) (block.File, error) {
	var rows []flow.Row
	for i := range generation%3 + 1 {
		r := flow.Flow{SrcApp: fmt.Sprintf("app-%d", i), DestApp: "db", VPCID: "vpc", BytesTx: generation, BytesRx: uint64(hour)}
		rows = append(rows, flow.Row{Key: r.Key(), Totals: flow.Totals{BytesTx: r.BytesTx, BytesRx: r.BytesRx}, Hour: hour})
	}
	file, _, err := block.Write(d.fs, d.dir, &listRows{rows}, block.Options{Hour: hour, Generation: generation})
	return file, err
}

// checkpoint writes some hours anew, and a manifest with them and those of the last but the expired.
func (d *data) checkpoint(changed []flow.Hour, expired ...flow.Hour) *manifest.Manifest {
	d.t.Helper()
	next := &manifest.Manifest{Log: manifest.Position("{}"), Generation: 1, Clock: &clock.State{}}
	blocks := map[flow.Hour]block.File{}
	if d.m != nil {
		next.Generation = d.m.Generation + 1
		blocks = d.m.Blocks()
	}
	for _, hour := range changed {
		file, err := d.write(hour, next.Generation)
		d.must(err)
		blocks[hour] = file
	}
	for _, hour := range expired {
		delete(blocks, hour)
	}
	next.Hours = entries(blocks)
	d.must(manifest.Write(d.fs, d.dir, next))
	d.m = next
	return next
}

// entries returns the hours of a manifest, ascending.
func entries(blocks map[flow.Hour]block.File) (hours []manifest.Hour) {
	for hour := range flow.Hour(100) {
		if b, ok := blocks[hour]; ok {
			hours = append(hours, manifest.Hour{Hour: hour, Block: b})
		}
	}
	return hours
}

// shows returns what a reader of the folder finds: of each hour the generation of its block, 0 for a file
// without rows, by its name.
func (d *data) shows() map[string]uint64 {
	d.t.Helper()
	columns, err := block.NoRows()
	d.must(err)
	found := map[string]uint64{}
	for name, text := range visible(d.t, d.fs, d.dir) {
		found[name] = 999 // of no block that the manifest names
		if bytes.Equal(text, columns) {
			found[name] = 0
		}
		for _, b := range d.m.Blocks() {
			if all, err := read(d.fs, path.Join(d.dir, b.Name)); err == nil && bytes.Equal(all, text) {
				_, found[name], _ = b.Hour()
			}
		}
	}
	return found
}

// read returns all of a file.
func read(fsys disk.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	size, err := file.Size()
	text := make([]byte, size)
	if err == nil {
		_, err = io.ReadFull(io.NewSectionReader(file, 0, size), text)
	}
	return text, errors.Join(err, file.Close())
}

// visible returns the files that parquet/*/*.parquet matches, by the names of their folders.
func visible(t testing.TB, fsys disk.FS, dir string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	folders, _ := fsys.List(path.Join(dir, folder)) // none, before the first start
	for _, below := range folders {
		if strings.HasPrefix(below, ".") {
			continue
		}
		names, err := fsys.List(path.Join(dir, folder, below))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if path.Ext(name) != ".parquet" {
				continue
			}
			text, err := read(fsys, path.Join(dir, folder, below, name))
			if err != nil {
				t.Fatal(err)
			}
			if _, twice := found[below]; twice {
				t.Errorf("%s has two files", below)
			}
			found[below] = text
		}
	}
	return found
}

// want holds what a reader finds, and that Check says the same of it.
func (d *data) want(want map[string]uint64) {
	d.t.Helper()
	want["hour=-1"] = 0
	if diff := cmp.Diff(want, d.shows()); diff != "" {
		d.t.Errorf("the folder shows (-want +got):\n%s", diff)
	}
	for _, whole := range []bool{false, true} {
		found, err := Check(d.fs, d.dir, d.m.Blocks(), whole)
		d.must(err)
		if len(found.Wrong) > 0 || found.Hours != len(d.m.Hours) || found.Hours+found.Empty != len(want)-1 {
			d.t.Errorf("the check finds %+v", found)
		}
	}
}
