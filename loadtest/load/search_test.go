package load

import (
	"testing"

	"pgregory.net/rapid"
)

// A server that holds every rate up to a limit, and none over it.
func TestSearchFindsTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Float64Range(2, highestRate/4).Draw(t, "limit")
		start := rapid.Float64Range(1, highestRate/4).Draw(t, "start")
		precision := rapid.Float64Range(0.01, 0.5).Draw(t, "precision")
		s := newSearch(start, 1, precision)
		steps := 0
		for ; s.phase != done; steps++ {
			if s.rate < 1 || s.rate > highestRate {
				t.Fatalf("asks for %v/s", s.rate)
			}
			s.report(s.rate <= limit)
		}
		if s.held > limit || s.held < limit/(1+precision)*(1-1e-9) {
			t.Errorf("found %v/s, the limit is %v/s", s.held, limit)
		}
		// At most 27 doublings or halvings span all rates, and 7 halvings of a gap of 1 reach 0.01.
		if steps > 27+7+1 {
			t.Errorf("%d steps", steps)
		}
	})
}

// Whatever a server does, the search comes to an end, and what it finds has held last.
func TestSearchEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outcomes := rapid.SliceOfN(rapid.Bool(), 1, 50).Draw(t, "outcomes")
		s := newSearch(rapid.Float64Range(1, highestRate).Draw(t, "start"), 1, 0.05)
		var rate float64
		var held bool
		for i := 0; s.phase != done; i++ {
			if i == 200 {
				t.Fatal("it does not end")
			}
			rate, held = s.rate, outcomes[i%len(outcomes)]
			s.report(held)
		}
		if s.held > 0 && (s.held != rate || !held) {
			t.Errorf("found %v/s, the last try was %v/s and held: %v", s.held, rate, held)
		}
	})
}

func TestSearchSteps(t *testing.T) {
	for name, c := range map[string]struct {
		start float64
		holds func(rate float64, phase phase) bool
		want  []float64
		held  float64
	}{
		"up":      {100, func(r float64, _ phase) bool { return r <= 500 }, []float64{100, 200, 400, 800, 600, 500, 550, 525, 500}, 500},
		"down":    {100, func(r float64, _ phase) bool { return r <= 30 }, []float64{100, 50, 25, 37.5, 31.25, 28.125, 29.6875, 30.46875, 29.6875}, 29.6875},
		"nothing": {4, func(float64, phase) bool { return false }, []float64{4, 2, 1}, 0},
		"only for short": {100, func(r float64, p phase) bool { return r < 150 && (p != confirm || r < 90) },
			[]float64{100, 200, 150, 125, 137.5, 143.75, 143.75, 129.375, 116.4375, 104.79375, 94.314375, 84.8829375}, 84.8829375},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSearch(c.start, 1, 0.05)
			for i, want := range c.want {
				if s.phase == done || s.rate < want*0.999999 || s.rate > want*1.000001 {
					t.Fatalf("step %d asks for %v/s in phase %d, want %v/s", i, s.rate, s.phase, want)
				}
				s.report(c.holds(s.rate, s.phase))
			}
			if s.phase != done || s.held < c.held*0.999999 || s.held > c.held*1.000001 {
				t.Errorf("found %v/s in phase %d, want %v/s", s.held, s.phase, c.held)
			}
		})
	}
}
