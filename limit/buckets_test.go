package limit

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// A client may send its burst at once, then what the rate gives; and what it is told to wait is
// neither too short nor, but for a millisecond, too long.
func TestBurstThenRate(t *testing.T) {
	b := NewBuckets(Rates{Flows: 100, FlowsBurst: 250, Bytes: 8}, 10)
	now := start
	for i, c := range []struct {
		flows int
		wait  time.Duration
		after time.Duration // until the next
	}{
		{200, 0, 0},
		{50, 0, 0},
		{1, 11 * time.Millisecond, 0},
		{250, 2501 * time.Millisecond, 0},
		{251, Never, 9 * time.Millisecond},
		{1, 2 * time.Millisecond, time.Millisecond},
		{1, 0, time.Hour},
		{250, 0, 500 * time.Millisecond},
		{51, 11 * time.Millisecond, 0},
		{50, 0, 0},
		{0, 0, 0},
		{-1, 0, 0},
		{math.MinInt, 0, 0},
		{1, 11 * time.Millisecond, 0},
		{math.MaxInt, Never, 0},
	} {
		if wait := b.TakeFlows("a", c.flows, now); wait != c.wait {
			t.Errorf("%d: %d flows have to wait %s, want %s", i, c.flows, wait, c.wait)
		}
		now = now.Add(c.after)
	}
	if wait := b.TakeFlows("b", 250, now); wait != 0 {
		t.Errorf("another client waits %s", wait)
	}
	if wait := b.TakeBytes("a", 80, now); wait != 0 {
		t.Errorf("ten seconds of bytes have to wait %s", wait)
	}
	if wait := b.TakeBytes("a", 81, now); wait != Never {
		t.Errorf("more than ten seconds of bytes have to wait %s", wait)
	}
}

func TestRates(t *testing.T) {
	for _, c := range []struct{ given, want Rates }{
		{Rates{}, Rates{}},
		{Rates{Flows: -1, FlowsBurst: 5, Bytes: math.MinInt64, BytesBurst: -5}, Rates{}},
		{Rates{Flows: 7, Bytes: 9, BytesBurst: 1}, Rates{Flows: 7, FlowsBurst: 70, Bytes: 9, BytesBurst: 1}},
		{Rates{Flows: math.MaxInt64, FlowsBurst: -1, Bytes: 1, BytesBurst: math.MaxInt64},
			Rates{Flows: math.MaxInt64, FlowsBurst: exact / 10 * 10, Bytes: 1, BytesBurst: exact}},
	} {
		b := NewBuckets(Rates{Flows: 1}, 1)
		b.SetRates(c.given)
		if got := b.Rates(); got != c.want {
			t.Errorf("SetRates(%+v): %+v, want %+v", c.given, got, c.want)
		}
		if got := NewBuckets(c.given, 1).Rates(); got != c.want {
			t.Errorf("NewBuckets(%+v): %+v, want %+v", c.given, got, c.want)
		}
		wait := b.TakeBytes("a", math.MaxInt, start)
		if off := c.want.Bytes == 0; off && wait != 0 || !off && wait != Never {
			t.Errorf("%+v: all bytes there are have to wait %s", c.given, wait)
		}
	}
}

// The longest waits are waits, not Never: they do end.
func TestLongWait(t *testing.T) {
	b := NewBuckets(Rates{Flows: 1, FlowsBurst: exact}, 1)
	b.TakeFlows("a", exact, start)
	if wait := b.TakeFlows("a", exact, start); wait != Never-1 {
		t.Errorf("a wait of 285 million years is %s", wait)
	}
	b.SetRates(Rates{Flows: 2, FlowsBurst: exact})
	if wait := b.TakeFlows("a", 2, start); wait != 1001*time.Millisecond {
		t.Errorf("an empty bucket has to wait %s after its rate changed", wait)
	}
}

// Without rates nothing is remembered of anybody.
func TestOff(t *testing.T) {
	b := NewBuckets(Rates{}, 10)
	all := func() {
		if b.TakeBytes("a", 1<<40, start) != 0 || b.TakeFlows("a", 1<<40, start) != 0 {
			t.Error("refused without a rate")
		}
		b.GiveBytes("a", 5)
		b.GiveFlows("a", 5)
	}
	if n := testing.AllocsPerRun(100, all); n != 0 || b.Len() != 0 {
		t.Errorf("%v allocations, %d clients remembered", n, b.Len())
	}
	b.SetRates(Rates{Flows: 1, Bytes: 1})
	b.TakeBytes("a", 1, start)
	b.SetRates(Rates{})
	if all(); b.Len() != 0 {
		t.Errorf("%d clients remembered after the rates were switched off", b.Len())
	}
	if evicted, _ := b.Evicted(); evicted != 0 {
		t.Errorf("%d evicted by it", evicted)
	}
}

// While rates are being set, some stripes have the old ones.
func TestTakeWhileRatesAreSet(t *testing.T) {
	b := NewBuckets(Rates{}, 10)
	b.rates.Store(&Rates{Flows: 1, FlowsBurst: 1})
	for range 2 {
		if wait := b.TakeFlows("a", 1, start); wait != 0 {
			t.Errorf("one has to wait %s where there is no rate yet", wait)
		}
	}
	b.stripes[0].setRates(Rates{Flows: 1, FlowsBurst: 1})
	b.TakeFlows("a", 1, start)
	b.rates.Store(&Rates{Bytes: 1, BytesBurst: 1})
	b.GiveBytes("a", 1)
	if wait := b.TakeBytes("a", 5, start); wait != 0 {
		t.Errorf("five bytes have to wait %s where there is no rate yet", wait)
	}
}

// A request that was late must not bring back the time that others had: or one slow connection
// beside a fast one would get the burst again and again.
func TestTimeDoesNotGoBack(t *testing.T) {
	b := NewBuckets(Rates{Flows: 10, FlowsBurst: 100}, 10)
	passed := 0
	for range 50 {
		for _, now := range []float64{0, 20} {
			if b.TakeFlows("a", 10, at(now)) == 0 {
				passed += 10
			}
		}
	}
	if passed != 110 {
		t.Errorf("%d flows passed in 20 seconds with 10 per second and a burst of 100", passed)
	}
	b.GiveFlows("a", 10)
	if wait := b.TakeFlows("a", 10, at(-1000)); wait != 0 {
		t.Errorf("what was given back has to wait %s", wait)
	}
}

// What is given back is there again, and no more than a bucket holds.
func TestGive(t *testing.T) {
	b := NewBuckets(Rates{Flows: 10, FlowsBurst: 100, Bytes: 10, BytesBurst: 100}, 10)
	b.GiveBytes("nobody", 5)
	if b.Len() != 0 {
		t.Error("a client is remembered that took nothing")
	}
	b.TakeBytes("a", 60, start)
	b.GiveBytes("a", 50)
	b.GiveBytes("a", 0)
	b.GiveBytes("a", -30)
	if wait := b.TakeBytes("a", 91, start); wait != 101*time.Millisecond {
		t.Errorf("91 of 90 bytes have to wait %s", wait)
	}
	for range 3 {
		b.GiveBytes("a", 100)
	}
	if b.TakeBytes("a", 100, start) != 0 || b.TakeBytes("a", 1, start) == 0 {
		t.Error("a bucket that was given 300 bytes has not 100")
	}
	b.TakeFlows("a", 100, start)
	if wait := b.TakeFlows("a", 1, start); wait == 0 {
		t.Error("flows grew by bytes that were given back")
	}
	b.GiveFlows("a", 1)
	if wait := b.TakeFlows("a", 1, start); wait != 0 {
		t.Errorf("a flow that was given back has to wait %s", wait)
	}
}

// What was used stays used, whatever the rates become.
func TestSetRates(t *testing.T) {
	const second = time.Second + time.Millisecond
	for _, c := range []struct {
		name     string
		used     int // of the 100 there are
		rates    Rates
		have     int
		nextWait time.Duration
	}{
		{"larger burst", 40, Rates{Flows: 1, FlowsBurst: 1000}, 960, second},
		{"larger burst of a quiet client", 0, Rates{Flows: 1, FlowsBurst: 1000}, 1000, Never},
		{"smaller burst", 40, Rates{Flows: 1, FlowsBurst: 50}, 10, second},
		{"smaller burst, all used", 90, Rates{Flows: 1, FlowsBurst: 50}, 0, second},
		{"slower", 40, Rates{Flows: 1, FlowsBurst: 100}, 60, second},
		{"faster", 40, Rates{Flows: 1000, FlowsBurst: 100}, 60, 2 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBuckets(Rates{Flows: 10, FlowsBurst: 100, Bytes: 1, BytesBurst: 100}, 10)
			b.TakeFlows("a", 100, at(-6))
			b.TakeFlows("a", c.used-40, start) // 60 came since
			if c.used < 40 {
				b.GiveFlows("a", 40-c.used)
			}
			b.TakeBytes("a", 100, start)
			c.rates.Bytes, c.rates.BytesBurst = 1, 100
			b.SetRates(c.rates)
			if wait := b.TakeFlows("a", c.have, start); wait != 0 {
				t.Errorf("%d flows have to wait %s", c.have, wait)
			}
			if wait := b.TakeFlows("a", 1, start); wait != c.nextWait && c.nextWait != Never {
				t.Errorf("one more has to wait %s, want %s", wait, c.nextWait)
			}
			if wait := b.TakeBytes("a", 1, start); wait != second {
				t.Errorf("bytes, whose rate is the same, have to wait %s", wait)
			}
		})
	}
	b := NewBuckets(Rates{Bytes: 1}, 10)
	b.TakeBytes("a", 10, start)
	b.SetRates(Rates{Bytes: 1, Flows: 1, FlowsBurst: 3})
	if b.TakeFlows("a", 3, start) != 0 || b.TakeFlows("a", 1, start) == 0 {
		t.Error("a rate that is new does not begin with a full bucket")
	}
	b.TakeBytes("a", 9, at(0.5))
	b.SetRates(Rates{Bytes: 1})
	if wait := b.TakeBytes("a", 1, at(1)); wait != 0 {
		t.Errorf("half a byte was lost where another rate changed: wait %s", wait)
	}
}

// The client that was not seen for the longest time makes room.
func TestEvicted(t *testing.T) {
	b := NewBuckets(Rates{Flows: 10, FlowsBurst: 100, Bytes: 1000, BytesBurst: 1000}, 3)
	for i, client := range []string{"a", "b", "c", "a", "d"} { // d pushes b out
		b.TakeFlows(client, 10, at(float64(i)/10))
	}
	check := func(all, early uint64) {
		t.Helper()
		if gotAll, gotEarly := b.Evicted(); gotAll != all || gotEarly != early || b.Len() != 3 {
			t.Errorf("%d evicted, %d early, %d remembered; want %d, %d, 3", gotAll, gotEarly, b.Len(), all, early)
		}
	}
	check(1, 1)
	if b.TakeFlows("a", 86, at(0.5)) == 0 {
		t.Error("a was forgotten, which was seen after b")
	}
	b.GiveFlows("b", 1)                    // of whom nothing is known
	if b.TakeFlows("b", 100, at(3)) != 0 { // c is full again
		t.Error("b does not begin anew")
	}
	check(2, 1)
	b.TakeBytes("c", 1, at(60)) // d
	b.TakeBytes("e", 1, at(60)) // a
	b.TakeBytes("f", 1, at(60)) // b
	check(5, 1)
	b.TakeBytes("g", 1, at(60)) // c, whose bytes are not full
	check(6, 2)
	if NewBuckets(Rates{Flows: 1}, -5).TakeFlows("a", 1, start) != 0 {
		t.Error("no room for one client")
	}
}

// Over thousands of clients there are never more remembered than the most, and not much fewer.
func TestMost(t *testing.T) {
	for _, most := range []int{1, 2, 1000, 5000, 20_000} {
		b := NewBuckets(Rates{Flows: 1}, most)
		for i := range most * 2 {
			b.TakeFlows(fmt.Sprint("client-", i), 1, start)
		}
		if n := b.Len(); n > most || n < most*9/10 {
			t.Errorf("%d of %d remembered, in %d stripes", n, most, len(b.stripes))
		}
		if all, _ := b.Evicted(); all != uint64(2*most-b.Len()) {
			t.Errorf("%d evicted of %d with %d left", all, 2*most, b.Len())
		}
	}
}

// Names may be in memory that is used for the next.
func TestNamesAreNotKept(t *testing.T) {
	b := NewBuckets(Rates{Flows: 1, FlowsBurst: 1}, 10)
	name := []byte("a")
	b.TakeFlows(unsafe.String(&name[0], 1), 1, start)
	name[0] = 'b'
	if b.TakeFlows("b", 1, start) != 0 {
		t.Error("b has to wait, which was not seen before")
	}
	if b.TakeFlows("a", 1, start) == 0 {
		t.Error("a was forgotten")
	}
}

// However many goroutines take, exactly the burst passes; also while rates change and change back.
func TestTakeAtOnce(t *testing.T) {
	const burst, takers = 10_000, 8
	b := NewBuckets(Rates{Flows: 1, FlowsBurst: burst, Bytes: 1, BytesBurst: 1}, 100_000)
	var passed atomic.Int64
	var running sync.WaitGroup
	for taker := range takers {
		running.Go(func() {
			for i := range burst / takers * 2 {
				b.TakeBytes(fmt.Sprint(taker, "-", i%100), 1, start)
				switch {
				case b.TakeFlows("a", 1, start) != 0:
				case i%10 == 0:
					b.GiveFlows("a", 1)
				default:
					passed.Add(1)
				}
			}
		})
	}
	running.Go(func() {
		for i := range 100 {
			b.SetRates(Rates{Flows: int64(1 + i%2), FlowsBurst: burst, Bytes: 1, BytesBurst: int64(2 + i%2)})
			_, _ = b.Evicted()
		}
	})
	running.Wait()
	for b.TakeFlows("a", 1, start) == 0 {
		passed.Add(1)
	}
	if n := passed.Load(); n != burst {
		t.Errorf("%d flows passed, want %d", n, burst)
	}
}
