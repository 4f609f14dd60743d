package local

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"flowd/flow"
)

// TestDuplicateOfGoneHour sends a batch again whose hour has expired, and for which there is no room any
// more: it did count, so it is not refused.
func TestDuplicateOfGoneHour(t *testing.T) {
	m := timed{}
	o := testOptions(t)
	m.set(&o)
	o.MaxHours, o.Retention, o.Window = 2, time.Hour, 24*time.Hour
	e := open(t, o)
	first := sender("a")
	first.Key = "k"
	e.mustPost(t, first, tuple(1, 7))
	m.pass(2 * time.Hour)
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	e.mustPost(t, sender("a"), tuple(1, 8))
	if !e.mustPost(t, first, tuple(1, 7)) {
		t.Error("it counted twice")
	}
	other := first
	if _, err := e.post(other, tuple(2, 7)); !errors.Is(err, flow.ErrReused) {
		t.Errorf("other flows of this name: %v", err)
	}
	other.Key = "other"
	for range 2 { // the name of a batch that is refused is not noted
		if _, err := e.post(other, tuple(1, 9)); refusedFor(err) != "max-hours" {
			t.Errorf("another hour: %v", err)
		}
	}
	e.checkBalance(t)
	e.mustClose(t)
}

// TestOpenerOfAReplay has many clients write to the same hours: a replay, whose records are entered in any
// order, puts these down to the same clients as they were.
func TestOpenerOfAReplay(t *testing.T) {
	o := testOptions(t)
	e := open(t, o)
	e.mustPost(t, sender("first"), labels(100, 20)...)
	for n := range 50 {
		e.mustPost(t, sender(fmt.Sprint("other-", n)), labels(100, 21)...)
	}
	check := func() {
		t.Helper()
		for label, h := range e.hours {
			if want := map[bool]string{true: "first", false: "other-0"}[label < 120]; h.openedBy != want {
				t.Fatalf("hour %d was opened by %q, want %q", label, h.openedBy, want)
			}
		}
		if e.others.by["first"] != 20 || e.others.by["other-0"] != 1 || e.others.count != 21 || len(e.others.by) != 2 {
			t.Fatalf("%+v", e.others)
		}
	}
	check()
	for range 5 {
		e.checkpointer.covered.Store(e.stats.received.Load()) // so that Close makes no checkpoint
		e.mustClose(t)
		e = open(t, o)
		check()
	}
	e.mustPost(t, sender("late"), labels(100, 1)...)
	check()
	e.mustClose(t)
}
