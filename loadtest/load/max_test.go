package load

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// bubbleMax searches up to what a server that takes a millisecond for a request holds, which is
// 1,000 a second.
func bubbleMax() MaxOptions {
	o := bubbleRun()
	o.Connections = 4
	return MaxOptions{
		Options: o, P99: 50 * time.Millisecond, Step: time.Second, Start: 100, Precision: 0.05,
		Each: func(*Step) {},
	}
}

func TestMaxFindsWhatAServerHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newPipeServer(func(int, bool) bool { take(time.Millisecond); return true })
		o := bubbleMax()
		var text bytes.Buffer
		each := 0
		o.Each = func(s *Step) {
			each++
			if err := s.WriteText(&text); err != nil {
				t.Error(err)
			}
		}
		r, err := maxIn(t.Context(), server.environment(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Best == nil || r.Best.Rate < 900 || r.Best.Rate > 1050 || !r.Best.Held {
			t.Errorf("found %+v", r.Best)
		}
		if len(r.Steps) != each || r.Steps[len(r.Steps)-1] != r.Best {
			t.Errorf("%d steps, %d told; the last is %+v", len(r.Steps), each, r.Steps[len(r.Steps)-1])
		}
		if err := r.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"holds\n", "fails: only 6", "fails: p99 of the posts is over 50.0ms\n", "with p99 at "} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("no %q in\n%s", want, text.String())
			}
		}
	})
}

func TestMaxFindsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		before func(int, bool) bool
		reads  float64
		why    string
	}{
		"errors":     {func(int, bool) bool { return false }, 0, "failed, such as connection closed: "},
		"slow posts": {func(int, bool) bool { take(60 * time.Millisecond); return true }, 0, "p99 of the posts is over 50.0ms"},
		"slow reads": {slowReads, 0.5, "p99 of the reads is over 50.0ms"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := bubbleMax()
				o.Connections, o.Reads = 1, c.reads
				r, err := maxIn(t.Context(), newPipeServer(c.before).environment(), o)
				if err != nil {
					t.Fatal(err)
				}
				last := r.Steps[len(r.Steps)-1]
				if r.Best != nil || r.Interrupted || !strings.Contains(last.Why, c.why) {
					t.Errorf("found %+v, the last step is %+v", r.Best, last)
				}
			})
		})
	}
}

func slowReads(_ int, read bool) bool {
	if read {
		take(60 * time.Millisecond)
	}
	return true
}

func TestMaxInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o := bubbleMax()
		o.Each = func(s *Step) { cancel() }
		r, err := maxIn(ctx, newPipeServer(func(int, bool) bool { return true }).environment(), o)
		if err != nil || !r.Interrupted || r.Best != nil || len(r.Steps) != 1 {
			t.Errorf("report %+v, error %v", r, err)
		}
	})
}

func TestMaxErrors(t *testing.T) {
	env := newPipeServer(nil).environment()
	for _, c := range []struct {
		option string
		change func(*MaxOptions)
	}{
		{"p99", func(o *MaxOptions) { o.P99 = 0 }},
		{"step", func(o *MaxOptions) { o.Step = 0 }},
		{"start", func(o *MaxOptions) { o.Start = 0 }},
		{"start", func(o *MaxOptions) { o.Step = time.Millisecond }},
		{"precision", func(o *MaxOptions) { o.Precision = 0 }},
		{"connections", func(o *MaxOptions) { o.Connections = 0 }},
		{"tuples", func(o *MaxOptions) { o.Tuples = 0 }},
	} {
		o := bubbleMax()
		c.change(&o)
		_, err := maxIn(t.Context(), env, o)
		if err == nil || !strings.HasPrefix(err.Error(), "--"+c.option+" ") {
			t.Errorf("error %v, want one of --%s", err, c.option)
		}
	}
}
