package load

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDue(t *testing.T) {
	for _, c := range []struct {
		rate float64
		k    uint64
		want time.Duration
	}{
		{1, 0, 0},
		{1, 1, time.Second},
		{1000, 1, time.Millisecond},
		{1000, 2500, 2500 * time.Millisecond},
		{0.1, 3, 30 * time.Second},
		{3, 1, 333333333},
		{3, 3e9, 1e9 * time.Second},
		{1e-9, 1 << 40, math.MaxInt64},
		{0, 5, math.MaxInt64},
	} {
		if got := (Pacer{c.rate}).Due(c.k); got != c.want {
			t.Errorf("at %v/s, request %d is due after %v, want %v", c.rate, c.k, got, c.want)
		}
	}
}

func TestDueBefore(t *testing.T) {
	for _, c := range []struct {
		rate    float64
		elapsed time.Duration
		want    uint64
	}{
		{1, 0, 0},
		{1, 1, 1},
		{1, time.Second, 1},
		{1, time.Second + 1, 2},
		{1000, time.Second, 1000},
		{0.1, time.Minute, 6},
		{0, time.Minute, 0},
		{1000, -1, 0},
	} {
		if got := (Pacer{c.rate}).DueBefore(c.elapsed); got != c.want {
			t.Errorf("at %v/s, %d are due before %v, want %d", c.rate, got, c.elapsed, c.want)
		}
	}
}

func TestPacerProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Pacer{rapid.Float64Range(0.01, 1e7).Draw(t, "rate")}
		k := rapid.Uint64Range(0, uint64(p.Rate*1e6)).Draw(t, "request")
		due := p.Due(k)
		if p.Due(k+1) < due {
			t.Errorf("request %d is due at %v, before its predecessor at %v", k+1, p.Due(k+1), due)
		}
		if drift := math.Abs(due.Seconds() - float64(k)/p.Rate); drift > 1e-9*(1+due.Seconds()) {
			t.Errorf("request %d at %v/s is %v s off", k, p.Rate, drift)
		}
		if n := p.DueBefore(due + 1); n <= k {
			t.Errorf("%d are due before %v, when request %d is due", n, due+1, k)
		}
		if n := p.DueBefore(due); n > k {
			t.Errorf("%d are due before %v, when request %d is due", n, due, k)
		}
	})
}

func TestMixProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Mix{rapid.Float64Range(0, 0.999).Draw(t, "share")}
		n := rapid.IntRange(0, 2000).Draw(t, "requests")
		reads := 0
		for k := range n {
			if m.IsRead(uint64(k)) {
				reads++
			}
		}
		if want := int(math.Floor(float64(n) * m.Reads)); reads != want {
			t.Errorf("%d reads in %d requests, want %d", reads, n, want)
		}
		posts := m.Requests(100) * (1 - m.Reads)
		if math.Abs(posts-100) > 1e-6 {
			t.Errorf("%v posts/s, want 100", posts)
		}
	})
}
