package block

import (
	"errors"
	"io/fs"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowd/disk"
	"flowd/disk/crashfs"
	"flowd/flow"
)

// longName has 256 bytes, and no fewer of them are needed to tell it from others.
var longName = strings.Repeat("x", 255) + "y"

func anyName() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"a", "svc-0001", "svc-0002", longName, "naïve-服务-🚀", "\x00", " ", `"`}),
		rapid.StringN(1, 64, flow.MaxName),
	)
}

func anyCount() *rapid.Generator[uint64] {
	return rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, math.MaxInt64, 1 << 63, math.MaxUint64}), rapid.Uint64())
}

func anyRows(hour flow.Hour) *rapid.Generator[[]flow.Row] {
	return rapid.SliceOf(rapid.Custom(func(t *rapid.T) flow.Row {
		return row(hour, anyName().Draw(t, "src"), anyName().Draw(t, "dest"), anyName().Draw(t, "vpc"),
			anyCount().Draw(t, "tx"), anyCount().Draw(t, "rx"))
	}))
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fsys := crashfs.New()
		hour := flow.Hour(rapid.Uint32Max(flow.MaxHour).Draw(t, "hour"))
		generation := rapid.Uint64Min(1).Draw(t, "generation")
		rows := anyRows(hour).Draw(t, "rows")
		f, sums := write(t, fsys, "data", rows, Options{
			Hour: hour, Generation: generation, RowGroup: rapid.IntRange(1, 20).Draw(t, "row group"),
		})
		if f.Name != FileName(hour, generation) || f.Rows != uint64(len(rows)) {
			t.Fatalf("%d rows of hour %d became %+v", len(rows), hour, f)
		}
		if diff := cmp.Diff(sumsOf(rows), sums); diff != "" {
			t.Fatal(diff)
		}
		got, err := readAll(fsys, "data", f, rapid.IntRange(1, 30).Draw(t, "rows at a time"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := difference(rows, got); diff != "" {
			t.Fatal(diff)
		}
		if err := Verify(fsys, "data", f); err != nil {
			t.Fatal(err)
		}
	})
}

func sumsOf(rows []flow.Row) Sums {
	var s Sums
	for _, r := range rows {
		s.Rows++
		s.BytesTx.Add(r.Totals.BytesTx)
		s.BytesRx.Add(r.Totals.BytesRx)
	}
	return s
}

// TestRoundTripOfManyPages has pages of different lengths in each column, and several row groups.
func TestRoundTripOfManyPages(t *testing.T) {
	rows := usualRows(100_000, 7)
	rows[76_543] = row(7, longName, longName, longName, math.MaxUint64, math.MaxUint64)
	fsys := crashfs.New()
	f, _ := write(t, fsys, "data", rows, Options{Hour: 7, RowGroup: 70_001})
	if diff := difference(rows, mustRead(t, fsys, "data", f)); diff != "" {
		t.Fatal(diff)
	}
}

// TestLongKeysEndARowGroup holds the memory of a row group whose keys are as long as they may be.
func TestLongKeysEndARowGroup(t *testing.T) {
	keys := longKeys*defaultRowGroup/flow.KeyLen([]byte{255, 255, 255}) + 2*writeRows
	rows := make([]flow.Row, keys)
	for i := range rows {
		rows[i] = row(7, longName, longName, longName, uint64(i), 0)
	}
	fsys := crashfs.New()
	f, _ := write(t, fsys, "data", rows, Options{Hour: 7})
	r, err := Open(fsys, "data", f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(r.sections) != 2 {
		t.Errorf("%d rows with keys of %d bytes are in %d row groups, not 2", keys, len(rows[0].Key), len(r.sections))
	}
}

// TestBlockSize holds what a row may take on disk.
func TestBlockSize(t *testing.T) {
	const most = 20
	f, _ := write(t, crashfs.New(), "data", usualRows(100_000, 7), Options{Hour: 7})
	if perRow := float64(f.Size) / float64(f.Rows); perRow > most {
		t.Errorf("a row takes %.1f bytes, more than %d", perRow, most)
	}
}

func TestKeysStayValid(t *testing.T) {
	fsys := crashfs.New()
	rows := usualRows(10_000, 7)
	f, _ := write(t, fsys, "data", rows, Options{Hour: 7, RowGroup: 3000})
	r, err := Open(fsys, "data", f)
	if err != nil {
		t.Fatal(err)
	}
	var kept []flow.Row
	dst := make([]flow.Row, 17)
	for n := r.Next(dst); n > 0; n = r.Next(dst) {
		kept = append(kept, dst[:n]...)
	}
	r.Close()
	_ = append(kept[0].Key, "a longer key must not run into the next"...)
	if diff := difference(rows, kept); diff != "" {
		t.Error(diff)
	}
}

func TestRemovedBlockIsReadToItsEnd(t *testing.T) {
	dir := t.TempDir()
	rows := usualRows(5000, 7)
	f, _ := write(t, disk.OS, dir, rows, Options{Hour: 7, RowGroup: 1000})
	r, err := Open(disk.OS, dir, f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dst := make([]flow.Row, 5001)
	n := r.Next(dst[:1])
	if err := Remove(disk.OS, dir, f); err != nil {
		t.Fatal(err)
	}
	for more := r.Next(dst[n:]); more > 0; more = r.Next(dst[n:]) {
		n += more
	}
	if diff := difference(rows, dst[:n]); diff != "" || r.Err() != nil {
		t.Error(diff, r.Err())
	}
	if _, err := Open(disk.OS, dir, f); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened a removed block: %v", err)
	}
}

func TestClosedRowsHaveNoMore(t *testing.T) {
	fsys := crashfs.New()
	f, _ := write(t, fsys, "data", usualRows(100, 7), Options{Hour: 7, RowGroup: 10})
	r, err := Open(fsys, "data", f)
	if err != nil {
		t.Fatal(err)
	}
	r.Next(make([]flow.Row, 15))
	r.Close()
	r.Close()
	if n := r.Next(make([]flow.Row, 15)); n != 0 || r.Err() != nil {
		t.Errorf("%d rows after Close, %v", n, r.Err())
	}
}

func TestWriteRefuses(t *testing.T) {
	broken := errors.New("the block behind it is damaged")
	for name, c := range map[string]struct {
		rows flow.Rows
		want string
	}{
		"rows of another hour": {&listRows{rows: []flow.Row{row(8, "a", "b", "c", 1, 1)}}, "hour 8"},
		"rows that failed":     {&listRows{rows: usualRows(10, 7), err: broken}, broken.Error()},
	} {
		fsys := crashfs.New()
		_, _, err := Write(fsys, "data", c.rows, Options{Hour: 7, Generation: 3})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, without %q", name, err, c.want)
		}
		if names, _ := fsys.List("data/hours/hour=7"); len(names) > 0 {
			t.Errorf("%s: left %v behind", name, names)
		}
	}
}

func TestWriteDoesNotReplace(t *testing.T) {
	fsys := crashfs.New()
	f, _ := write(t, fsys, "data", usualRows(10, 7), Options{Hour: 7, Generation: 3})
	_, _, err := Write(fsys, "data", &listRows{}, Options{Hour: 7, Generation: 3})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("wrote over a block: %v", err)
	}
	if err := Verify(fsys, "data", f); err != nil {
		t.Error(err)
	}
}

func TestPaceGetsTheTimeSpent(t *testing.T) {
	calls, busy := 0, time.Duration(0)
	start := time.Now()
	write(t, crashfs.New(), "data", usualRows(20_000, 7), Options{Hour: 7, Pace: func(d time.Duration) {
		calls++
		busy += d
	}})
	if calls < 20_000/writeRows || busy <= 0 || busy > time.Since(start) {
		t.Errorf("%d calls with %v in %v", calls, busy, time.Since(start))
	}
}
