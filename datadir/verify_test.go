package datadir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/store/manifest"
	"flowd/wal"
)

// damaged is a folder that a test breaks.
type damaged struct {
	t   testing.TB
	dir string
}

func (d damaged) path(name string) string { return path.Join(d.dir, name) }

func (d damaged) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// change changes the bytes of a file.
func (d damaged) change(name string, change func([]byte) []byte) {
	d.t.Helper()
	b, err := os.ReadFile(d.path(name))
	d.must(err)
	d.must(os.WriteFile(d.path(name), change(b), 0o600))
}

func (d damaged) flip(name string, at int) {
	d.t.Helper()
	d.change(name, func(b []byte) []byte {
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 0x10
		return b
	})
}

func (d damaged) manifest() *manifest.Manifest {
	d.t.Helper()
	m, err := manifest.Read(disk.OS, d.dir)
	d.must(err)
	return m
}

// logPosition returns from where the log goes on, as the manifest has it.
func (d damaged) logPosition() (from wal.Position) {
	d.t.Helper()
	d.must(json.Unmarshal(d.manifest().Log, &from))
	return from
}

// rewrite changes the manifest in a way that its writer might have.
func (d damaged) rewrite(change func(*manifest.Manifest)) {
	d.t.Helper()
	m := d.manifest()
	change(m)
	d.must(manifest.Write(disk.OS, d.dir, m))
}

// segment returns the segment that is so many behind the manifest's position.
func (d damaged) segment(n uint64) string { return segmentFile(d.logPosition().Segment + n) }

// block returns the first hour's.
func (d damaged) block() string { return d.manifest().Hours[0].Block.Name }

// newer makes the manifest one of the next version.
func (d damaged) newer() {
	d.change(manifest.Name, func(b []byte) []byte {
		_, body, _ := bytes.Cut(b, []byte("\n"))
		head := fmt.Sprintf("flowd-manifest 3 length %08d crc32c ", len(body))
		sum := crc32.Checksum(append([]byte(head), body...), crc32.MakeTable(crc32.Castagnoli))
		return append(fmt.Appendf(nil, "%s%08x\n", head, sum), body...)
	})
}

// alien puts a record into the log that no batch was.
func (d damaged) alien() {
	r, err := wal.NewReader(disk.OS, d.path(manifest.LogFolder), d.logPosition())
	d.must(err)
	for r.Next() {
	}
	l, err := wal.Open(wal.Options{Dir: d.path(manifest.LogFolder), SegmentBytes: 16 << 10}, r)
	d.must(errors.Join(err, r.Close()))
	_, err = l.Append([][]byte{{9, 9, 9}})
	d.must(errors.Join(err, l.Close()))
}

// firstFrame is where the first group of a segment begins.
const firstFrame = 4096

func TestVerifyNamesDamage(t *testing.T) {
	dir := filled(t)
	m := damaged{t, dir}.manifest()
	blockName, windows := m.Hours[0].Block.Name, m.Windows.Name
	segment := damaged{t, dir}.segment
	const somewhere = -2
	for _, c := range []struct {
		name   string
		damage func(damaged)
		file   string
		offset int64
		what   string
	}{
		{"flipped byte in the log", func(d damaged) { d.flip(d.segment(1), firstFrame+40) }, segment(1), firstFrame, "CRC of the payload"},
		{"flipped byte in a frame", func(d damaged) { d.flip(d.segment(1), firstFrame+2) }, segment(1), firstFrame, "CRC of the frame"},
		{"flipped byte in a segment's header", func(d damaged) { d.flip(d.segment(1), 20) }, segment(1), 0, "CRC is"},
		{"missing segment", func(d damaged) { d.must(os.Remove(d.path(d.segment(1)))) }, segment(1), 0, "missing"},
		{"missing log", func(d damaged) { d.must(os.RemoveAll(d.path(manifest.LogFolder))) }, "wal", -1, "missing"},
		{"empty segment", func(d damaged) { d.must(os.Truncate(d.path(d.segment(1)), 0)) }, segment(1), 0, "0 bytes"},
		{"wrong order", func(d damaged) {
			first, second := d.path(d.segment(0)), d.path(d.segment(1))
			d.must(os.Rename(first, first+".x"))
			d.must(os.Rename(second, first))
			d.must(os.Rename(first+".x", second))
		}, segment(0), 0, "says that this is segment"},
		{"unknown record", damaged.alien, "wal/", somewhere, "a record of group"},
		{"flipped byte in a block", func(d damaged) { d.flip(d.block(), 100) }, blockName, 0, "row group 0"},
		{"flipped byte in a block's footer", func(d damaged) { d.flip(d.block(), -20) }, blockName, somewhere, "footer"},
		{"short block", func(d damaged) { d.must(os.Truncate(d.path(d.block()), 50)) }, blockName, -1, "it has 50 bytes"},
		{"missing block", func(d damaged) { d.must(os.Remove(d.path(d.block()))) }, blockName, -1, "is missing"},
		{"flipped byte in the manifest", func(d damaged) { d.flip(manifest.Name, -30) }, "MANIFEST", -1, "checksum"},
		{"empty manifest", func(d damaged) { d.must(os.Truncate(d.path("MANIFEST"), 0)) }, "MANIFEST", -1, "empty"},
		{"missing manifest", func(d damaged) { d.must(os.Remove(d.path("MANIFEST"))) }, "MANIFEST", -1, "is missing"},
		{"newer manifest", damaged.newer, "MANIFEST", -1, "of a newer version: it has format 3"},
		{"flipped byte in the windows", func(d damaged) { d.flip(windows, 30) }, windows, -1, "checksum"},
		{"missing windows", func(d damaged) { d.must(os.Remove(d.path(windows))) }, windows, -1, "is missing"},
		{"sums", func(d damaged) {
			d.rewrite(func(m *manifest.Manifest) {
				for _, a := range []*uint64{&m.Hours[0].Account.Stored.BytesTx.Lo, &m.Ledger.Stored.BytesTx.Lo,
					&m.Hours[0].Account.Received.BytesTx.Lo, &m.Ledger.Received.BytesTx.Lo} {
					*a++
				}
			})
		}, blockName, -1, "its rows have 4950 bytes sent, and the account of hour 7 has 4951"},
		{"tuples", func(d damaged) { d.rewrite(func(m *manifest.Manifest) { m.Hours[0].Tuples++ }) },
			blockName, -1, "its rows have 100 tuples, and the account of hour 7 has 101"},
		{"balance", func(d damaged) { d.rewrite(func(m *manifest.Manifest) { m.Ledger.Duplicate.Flows++ }) },
			"MANIFEST", -1, "of all flows 300 flows"},
		{"hours", func(d damaged) {
			d.rewrite(func(m *manifest.Manifest) { m.Ledger.Stored.Flows++; m.Ledger.Received.Flows++ })
		}, "MANIFEST", -1, "the hours hold 300 flows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := damaged{t, copyOf(t, dir)}
			c.damage(d)
			before := files(t, d.dir)
			r, err := Verify(context.Background(), disk.OS, d.dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Damage) != 1 {
				t.Fatalf("%d findings, want 1: %v", len(r.Damage), r.Damage)
			}
			f := r.Damage[0]
			if !strings.HasPrefix(f.File, c.file) || f.Offset != c.offset && c.offset != somewhere ||
				c.offset == somewhere && f.Offset <= 0 || !strings.Contains(f.What, c.what) {
				t.Errorf("found %q, want %q at %d: ...%s...", f, c.file, c.offset, c.what)
			}
			if diff := cmp.Diff(before, files(t, d.dir)); diff != "" {
				t.Errorf("the folder was changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestVerifyOfWhatIsWell(t *testing.T) {
	dir := filled(t)
	for _, c := range []struct {
		name   string
		change func(damaged)
		torn   bool
	}{
		{"as it was", func(damaged) {}, false},
		{"torn last group", func(d damaged) {
			r, err := Inspect(context.Background(), disk.OS, d.dir)
			d.must(err)
			for _, s := range r.Log.Segments {
				if s.Last > 0 && s.Last == r.Log.End.Group-1 {
					d.change(segmentFile(s.Number), func(b []byte) []byte { b[s.Used-20] ^= 1; return b })
				}
			}
		}, true},
		{"an unfinished checkpoint", func(d damaged) {
			d.must(os.WriteFile(d.path("windows-00000009"), []byte("half"), 0o600))
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := damaged{t, copyOf(t, dir)}
			c.change(d)
			r, err := Verify(context.Background(), disk.OS, d.dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Damage) > 0 || (r.Log.Torn > 0) != c.torn {
				t.Errorf("damage %v, %d torn bytes; want none and %v", r.Damage, r.Log.Torn, c.torn)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct{ dir, want string }{
		{empty, ErrNoData.Error()},
		{empty + "/none", "is not there"},
		{filled(t), ""},
	} {
		text := ""
		if err := Check(disk.OS, c.dir); err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%s: %q, want %q", c.dir, text, c.want)
		}
		if _, err := Verify(context.Background(), disk.OS, c.dir); (err == nil) != (c.want == "") {
			t.Errorf("verify of %s: %v", c.dir, err)
		}
	}
}
