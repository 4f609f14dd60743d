package verify_test

import (
	"strings"
	"testing"
	"time"

	"flowd/loadtest"
	"flowd/loadtest/faulty"
	"flowd/loadtest/load"
	"flowd/loadtest/verify"
)

// expiring is a server at which act is called at the 15th post, and a load whose hours move on.
// Hours 100 and 101 are among those that it would come to, and hold flows of its tuples from
// before; hour 300 is not.
func expiring(t *testing.T, faults faulty.Faults, act func(*faulty.Server)) (harness, load.Options) {
	t.Helper()
	var r harness
	faults.Answer = func(post int) int {
		if post == 15 {
			act(r.Server)
		}
		return 200
	}
	r = serve(t, faults)
	o := r.smallRun()
	o.Hours, o.Rate, o.For, o.HourEvery = 1, 200, 2*time.Second, 20*time.Millisecond
	g, err := loadtest.NewGenerator(o.Workload)
	if err != nil {
		t.Fatal(err)
	}
	for _, hour := range []uint32{100, 101, 300} {
		f := g.Flow(loadtest.Sample{Cell: 3})
		own := faulty.Row{SrcApp: f.SrcApp, DestApp: f.DestApp, VPCID: f.VPCID, BytesTx: 5, BytesRx: 6, Hour: hour}
		other := stranger
		other.Hour = hour
		r.Add(own, other)
	}
	return r, o
}

// Hours may be gone, and hours may have lost what they had when they went, if that is what the
// ledger says.
func TestExpiredHoursVerify(t *testing.T) {
	for name, c := range map[string]struct {
		expire func(*faulty.Server)
		gone   int
	}{
		"an hour":                {func(s *faulty.Server) { s.Expire(100, false) }, 1},
		"an hour that goes on":   {func(s *faulty.Server) { s.Expire(s.FirstHour(), false) }, 0},
		"an hour of others":      {func(s *faulty.Server) { s.Expire(300, false) }, 0},
		"two, and one of others": {func(s *faulty.Server) { s.Expire(100, false); s.Expire(101, false); s.Expire(300, false) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, o := expiring(t, faulty.Faults{}, c.expire)
			r := s.run(t, o)
			v := r.Verification
			if !v.OK || v.Expired.Flows == 0 || v.ExpiredHours < c.gone || v.Lost != (verify.Amount{}) || v.CountedTwice != (verify.Amount{}) {
				t.Errorf("%+v", *v)
			}
			if r.Settings.HourEvery != 0.02 {
				t.Errorf("settings %+v", r.Settings)
			}
		})
	}
}

func TestWrongExpiryIsFound(t *testing.T) {
	loseThird := on(lose)
	for name, c := range map[string]struct {
		faults faulty.Faults
		expire func(*faulty.Server)
		want   string
	}{
		"silently": {faulty.Faults{}, func(s *faulty.Server) { s.Expire(100, true) }, "the server has tx 0 rx 0"},
		"one silently": {faulty.Faults{}, func(s *faulty.Server) { s.Expire(100, true); s.Expire(101, false) },
			"what is gone from the hours is"},
		"others silently": {faulty.Faults{}, func(s *faulty.Server) { s.Expire(300, true) }, "is not balanced"},
		"a batch was lost too": {faulty.Faults{Store: loseThird}, func(s *faulty.Server) { s.Expire(101, false) },
			"what is gone from the hours is"},
		"a batch was lost of it": {faulty.Faults{Store: loseThird}, func(s *faulty.Server) { s.Expire(s.FirstHour(), false) },
			"what is gone from the hours is"},
		"more than there was": {faulty.Faults{Ledger: func(l *faulty.Ledger) { l.Expired.Flows *= 2 }},
			func(s *faulty.Server) { s.Expire(100, false) }, "what is gone from the hours is"},
		"others grew meanwhile": {faulty.Faults{}, func(s *faulty.Server) { s.Expire(100, false); s.Add(stranger) },
			"no part of this load: the server has 1 with"},
	} {
		t.Run(name, func(t *testing.T) {
			s, o := expiring(t, c.faults, c.expire)
			r := s.run(t, o)
			if r.Verification.OK {
				t.Fatalf("verification of a server that is wrong: %+v", *r.Verification)
			}
			var b strings.Builder
			if err := r.WriteText(&b); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(b.String(), c.want) || !strings.Contains(b.String(), "totals    WRONG: ") {
				t.Errorf("no %q in\n%s", c.want, b.String())
			}
		})
	}
}

// The server totals are compared with the rows also where those are right.
func TestWrongServerTotalsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*faulty.Ledger)
		want   string
	}{
		"received":       {func(l *faulty.Ledger) { l.Received.Flows++ }, "the ledger is not balanced: received"},
		"stored, wholly": {func(l *faulty.Ledger) { l.Stored.BytesTx++; l.Received.BytesTx++ }, "in its hours, and"},
		"an hour": {func(l *faulty.Ledger) {
			l.Hours[0].Stored.BytesRx++
			l.Hours[0].Received.BytesRx++
			l.Stored.BytesRx++
			l.Received.BytesRx++
		}, "hour 7: the ledger has stored"},
		"an hour's balance": {func(l *faulty.Ledger) { l.Hours[0].Rejected.Flows++ }, "the ledger of hour 7 is not balanced"},
		"no hour": {func(l *faulty.Ledger) {
			first := l.Hours[0]
			l.Hours = l.Hours[1:]
			l.Stored.Flows -= first.Stored.Flows
		}, "and the ledger does not have the hour"},
	} {
		t.Run(name, func(t *testing.T) {
			ready := false
			s := serve(t, faulty.Faults{
				Store: func(_ int, flows []faulty.Row) []faulty.Row { ready = true; return flows },
				Ledger: func(l *faulty.Ledger) {
					if ready {
						c.change(l)
					}
				},
			})
			v := s.run(t, s.smallRun()).Verification
			if v.OK || v.DifferenceCount != 0 || !strings.Contains(strings.Join(v.TotalsErrors, "\n"), c.want) {
				t.Errorf("no %q in %+v", c.want, *v)
			}
		})
	}
}

// A server without a ledger is compared by its totals alone.
func TestServerWithoutLedger(t *testing.T) {
	for _, faults := range []faulty.Faults{{NoLedger: true}, {NoLedger: true, Store: on(lose)}} {
		s := serve(t, faults)
		v := s.run(t, s.smallRun()).Verification
		if v.OK != (faults.Store == nil) || v.TotalsErrorCount != 0 || v.Lost.Flows != 0 {
			t.Errorf("%+v", *v)
		}
	}
}

// Hours that go while they are read are read again, up to a point.
func TestHoursThatExpireWhileTheyAreRead(t *testing.T) {
	asked := 0
	s := serve(t, faulty.Faults{Ledger: func(l *faulty.Ledger) {
		asked++
		l.Expired.Flows += uint64(asked)
		l.Received.Flows += uint64(asked)
	}})
	if _, err := load.Run(s.ctx, s.smallRun()); err == nil || !strings.Contains(err.Error(), "expire faster than they can be read") {
		t.Errorf("error %v", err)
	}
	if asked != 2*20 {
		t.Errorf("asked %d times", asked)
	}
}
