package logs

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var refused = Kind{Message: "refused", Status: 429, Reason: "rate", Client: "192.0.2.1"}

func repeat(l *Limiter, level slog.Level, k Kind, times int) {
	for range times {
		l.Log(level, k, nil)
	}
}

// The first few of a kind are written, and the others summed up at the end of the window, when nobody logs
// any more.
func TestFirstLinesThenASum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, o := newLimiter(t, slog.LevelInfo)
		for window := range 3 {
			repeat(l, slog.LevelWarn, refused, 100_000)
			want := slices.Repeat([]line{{Level: "WARN", Msg: "refused", Status: 429, Reason: "rate", Client: "192.0.2.1"}}, 5)
			untimed := cmpopts.IgnoreFields(line{}, "Time")
			if diff := cmp.Diff(want, o.lines(), untimed); diff != "" {
				t.Fatalf("window %d (-want +got):\n%s", window, diff)
			}
			time.Sleep(Window)
			synctest.Wait()
			sum := want[0]
			sum.Msg, sum.More, sum.Seconds = "refused, more of the same", 99_995, 10
			if diff := cmp.Diff([]line{sum}, o.lines(), untimed); diff != "" {
				t.Fatalf("the end of window %d (-want +got):\n%s", window, diff)
			}
		}
		if got := l.Suppressed(); got != 3*99_995 {
			t.Errorf("%d suppressed", got)
		}
	})
}

// A few lines are not followed by a summary of none, and what is flushed is not told again.
func TestNothingToSumUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, o := newLimiter(t, slog.LevelInfo)
		l.Flush()
		repeat(l, slog.LevelWarn, refused, 3)
		time.Sleep(2 * Window)
		synctest.Wait()
		if lines := o.lines(); len(lines) != 3 || lines[2].Msg != "refused" {
			t.Errorf("%v", lines)
		}
		repeat(l, slog.LevelWarn, refused, 7)
		time.Sleep(Window / 4)
		l.Flush()
		l.Flush()
		time.Sleep(2 * Window)
		synctest.Wait()
		if lines := o.lines(); len(lines) != 6 || lines[5].More != 2 || lines[5].Seconds != 2.5 {
			t.Errorf("%v", lines)
		}
	})
}

// A level that is off costs nothing and counts nothing; one that is turned off is not summed up.
func TestLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		level := new(slog.LevelVar)
		l, o := newLimiter(t, level)
		l.Log(slog.LevelDebug, refused, func() []slog.Attr {
			t.Error("attributes of a line that is not written")
			return nil
		})
		if l.Enabled(slog.LevelDebug) || !l.Enabled(slog.LevelInfo) || l.Suppressed() != 0 || l.timer != nil {
			t.Error("a level that is off was counted")
		}
		level.Set(slog.LevelDebug)
		repeat(l, slog.LevelDebug, refused, 100)
		level.Set(slog.LevelInfo)
		time.Sleep(Window)
		synctest.Wait()
		for _, got := range o.lines() {
			if got.More > 0 {
				t.Errorf("%v", got)
			}
		}
		for i, b := range budgets {
			if indexOf(b.level) != i || indexOf(b.level+1) != i {
				t.Errorf("%s has another's budget", b.level)
			}
		}
		if indexOf(slog.LevelDebug-4) != 0 {
			t.Error("a level below debug has no budget")
		}
	})
}

// kinds returns how many kinds of a level are kept.
func (l *Limiter) kinds(level slog.Level) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tables[indexOf(level)].kinds)
}

// However many kinds there are, no more are told apart than there is room for, the lines of a second and
// of a window are bounded, and all are counted.
func TestManyClients(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		t.Run(level.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, o := newLimiter(t, slog.LevelDebug)
				const clients, reasons, each = 10_000, 3, 1
				for range each {
					for i := range clients {
						for reason := range reasons {
							l.Log(level, Kind{Message: "refused", Status: 401, Reason: fmt.Sprint(reason), Client: fmt.Sprint("client-", i)}, nil)
						}
					}
				}
				if n := l.kinds(level); n != maxKinds+reasons {
					t.Errorf("%d kinds are kept", n)
				}
				time.Sleep(Window)
				synctest.Wait()
				if n := l.kinds(level); n != 0 {
					t.Errorf("%d kinds of a window that ended are kept", n)
				}
				lines, b := o.lines(), budgets[indexOf(level)]
				written, summed := count(lines)
				if written != b.burst || written+int(summed) != clients*reasons*each || summed != l.Suppressed() {
					t.Errorf("%d lines tell of %d more, of %d", written, summed, clients*reasons*each)
				}
				sums := lines[written:]
				if most := b.kinds + b.groups + 1; len(sums) > most {
					t.Errorf("%d summaries, at most %d", len(sums), most)
				}
				grouped := sums[b.kinds]
				if grouped.Client != "" || grouped.Clients < 300 || grouped.Status != 401 || grouped.More < 9000 {
					t.Errorf("the first without a client: %v", grouped)
				}
			})
		})
	}
}

// Kinds for which there is no room without their clients either are counted together.
func TestManyKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, o := newLimiter(t, slog.LevelInfo)
		for i := range 5000 {
			l.Log(slog.LevelWarn, Kind{Message: "refused", Reason: fmt.Sprint(i)}, nil)
		}
		if n := l.kinds(slog.LevelWarn); n != maxKinds+maxGroups {
			t.Errorf("%d kinds are kept", n)
		}
		l.Flush()
		lines := o.lines()
		written, summed := count(lines)
		last := lines[len(lines)-1]
		if written+int(summed) != 5000 || last.Msg != "more lines of other kinds" || last.Kinds < 900 || last.More < 4900 {
			t.Errorf("%d lines, %d summed up, at last %v", written, summed, last)
		}
	})
}

// A flood leaves room for lines of other kinds, and of other levels.
func TestOthersAreStillSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, o := newLimiter(t, slog.LevelDebug)
		for i := range 10 { // one client, in all ways that there are
			repeat(l, slog.LevelWarn, Kind{Message: "refused", Status: 400 + i, Client: "192.0.2.1"}, 100)
		}
		repeat(l, slog.LevelDebug, Kind{Message: "answered"}, 1000)
		if lines := o.lines(); !slices.ContainsFunc(lines, func(l line) bool { return l.Status == 404 }) {
			t.Errorf("the fifth kind was not seen: %v", lines)
		}
		l.Log(slog.LevelWarn, refused, nil)
		l.Log(slog.LevelError, Kind{Message: "panic"}, nil)
		l.Log(slog.LevelInfo, Kind{Message: "reloaded"}, nil)
		var messages []string
		for _, line := range o.lines() {
			messages = append(messages, line.Msg)
		}
		if diff := cmp.Diff([]string{"refused", "panic", "reloaded"}, messages); diff != "" {
			t.Errorf("beside a flood (-want +got):\n%s", diff)
		}
	})
}

// In no second are there more than 100 lines, whatever is logged at all levels, and in the long run there
// are few.
func TestLinesOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, o := newLimiter(t, slog.LevelDebug)
		random := rand.New(rand.NewPCG(1, 2))
		const minutes = 3
		events := 0
		for begin := time.Now(); time.Since(begin) < minutes*time.Minute; {
			for range random.IntN(400) {
				level := budgets[random.IntN(levels)].level
				l.Log(level, Kind{Message: "refused", Status: 400 + random.IntN(5), Client: fmt.Sprint(random.IntN(500))}, nil)
				events++
			}
			time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
			if random.IntN(100) == 0 {
				time.Sleep(15 * time.Second) // the budgets fill up
			}
		}
		time.Sleep(Window)
		synctest.Wait()
		lines := o.lines()
		for from, to := 0, 0; to < len(lines); to++ {
			for lines[to].Time.Sub(lines[from].Time) >= time.Second {
				from++
			}
			if n := to - from + 1; n > 100 {
				t.Fatalf("%d lines in the second until %s", n, lines[to].Time)
			}
		}
		if written, summed := count(lines); written+int(summed) != events || written < 100 {
			t.Errorf("%d lines and %d summed up, of %d", written, summed, events)
		}
		if n := len(lines); n > 15*60*minutes {
			t.Errorf("%d lines in %d minutes", n, minutes)
		}
	})
}

// The budgets promise what the package says.
func TestBudgets(t *testing.T) {
	sum := 0
	for _, b := range budgets {
		sum += b.burst + b.perSecond + b.kinds + b.groups + 1
	}
	if sum != 98 {
		t.Errorf("%d lines a second, and the documents say 98", sum)
	}
}

// Lines from many goroutines, while windows end, are all counted once.
func TestConcurrentLines(t *testing.T) {
	l, o := newLimiter(t, slog.LevelInfo)
	const goroutines, each = 8, 2000
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := range each {
				l.Log(slog.LevelWarn, Kind{Message: "refused", Client: fmt.Sprint(g, i%100)}, nil)
				if i%500 == 0 {
					l.Flush()
				}
			}
		})
	}
	all.Wait()
	l.Flush()
	if written, summed := count(o.lines()); written+int(summed) != goroutines*each || summed != l.Suppressed() {
		t.Errorf("%d lines and %d summed up, of %d", written, summed, goroutines*each)
	}
}
