package limit

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Drain is told what gets done, second by second, and asked how long a queue will take.
func TestDrain(t *testing.T) {
	for _, c := range []struct {
		name   string
		done   []int // in each second from the start
		queued int
		asked  float64 // seconds since the start
		want   time.Duration
	}{
		{"nothing queued", []int{5}, 0, 1, 0},
		{"less than nothing queued", []int{5}, math.MinInt, 1, 0},
		{"nothing known", nil, 1000, 0, time.Second},
		{"steady", []int{100, 100, 100}, 250, 3, 2500 * time.Millisecond},
		{"a short queue", []int{1000, 1000}, 1, 2, time.Millisecond},
		{"the second under way counts for what it has", []int{100}, 100, 0.5, time.Second},
		{"little asked for, then much", []int{2, 2, 400, 6, 2}, 800, 5, 2 * time.Second},
		{"what is done late in a second counts", []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 7}, 7, 9.9, time.Second},
		{"faster long ago", []int{1000, 0, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10}, 100, 12, 10 * time.Second},
		{"the tenth second before counts", []int{1000, 10, 10, 10, 10, 10, 10, 10, 10, 10}, 1000, 9.99, time.Second},
		{"the eleventh does not", []int{1000, 10, 10, 10, 10, 10, 10, 10, 10, 10}, 100, 10, 10 * time.Second},
		{"idle for long", []int{1000}, 5000, 3600, time.Second},
		{"longer than a minute", []int{1}, 61, 1, time.Minute},
		{"far longer", []int{1}, math.MaxInt, 1, time.Minute},
		{"exactly a minute", []int{1}, 60, 1, time.Minute},
	} {
		var d Drain
		for i, n := range c.done {
			d.Done(0, at(float64(i)))
			d.Done(-5, at(float64(i)))
			d.Done(n/2, at(float64(i)))
			d.Done(n-n/2, at(float64(i)+0.9))
		}
		if got := d.Wait(c.queued, at(c.asked)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// While nothing gets done, those who ask are told longer and longer waits, and as before once
// something does.
func TestDrainStalled(t *testing.T) {
	var d Drain
	d.Done(100, start)
	for _, c := range []struct {
		asked float64
		want  time.Duration
	}{
		{100, time.Second}, // it was idle, which is no stall
		{100.5, time.Second},
		{103, 3 * time.Second},
		{120, 20 * time.Second},
		{1000, time.Minute},
		{90, time.Second}, // late
	} {
		d.Done(0, at(c.asked))
		if got := d.Wait(10, at(c.asked)); got != c.want {
			t.Errorf("after %v seconds: %s, want %s", c.asked, got, c.want)
		}
	}
	d.Done(20, at(1000))
	if got := d.Wait(10, at(1001)); got != time.Second/2 {
		t.Errorf("after the stall: %s", got)
	}
	if got := d.Wait(10, at(1003)); got != 2*time.Second {
		t.Errorf("in the next stall: %s", got)
	}
}

// What is told too late counts for no other second than its own.
func TestDrainLate(t *testing.T) {
	var d Drain
	d.Done(1, start)
	d.Done(1, at(drainSeconds))
	d.Done(1000, start)
	if got := d.Wait(2, at(drainSeconds)); got != 2*time.Second {
		t.Errorf("%s, want 2s", got)
	}
}

// A queue that is drained at some rate takes about as long as it was said it would.
func TestDrainForetells(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, perSecond := range []float64{2, 30, 1000} {
		var d Drain
		now, queued := start, int(30*perSecond)
		var said, due time.Time
		for ; queued > 0; queued-- {
			now = now.Add(time.Duration(2 * rng.Float64() / perSecond * float64(time.Second)))
			d.Done(1, now)
			if said.IsZero() && now.Sub(start) > 3*time.Second {
				said, due = now, now.Add(d.Wait(queued, now))
			}
		}
		if ratio := due.Sub(said).Seconds() / now.Sub(said).Seconds(); ratio < 0.5 || ratio > 1.1 {
			t.Errorf("%v per second: said to take %s, took %s", perSecond, due.Sub(said), now.Sub(said))
		}
	}
}

// Whatever is told it at whatever times, the wait is from 0 to a minute.
func TestDrainProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d Drain
		now := rapid.Custom(func(t *rapid.T) time.Time {
			return start.Add(time.Duration(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1e11, 1e11)).Draw(t, "now")))
		})
		t.Repeat(map[string]func(*rapid.T){
			"done": func(t *rapid.T) { d.Done(rapid.Int().Draw(t, "n"), now.Draw(t, "now")) },
			"wait": func(t *rapid.T) {
				queued := rapid.Int().Draw(t, "queued")
				if wait := d.Wait(queued, now.Draw(t, "now")); wait < 0 || wait > time.Minute {
					t.Fatalf("%d queued have to wait %s", queued, wait)
				}
			},
		})
	})
}

func TestRetryAfter(t *testing.T) {
	least, most := func(int) int { return 0 }, func(n int) int { return n - 1 }
	for _, c := range []struct {
		wait       time.Duration
		from, upTo string
	}{
		{math.MinInt64, "1", "2"},
		{0, "1", "2"},
		{1, "1", "2"},
		{time.Second, "1", "2"},
		{time.Second + 1, "2", "3"},
		{2 * time.Second, "2", "3"},
		{3 * time.Second, "3", "5"},
		{10 * time.Second, "10", "15"},
		{40 * time.Second, "40", "60"},
		{41 * time.Second, "41", "60"},
		{time.Minute, "60", "60"},
		{time.Minute + 1, "40", "60"},
		{Never, "40", "60"},
	} {
		if from, upTo := retryAfter(c.wait, least), retryAfter(c.wait, most); from != c.from || upTo != c.upTo {
			t.Errorf("%s: %s to %s, want %s to %s", c.wait, from, upTo, c.from, c.upTo)
		}
	}
}

// Those who are sent away together come back apart.
func TestRetryAfterSpreads(t *testing.T) {
	counts := map[string]int{}
	for range 6000 {
		counts[RetryAfter(10*time.Second)]++
	}
	for seconds := 10; seconds <= 15; seconds++ {
		if n := counts[strconv.Itoa(seconds)]; n < 800 || n > 1200 {
			t.Errorf("%d of 6000 are told %d seconds, want about 1000", n, seconds)
		}
	}
	if len(counts) != 6 {
		t.Errorf("told: %v", counts)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, wait := range []int64{0, -1, 1, int64(time.Second), int64(time.Minute), math.MaxInt64, math.MinInt64} {
		f.Add(wait)
	}
	f.Fuzz(func(t *testing.T, nanoseconds int64) {
		wait := time.Duration(nanoseconds)
		text := RetryAfter(wait)
		seconds, err := strconv.Atoi(text)
		if err != nil || strconv.Itoa(seconds) != text || seconds < 1 || seconds > 60 {
			t.Fatalf("%s: %q", wait, text)
		}
		if wait <= time.Minute && time.Duration(seconds)*time.Second < wait {
			t.Fatalf("%s: %q is too early", wait, text)
		}
	})
}
