package local

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"flowd/flow"
)

// lines is a log that a test reads while the engine writes it.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// with returns the lines that have all of some words.
func (l *lines) with(words ...string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		has := true
		for _, word := range words {
			has = has && strings.Contains(line, word)
		}
		if has {
			found = append(found, line)
		}
	}
	return found
}

func TestExpiryIsSeen(t *testing.T) {
	m, log := timed{}, &lines{}
	o := testOptions(t)
	m.set(&o)
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	o.Retention = 10 * time.Hour
	e := open(t, o)
	e.mustPost(t, sender("a"), labels(100, 3)...)
	m.pass(11 * time.Hour)
	e.mustPost(t, sender("a"), labels(200, 30)...)
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if got := log.with("level=INFO", `msg="an hour expired"`, "reason=age", "last_write=2026-01-01T00:00:00Z", "flows=1", "opened_by=a"); len(got) != 3 {
		t.Errorf("3 hours expired: %q", got)
	}
	m.pass(11 * time.Hour)
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if got := log.with(`msg="many an hour expired"`, "hours=30", "first=200", "last=229", "flows=30", "reason=age"); len(got) != 1 || len(log.with("an hour expired")) != 4 {
		t.Errorf("30 hours expired: %q", got)
	}
	// A late flow makes an hour anew, and says so until that one has expired, too.
	e.mustPost(t, sender("a"), labels(100, 1)...)
	e.mustPost(t, sender("a"), labels(300, 1)...)
	check := func(when string) {
		t.Helper()
		hours, err := e.Hours()
		if err != nil || len(hours) != 2 || !hours[0].ExpiredBefore || hours[1].ExpiredBefore {
			t.Errorf("%s: %+v, %v", when, hours, err)
		}
		l := e.checkBalance(t)
		if !l.Hours[0].ExpiredBefore || l.Hours[1].ExpiredBefore || !e.ExpiredBefore(0, 200) || e.ExpiredBefore(101, 400) {
			t.Errorf("%s: %+v", when, l.Hours)
		}
	}
	check("before a checkpoint")
	e.mustClose(t)
	e = open(t, o)
	check("after a restart")
	e.mustClose(t)
}

// TestLateFlowDuringExpiry has a flow come for an hour between the two steps of the checkpoint by which it
// expires.
func TestLateFlowDuringExpiry(t *testing.T) {
	m := timed{}
	o := testOptions(t)
	m.set(&o)
	o.Retention = 10 * time.Hour
	e := open(t, o)
	e.mustPost(t, sender("a"), labels(7, 1)...)
	m.pass(11 * time.Hour)
	c := &checkpointPlan{generation: e.checkpointer.generation + 1}
	var err error
	e.ask(func() { err = e.plan(c, nil) })
	if err != nil {
		t.Fatal(err)
	}
	e.mustPost(t, sender("a"), labels(7, 1)...)
	e.ask(func() { e.install(c, &written{}) })
	if hours, err := e.Hours(); err != nil || len(hours) != 1 || !hours[0].ExpiredBefore || hours[0].Flows != 1 {
		t.Errorf("%+v, %v", hours, err)
	}
	e.checkBalance(t)
	e.mustClose(t)
}

// TestBytesExpireWhoFills has one client fill the disk by labels of its own: its hours go, not those that
// others opened, however old they are. The log names it.
func TestBytesExpireWhoFills(t *testing.T) {
	m, log := timed{}, &lines{}
	o := testOptions(t)
	m.set(&o)
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	e := open(t, o)
	e.mustPost(t, sender("old"), labels(10, 4)...)
	m.pass(time.Hour)
	e.mustPost(t, sender("live"), labels(int(m.label(0)), 4)...)
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	l := o.Limits
	l.RetentionBytes = e.Stats().BlockBytes * 2
	e.SetLimits(l)
	for round := range 5 {
		m.pass(time.Hour)
		for range 3 {
			e.mustPost(t, sender("evil"), labels(1000+8*round, 8)...)
		}
		if err := e.Checkpoint(); err != nil { // writes
			t.Fatal(err)
		}
		if err := e.Checkpoint(); err != nil { // knows what it takes on disk
			t.Fatal(err)
		}
	}
	hours, err := e.Hours()
	if err != nil {
		t.Fatal(err)
	}
	there := map[flow.Hour]bool{}
	for _, h := range hours {
		there[h.Hour] = true
	}
	for h := range flow.Hour(4) {
		if !there[10+h] || !there[m.label(-5)+h] {
			t.Errorf("hours of others are gone: %v", hours)
		}
	}
	s := e.Stats()
	if s.HoursExpiredEarly == 0 || s.HoursExpired != s.HoursExpiredEarly || s.BlockBytes > l.RetentionBytes {
		t.Errorf("%+v", s)
	}
	got := log.with("level=WARN", "before its retention was over", "reason=bytes", "bound=retention-bytes", fmt.Sprintf("limit=%d", l.RetentionBytes), `most_flows_by="\"evil\" `)
	if len(got) == 0 {
		t.Errorf("the log does not say who: %q", log.with("WARN"))
	}
	e.checkBalance(t)
	e.mustClose(t)
}

func TestSenders(t *testing.T) {
	s := make(senders)
	for n := range 10_000 {
		s.add(flow.Sender{Address: fmt.Sprintf("%04d", n)}, 1)
		s.add(flow.Sender{Name: "much"}, 3)
	}
	if len(s) != sendersMost || !strings.HasPrefix(s.String(), `"much" 30000, `) {
		t.Errorf("%d: %s", len(s), s)
	}
	for address, want := range map[string]string{"\x0a\x00\x00\x01": "10.0.0.1", "\x20\x01\x0d\xb8\x00\x00\x00\x07": "2001:db8:0:7::/64", "": ""} {
		if got := (flow.Sender{Address: address}).String(); got != want {
			t.Errorf("%q is %q, want %q", address, got, want)
		}
	}
}

func TestExpiredAreBounded(t *testing.T) {
	x := expiredHours{set: map[flow.Hour]struct{}{}}
	for h := range flow.Hour(expiredMost + 10) {
		x.add(2 * h)
		x.add(2 * h)
	}
	if len(x.order) != expiredMost || len(x.set) != expiredMost || x.has(0) || !x.has(20) {
		t.Errorf("%d, %d", len(x.order), len(x.set))
	}
	ranges := x.with([]flow.Hour{21, 23, 7})
	y := expiredHours{set: map[flow.Hour]struct{}{}}
	y.readRanges(ranges)
	if len(y.order) > expiredMost || y.has(9) || !y.has(100) {
		t.Errorf("%d ranges, %d hours", len(ranges), len(y.order))
	}
}
