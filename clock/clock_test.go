package clock

import (
	"math/rand/v2"
	"testing"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// machine is a computer whose true time is known, and whose wall clock may be wrong.
type machine struct {
	true, uptime, wrong time.Duration

	*Clock
	hold  time.Duration
	saved State
}

var birth = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newMachine(hold time.Duration) *machine {
	m := &machine{hold: hold}
	m.Clock = m.clock()
	return m
}

func (m *machine) clock() *Clock {
	return New(Options{
		Wall:   func() time.Time { return birth.Add(m.true + m.wrong) },
		Uptime: func() time.Duration { return m.uptime },
		Hold:   m.hold,
	})
}

// run lets the program run for a time, and looks at the clocks as often as told. What is due is
// accepted each time.
func (m *machine) run(d, every time.Duration) {
	for d > 0 {
		step := min(d, every)
		m.true += step
		m.uptime += step
		d -= step
		if m.Observe().Due {
			m.save(false)
		}
	}
}

// save is a checkpoint.
func (m *machine) save(all bool) {
	a := m.Accept(all)
	m.saved = a.State
	a.Apply()
}

// restart is a start after a pause, from what was saved last, and from a last record if told.
func (m *machine) restart(pause time.Duration, recorded bool) {
	latest := int64(0)
	if recorded {
		latest = m.Now()
	}
	m.true += pause
	m.uptime = time.Duration(rand.Int64N(int64(time.Hour)))
	m.Clock = m.clock()
	m.Resume(m.saved, latest)
}

// lag is how far the trusted time is behind the true one, in whole seconds.
func (m *machine) lag() time.Duration {
	return (time.Duration(birth.Add(m.true).UnixMilli()-m.Now()) * time.Millisecond).Round(time.Second)
}

// settled is a machine whose clock was right for two days.
func settled(t *testing.T) *machine {
	m := newMachine(day)
	m.run(2*day, time.Hour)
	m.save(false)
	if m.lag() != 0 {
		t.Fatal("lag", m.lag())
	}
	return m
}

func (m *machine) want(t *testing.T, what string, lag, held, paused, behind time.Duration) {
	t.Helper()
	r := m.Observe()
	r.Held, r.Paused, r.Behind = r.Held.Round(time.Second), r.Paused.Round(time.Second), r.Behind.Round(time.Second)
	if m.lag() != lag || r.Held != held || r.Paused != paused || r.Behind != behind {
		t.Errorf("%s: lag %v, held %v, paused %v, behind %v; want %v, %v, %v, %v",
			what, m.lag(), r.Held, r.Paused, r.Behind, lag, held, paused, behind)
	}
}

func TestAhead(t *testing.T) {
	for _, jump := range []time.Duration{time.Second, time.Hour, day, 100 * year} {
		m := settled(t)
		m.wrong = jump
		m.want(t, "set ahead", 0, jump, 0, 0)
		m.run(day-time.Second, time.Minute)
		m.want(t, "just before the hold is over", 0, jump, 0, 0)
		m.wrong = 0
		m.want(t, "set right", 0, 0, 0, 0)
		m.wrong = jump
		m.Observe()
		m.run(day, time.Minute)
		m.want(t, "after the hold", -jump, 0, 0, 0)
		m.wrong = 0
		m.want(t, "right again", -jump, 0, 0, jump)
		m.save(true)
		m.want(t, "accepted as right", -jump, 0, 0, 0)
	}
}

func TestAheadAtAStart(t *testing.T) {
	for _, jump := range []time.Duration{time.Second, time.Hour, day, 100 * year} {
		m := settled(t)
		m.wrong = jump
		m.restart(time.Minute, false)
		if r := m.Observe(); (r.Held+r.Paused).Round(time.Second) != jump+time.Minute || m.lag() != time.Minute || (r.Held > 0) != (jump >= day) {
			t.Errorf("%v: %+v, lag %v", jump, r, m.lag())
		}
		m.wrong = 0
		m.want(t, "set right", time.Minute, m.Observe().Held.Round(time.Second), m.Observe().Paused.Round(time.Second), 0)
		m.run(day, time.Minute)
		m.want(t, "after the hold", 0, 0, 0, 0)
	}
}

func TestBehind(t *testing.T) {
	for _, jump := range []time.Duration{time.Second, time.Hour, day, 100 * year} {
		m := settled(t)
		m.wrong = -jump
		m.want(t, "set back", 0, 0, 0, jump)
		m.run(3*day, time.Minute)
		m.want(t, "days later", 0, 0, 0, jump)
		m.save(false)
		m.restart(0, false)
		m.want(t, "after a restart", 0, 0, 0, jump)
		m.wrong = 0
		m.want(t, "set right", 0, 0, 0, 0)
	}
}

// TestFarBehind has pauses counted though the clock is behind by years, and not counted again when
// it is set right.
func TestFarBehind(t *testing.T) {
	m := settled(t)
	m.wrong = -100 * year
	m.Observe()
	m.save(false)
	m.restart(time.Hour, false)
	m.want(t, "after a pause", time.Hour, 0, time.Hour, 100*year)
	m.run(day, time.Minute)
	m.want(t, "a day later", 0, 0, 0, 100*year)
	m.wrong = 0
	m.want(t, "set right", 0, 0, 0, 0)
}

// farBehind is a machine whose clock was believed while it was a century ahead, and so is behind since it was set
// right, which was two days ago.
func farBehind(t *testing.T) *machine {
	m := newMachine(day)
	m.wrong = 100 * year
	m.save(false)
	m.restart(0, false)
	m.run(2*day, time.Hour)
	m.wrong = 0
	m.want(t, "set right", 0, 0, 0, 100*year)
	m.run(2*day, time.Hour)
	m.save(false)
	return m
}

// TestFarBehindAndWrongAgain has such a clock wrong for two pauses, far back once more or ahead: they are counted
// when it is right again.
func TestFarBehindAndWrongAgain(t *testing.T) {
	for _, c := range []struct{ wrong, held, behind time.Duration }{
		{-100 * year, 0, 200*year - 11*day},
		{100 * year, 11 * day, 0},
	} {
		m := farBehind(t)
		m.wrong = c.wrong
		m.restart(5*day, false)
		m.save(false)
		m.restart(6*day, false)
		m.want(t, "wrong again", 11*day, c.held, 0, c.behind)
		m.wrong = 0
		m.want(t, "right again", 11*day, 11*day, 0, 100*year)
		m.run(day, time.Hour)
		m.want(t, "a day later", 0, 0, 0, 100*year)
	}
}

func TestPauses(t *testing.T) {
	m := settled(t)
	m.restart(5*time.Hour, false)
	m.want(t, "short", 5*time.Hour, 0, 5*time.Hour, 0)
	m.run(day, time.Minute)
	m.want(t, "short, a day later", 0, 0, 0, 0)

	m.save(false)
	m.restart(60*day, false)
	m.want(t, "long", 60*day, 60*day, 0, 0)
	if left := m.Observe().Remaining; left != day { // the pause has just ended
		t.Error("remaining", left)
	}
	m.save(true)
	m.want(t, "accepted", 0, 0, 0, 0)

	for range 40 {
		m.run(time.Minute, time.Second)
		m.save(false)
		m.restart(5*time.Hour, false)
	}
	m.save(false)
	m.want(t, "many short ones", day, 0, day, 0)
}

// TestRecords goes on from a record that is later than what was saved: the time to it did pass.
func TestRecords(t *testing.T) {
	m := settled(t)
	m.run(10*time.Hour, time.Minute)
	m.restart(time.Hour, true)
	m.want(t, "killed", time.Hour, 0, time.Hour, 0)
	m.restart(0, false)
	m.want(t, "killed again, nothing recorded", 11*time.Hour, 0, 11*time.Hour, 0)
}

// TestSettled goes on from what an older program kept.
func TestSettled(t *testing.T) {
	m := settled(t)
	m.saved = Settled(m.Now())
	m.restart(60*day, false)
	m.want(t, "long", 60*day, 60*day, 0, 0)
}

// TestYoung has a machine whose clock is set right soon after its first start.
func TestYoung(t *testing.T) {
	m := &machine{hold: day, wrong: -50 * year}
	m.Clock = m.clock()
	m.run(time.Minute, time.Second)
	before := m.Now()
	m.wrong = 0
	m.want(t, "set right", 50*year, 0, 0, 0)
	m.run(3*day, time.Minute)
	m.want(t, "days later", 50*year, 0, 0, 0)
	if passed := m.Now() - before; passed != (3 * day).Milliseconds() {
		t.Error(passed)
	}
}

func TestHoldZero(t *testing.T) {
	m := newMachine(0)
	m.save(false)
	m.wrong = year
	m.want(t, "set ahead", -year, 0, 0, 0)
	m.wrong = 0
	m.want(t, "set right", -year, 0, 0, year)
}

// TestTakenBackBeforeItCounts has the wall clock go back between the two steps of an acceptance.
func TestTakenBackBeforeItCounts(t *testing.T) {
	m := settled(t)
	m.wrong = year
	m.Observe()
	a := m.Accept(true)
	m.wrong = 0
	m.Observe()
	a.Apply()
	if m.lag() != -year || m.Now() != a.State.Time {
		t.Error(m.lag(), m.Now(), a.State.Time)
	}
	// What was made durable says so too, once the clock is seen where it is.
	m.saved = a.State
	m.restart(0, false)
	m.want(t, "restarted", -year, 0, 0, year)
}

func TestManyGaps(t *testing.T) {
	m := settled(t)
	for range 10 * maxGaps {
		m.wrong += time.Minute
		m.Observe()
	}
	m.want(t, "many", 0, 10*maxGaps*time.Minute, 0, 0)
	if n := len(m.Accept(false).State.Gaps); n != maxGaps {
		t.Error(n, "gaps")
	}
	m.run(day, time.Minute)
	m.want(t, "a day later", -m.wrong, 0, 0, 0)
}

// TestNeverFasterThanTime has clocks that are wrong for less than the hold, pauses and kills, and holds
// the trusted time against the true one: never ahead of it, and not behind by more than the hold once
// the clock was right for as long.
func TestNeverFasterThanTime(t *testing.T) {
	errors := []time.Duration{0, time.Second, -time.Second, time.Hour, -time.Hour, day, -day, 100 * year, -100 * year}
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := settled(t)
		var wrongFor, rightFor time.Duration
		for step := range 60 {
			d := time.Duration(r.Int64N(int64(6 * time.Hour)))
			if m.wrong != 0 && wrongFor+d >= day-2*time.Second {
				m.wrong, wrongFor, rightFor = 0, 0, 0
				m.Observe()
				m.save(false) // as the engine does when the clock was moved
			}
			switch r.IntN(8) {
			case 0, 1: // a clock is set
				m.setClock(errors[r.IntN(len(errors))], &wrongFor)
				m.Observe()
				m.save(false)
				rightFor = 0
			case 2: // a restart, or a kill with or without a record since
				if r.IntN(2) == 0 {
					m.save(false)
				}
				m.restart(time.Duration(r.Int64N(int64(23*time.Hour))), r.IntN(2) == 0)
			case 3: // a start with a clock that is wrong, or a long pause
				if r.IntN(2) == 0 {
					m.setClock(errors[r.IntN(len(errors))], &wrongFor)
				}
				m.restart(time.Duration(r.Int64N(int64(90*day))), r.IntN(2) == 0)
				rightFor = 0
			default:
				m.run(d, 10*time.Minute)
				if m.wrong != 0 {
					wrongFor += d
				} else {
					rightFor += d
				}
			}
			if m.lag() < -2*time.Second {
				t.Fatalf("seed %d, step %d: the trusted time is ahead by %v: %+v", seed, step, -m.lag(), m.s)
			}
			m.save(false)
			if m.wrong == 0 && rightFor > day && m.lag() > day+2*time.Second {
				t.Fatalf("seed %d, step %d: behind by %v: %+v", seed, step, m.lag(), m.s)
			}
		}
	}
}

// setClock makes the clock wrong, or right.
func (m *machine) setClock(wrong time.Duration, wrongFor *time.Duration) {
	m.wrong = wrong
	if wrong == 0 {
		*wrongFor = 0
	}
}

func TestNowCostsNoLock(t *testing.T) {
	m := settled(t)
	if n := testing.AllocsPerRun(100, func() { m.Now() }); n != 0 {
		t.Error(n, "allocations")
	}
}
