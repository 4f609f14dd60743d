package mapserver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A journal gives back what was written to it, without the last line if that was torn.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	want := []record{}
	for _, next := range []record{
		{Name: "a 1", Flows: []Row{{"s", "d", "v", 1, 2, 3}}},
		{Name: "", Flows: []Row{{"s\n", "d", "v", 1 << 62, 0, 3}, {}}},
		{Name: "a 2"},
	} {
		got := []record{}
		j, err := openJournal(path, func(r *record) { got = append(got, *r) })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("read back (-want +got):\n%s", diff)
		}
		if err := j.append(&next); err != nil {
			t.Fatal(err)
		}
		want = append(want, next)
		if err := j.close(); err != nil {
			t.Fatal(err)
		}
		tear(t, path)
	}
}

func tear(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"name":"torn","fl`); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHoursExpire(t *testing.T) {
	table := table{maxHours: 2, hours: make(map[uint32]*hour)}
	for n := range uint32(5) {
		table.received.add(amount{1, 10, 20})
		table.add([]Row{{"s", "d", "v", 10, 20, n}})
	}
	l := table.ledger()
	if l.Expired != (amount{3, 30, 60}) || l.Stored != (amount{2, 20, 40}) || l.Received != (amount{5, 50, 100}) {
		t.Errorf("%+v", l.account)
	}
	if diff := cmp.Diff([]uint32{3, 4}, table.sorted()); diff != "" {
		t.Errorf("hours (-want +got):\n%s", diff)
	}
}
