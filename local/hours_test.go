package local

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flowd/disk/crashfs"
	"flowd/flow"
)

// timed is a machine whose true time is known, and whose clock may be wrong.
type timed struct{ true, uptime, wrong shifted }

// shifted is a duration that the engine's goroutines may read.
type shifted struct{ atomic.Int64 }

func (s *shifted) get() time.Duration  { return time.Duration(s.Load()) }
func (s *shifted) set(d time.Duration) { s.Store(int64(d)) }
func (s *shifted) add(d time.Duration) { s.Add(int64(d)) }

var birth = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (m *timed) set(o *Options) {
	o.Clock = func() time.Time { return birth.Add(m.true.get() + m.wrong.get()) }
	o.Uptime = m.uptime.get
}

func (m *timed) pass(d time.Duration) {
	m.true.add(d)
	m.uptime.add(d)
}

// label is the hour of now by the true time, plus some.
func (m *timed) label(plus int) flow.Hour {
	return flow.Hour(birth.Add(m.true.get()).Unix()/3600 + int64(plus))
}

func sender(name string) flow.Origin {
	return flow.Origin{Client: name, Sender: flow.Sender{Name: name}}
}

func labels(from, n int) (flows []flow.Flow) {
	for i := range n {
		flows = append(flows, tuple(1, flow.Hour(from+i)))
	}
	return flows
}

// refusedFor returns the bound that err names, or what else it is.
func refusedFor(err error) string {
	var refused *flow.HoursError
	if errors.As(err, &refused) {
		return refused.Bound
	}
	return fmt.Sprint(err)
}

// TestNoHourGoesForAnother is how a client could erase the hours of all others by its labels.
func TestNoHourGoesForAnother(t *testing.T) {
	m := timed{}
	o := testOptions(t)
	m.set(&o)
	o.MaxHours = 200
	e := open(t, o)
	now := int(m.label(0))
	e.mustPost(t, sender("good"), labels(now-47, 48)...)
	for _, evil := range []struct {
		flows []flow.Flow
		bound string
	}{
		{labels(0, 200), "max-hours"},
		{labels(now*60, 200), "max-ahead"}, // minutes
		{labels(1000, 81), "max-hours"},
	} {
		if _, err := e.post(sender("evil"), evil.flows...); refusedFor(err) != evil.bound {
			t.Errorf("%d hours from %d: %v, want %s", len(evil.flows), evil.flows[0].Hour, err, evil.bound)
		}
	}
	e.mustPost(t, sender("evil"), labels(1000, 80)...) // its share of what live hours leave
	e.mustPost(t, sender("evil"), labels(1000, 80)...)
	if _, err := e.post(sender("evil"), labels(2000, 1)...); refusedFor(err) != "max-hours" {
		t.Errorf("one more: %v", err)
	}
	e.mustPost(t, sender("good"), labels(now, 49)...) // live ones, always
	e.mustPost(t, sender("good"), labels(3000, 1)...) // and one of a newcomer to those
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	e.mustClose(t)
	e = open(t, o)
	if s := e.Stats(); s.Hours != 48+80+48+1 || s.OtherHours != 81 || s.OtherHoursMax != 100 || s.HoursExpired != 0 {
		t.Errorf("%+v", s)
	}
	if _, err := e.post(sender("evil"), labels(2000, 1)...); refusedFor(err) != "max-hours" {
		t.Errorf("one more after a restart: %v", err)
	}
	e.checkBalance(t)
	e.mustClose(t)
}

// TestRefusedHoursAreExplained holds the texts that clients get.
func TestRefusedHoursAreExplained(t *testing.T) {
	m := timed{}
	o := testOptions(t)
	m.set(&o)
	o.MaxHours = 4
	e := open(t, o)
	now := int(m.label(0))
	for _, c := range []struct {
		label int
		says  string
	}{
		{now * 60, fmt.Sprintf("it looks like minutes since 1970, and would be hour %d", now)},
		{int(birth.Unix()), fmt.Sprintf("it looks like seconds since 1970, and would be hour %d", now)},
		{now + 50, fmt.Sprintf("hour %d is further ahead of the server's clock, which is in hour %d, than max-ahead (48h0m0s)", now+50, now)},
	} {
		_, err := e.post(sender("a"), tuple(1, flow.Hour(now)), tuple(1, flow.Hour(c.label)))
		var refused *flow.HoursError
		if !errors.As(err, &refused) || len(refused.Fields) != 1 || refused.Fields[0].Pointer != "/1/hour" || !strings.Contains(refused.Fields[0].Detail, c.says) {
			t.Errorf("%d: %v: %+v", c.label, err, refused)
		}
	}
	_, err := e.post(sender("a"), labels(7, 3)...)
	for _, says := range []string{"would open 3 hours", "such as hour 7", "at most 2", "max-hours is 4", "may open 1 more"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, without %q", err, says)
		}
	}
	many := make([]flow.Flow, 0, 30)
	for range 30 {
		many = append(many, tuple(1, flow.Hour(now+100)))
	}
	_, err = e.post(sender("a"), many...)
	var refused *flow.HoursError
	if !errors.As(err, &refused) || len(refused.Fields) != flow.MaxFieldErrors || refused.Omitted != 30-flow.MaxFieldErrors {
		t.Errorf("%+v", refused)
	}
	e.mustPost(t, sender("a"), labels(now+48, 1)...)
	o.Limits.MaxAhead = 0
	e.SetLimits(o.Limits)
	e.mustPost(t, sender("a"), labels(now+1000, 1)...)
	e.mustPost(t, sender("b"), labels(5, 1)...)
	e.mustClose(t)
}

// tenants is a program of random clients, labels, bounds, restarts and pauses, and what must be there.
type tenants struct {
	*testing.T
	seed uint64
	rng  *rand.Rand
	m    timed
	o    Options
	e    *Engine
	fs   *crashfs.FS

	want    totals
	written map[flow.Hour]time.Duration // true time of the last flow
	count   map[string]int
	story   []string
}

// note adds what happened to what a failure tells.
func (p *tenants) note(format string, values ...any) {
	p.story = append(p.story, fmt.Sprintf("%v: ", p.m.true.get())+fmt.Sprintf(format, values...))
}

var tenantNames = []string{"good", "evil", "late", ""}

func newTenants(t *testing.T, seed uint64) *tenants {
	rng := rand.New(rand.NewPCG(seed, 12))
	p := &tenants{T: t, seed: seed, rng: rng, fs: crashfs.New(), want: totals{}, written: map[flow.Hour]time.Duration{}, count: map[string]int{}}
	p.m.true.set(time.Duration(rng.Int64N(int64(24 * time.Hour))))
	p.o = DefaultOptions()
	p.o.Dir, p.o.Logged, p.o.Shards, p.o.Batches = "data", true, 1, 4
	if rng.IntN(5) == 0 {
		p.o.Logged = false
		p.o.Dir = ""
	}
	p.o.Log.SegmentBytes = 64 << 10
	p.o.Logger = slog.New(slog.DiscardHandler)
	p.o.CheckpointEvery = time.Hour
	p.o.MaxHours = 1 + rng.IntN(60)
	p.o.Retention = time.Duration(1+rng.IntN(100)) * time.Hour
	p.o.ClockHold = time.Duration(1+rng.IntN(24)) * time.Hour
	p.m.set(&p.o)
	return p
}

func (p *tenants) open() {
	p.o.FS = p.fs
	p.e = open(p, p.o)
}

// live runs the program.
func (p *tenants) live() {
	p.open()
	for range 25 {
		switch p.rng.IntN(10) {
		case 0:
			p.restart()
		case 1:
			p.m.pass(time.Duration(p.rng.Int64N(int64(20 * time.Hour))))
		case 2:
			if err := p.e.Checkpoint(); err != nil {
				p.Fatal(err)
			}
			p.note("checkpoint")
			p.compare()
		default:
			p.post()
		}
		p.m.pass(time.Second)
	}
	p.compare()
	p.e.mustClose(p)
}

// restart ends the server, by a crash or not, and starts it after a pause.
func (p *tenants) restart() {
	if p.o.Dir == "" {
		return // it forgets everything
	}
	if p.rng.IntN(2) == 0 {
		next := p.fs.Crash(50, p.rng)
		p.fs.Kill()
		_ = p.e.Close()
		p.fs = next
	} else {
		p.e.mustClose(p)
	}
	p.m.true.add(time.Duration(p.rng.Int64N(int64(200 * time.Hour))))
	p.m.uptime.set(0)
	p.open()
	p.note("restarted")
	p.compare()
}

// post sends a batch of some client.
func (p *tenants) post() {
	name := tenantNames[p.rng.IntN(len(tenantNames))]
	o := sender(name)
	if name == "" {
		o.Sender.Address = string([]byte{10, 0, 0, byte(p.rng.IntN(3))})
	}
	var flows []flow.Flow
	ahead, live := false, true
	for range 1 + p.rng.IntN(8) {
		var label flow.Hour
		switch p.rng.IntN(4) {
		case 0:
			label = flow.Hour(p.rng.IntN(200)) // of one who numbers hours, or is wrong
		case 1:
			label = p.m.label(-p.rng.IntN(5000))
		case 2:
			label = p.m.label(0) * 60
		default:
			label = p.m.label(p.rng.IntN(95) - 47)
		}
		distance := int(label) - int(p.m.label(0))
		ahead = ahead || label >= firstLive && distance > 48
		live = live && distance >= -47 && distance <= 47
		flows = append(flows, tuple(1+p.rng.IntN(5), label))
	}
	hours := map[flow.Hour]bool{}
	for _, f := range flows {
		hours[f.Hour] = true
	}
	for h := range hours {
		if p.written[h] != 0 && p.age(h) > p.o.Retention {
			// Whether what is there goes now or with the next checkpoint must be known before more comes.
			if err := p.e.Checkpoint(); err != nil {
				p.Fatal(err)
			}
			p.compare()
		}
	}
	_, err := p.e.post(o, flows...)
	switch {
	case err == nil:
		p.want.add(flows...)
		for h := range hours {
			p.written[h] = p.m.true.get()
		}
		p.note("stored %v", hours)
		p.count["stored"]++
	case ahead && refusedFor(err) == "max-ahead":
		p.count["ahead"]++
	case len(hours) > p.o.MaxHours && errors.Is(err, flow.ErrTooManyHours):
		p.count["hours of one batch"]++
	case !live && !ahead && refusedFor(err) == "max-hours":
		p.count["max-hours"]++
	default:
		p.Fatalf("a batch of %d hours, all live %v, ahead %v, of max-hours %d: %v", len(hours), live, ahead, p.o.MaxHours, err)
	}
	if err == nil && ahead {
		p.Fatalf("flows ahead of the clock were taken: %v", hours)
	}
}

// compare holds what the server has to what it must have: every flow of hours within retention. It may
// have more, as what is older goes with a checkpoint, and pauses are held.
func (p *tenants) compare() {
	p.Helper()
	var held []flow.Hour
	hours, err := p.e.Hours()
	if err != nil {
		p.Fatal(err)
	}
	for _, h := range hours {
		held = append(held, h.Hour)
	}
	got := p.e.read(p, held...)
	for name, want := range p.want {
		var label flow.Hour
		_, _ = fmt.Sscan(name, &label)
		_, has := got[name]
		switch {
		case !has && p.age(label) > p.o.Retention:
			p.dropHour(label)
		case got[name] != want:
			p.Fatalf("seed %d\n%s\n%+v\n%s: %+v, want %+v; its last flow came %v ago, of %v", p.seed, strings.Join(p.story, "\n"), p.e.Stats(), name, got[name], want, p.age(label), p.o.Retention)
		}
	}
	p.e.checkBalance(p)
}

// age is how long ago the last flow of an hour came.
func (p *tenants) age(label flow.Hour) time.Duration { return p.m.true.get() - p.written[label] }

// dropHour forgets an hour that expired rightly.
func (p *tenants) dropHour(label flow.Hour) {
	p.count["expired"]++
	for name := range p.want {
		if strings.HasPrefix(name, fmt.Sprintf("%d ", label)) {
			delete(p.want, name)
		}
	}
}

// TestTenantsThroughCrashes runs many such programs: no flow within retention is lost, each refusal has its
// reason, and live hours are taken in every one.
func TestTenantsThroughCrashes(t *testing.T) {
	count := map[string]int{}
	for seed := range crashfs.Seeds(t, 60) {
		p := newTenants(t, seed)
		p.live()
		for what, n := range p.count {
			count[what] += n
		}
	}
	for _, what := range []string{"stored", "ahead", "hours of one batch", "max-hours", "expired"} {
		if count[what] == 0 {
			t.Errorf("%q never happened: %v", what, count)
		}
	}
}
