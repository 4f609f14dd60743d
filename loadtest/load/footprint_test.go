package load

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A row of footprints has the same bounded length after an hour as after a month, and shows every
// peak.
func TestFootprintsAreMerged(t *testing.T) {
	f := footprints{every: time.Second}
	at := 0.0
	for i := range 10 * maxFootprints {
		at += f.every.Seconds()
		one := Footprint{At: at, RSS: 10, Data: 20}
		switch i {
		case 7:
			one.RSS = 1000
		case 8:
			one.Data = 2000
		}
		f.add(one)
		if len(f.list) >= maxFootprints {
			t.Fatalf("%d footprints", len(f.list))
		}
	}
	if len(f.list) < maxFootprints/2 {
		t.Errorf("%d footprints are left", len(f.list))
	}
	var peak Footprint
	for i, one := range f.list {
		peak.RSS, peak.Data = max(peak.RSS, one.RSS), max(peak.Data, one.Data)
		if i > 0 && one.At <= f.list[i-1].At {
			t.Errorf("footprint %d is of %v s, the one before of %v s", i, one.At, f.list[i-1].At)
		}
	}
	if peak.RSS != 1000 || peak.Data != 2000 || f.list[len(f.list)-1].At != at {
		t.Errorf("the peak is %+v, and the last of %v s, want %v s", peak, f.list[len(f.list)-1].At, at)
	}
}

func TestFootprintOfARun(t *testing.T) {
	data := t.TempDir()
	for name, size := range map[string]int{"a": 1000, "b": 234} {
		if err := os.WriteFile(filepath.Join(data, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		o := bubbleRun()
		o.For, o.ServerData = 10*time.Second, data
		r, err := runIn(t.Context(), newPipeServer(func(int, bool) bool { return true }).environment(), o)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(r.Footprints); n < 10 || n > 11 {
			t.Fatalf("%d footprints in ten seconds", n)
		}
		for i, f := range r.Footprints {
			if f.Data != 1234 || f.RSS == 0 || i < 9 && !near(f.At, time.Duration(i+1)*time.Second, time.Millisecond) {
				t.Errorf("footprint %d: %+v", i, f)
			}
		}
		var b strings.Builder
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		if want := "data      " + strings.Repeat("█", len(r.Footprints)) + " at most 1.23 kB, 1.23 kB at the end\n"; !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	})
	o := bubbleRun()
	o.ServerData = filepath.Join(data, "a")
	if _, err := runIn(t.Context(), newPipeServer(nil).environment(), o); err == nil || !strings.HasPrefix(err.Error(), "--server-data ") {
		t.Errorf("error %v for a file in place of a folder", err)
	}
}

func TestFolderSize(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "x", "y"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "x/b", "x/y/c"} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := folderSize(dir); got != 300 {
		t.Errorf("three files of 100 bytes are %d", got)
	}
	if got := folderSize(filepath.Join(dir, "none")); got != 0 {
		t.Errorf("a folder that is not there has %d bytes", got)
	}
}

func TestPlot(t *testing.T) {
	long := make([]uint64, 10*plotWidth)
	long[15] = 8
	for _, c := range []struct {
		values []uint64
		want   string
	}{
		{nil, ""},
		{[]uint64{0, 0}, "  "},
		{[]uint64{0, 1, 2, 3, 4, 5, 6, 7, 8}, " ▁▂▃▄▅▆▇█"},
		{[]uint64{1, 1000, 1000}, "▁██"},
		{[]uint64{5}, "█"},
		{long, " █" + strings.Repeat(" ", plotWidth-2)},
	} {
		if got := plot(c.values); got != c.want {
			t.Errorf("%v is drawn as %q, want %q", c.values, got, c.want)
		}
	}
}
