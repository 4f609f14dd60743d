package load

import (
	"context"
	"fmt"
	"io"
	"time"

	"flowd/loadtest"
)

// MaxOptions says what to search with. Of the load itself, Rate, For and Verify are not used.
type MaxOptions struct {
	Options
	// P99 is the latency that 99 of 100 requests answered with 200 must keep.
	P99 time.Duration
	// Step is how long each rate is tried; the answer is confirmed for three times that.
	Step time.Duration
	// Start is the first rate, in posts per second; at least ten posts must be due in a step.
	Start float64
	// Precision is how near the answer must come to a rate that failed, as a share of it.
	Precision float64
	// Each is called with each step when it is over.
	Each func(*Step)
}

// shortfall is how much of the offered rate may be missing from what was answered.
const shortfall = 0.05

// confirmSteps is how many steps long the answer is confirmed.
const confirmSteps = 3

// fewestPosts is how many posts a step must have to be tried.
const fewestPosts = 10

// MaxReport is what a search found.
type MaxReport struct {
	Settings Settings `json:"settings"`
	// P99 is the bound in seconds.
	P99   float64 `json:"p99_bound_seconds"`
	Steps []*Step `json:"steps"`
	// Best is the highest rate that held; nil if none did.
	Best *Step `json:"best"`
	// Interrupted is true if the search was ended before it found an answer.
	Interrupted bool `json:"interrupted"`
}

// Step is one rate that was tried.
type Step struct {
	// Rate is what was offered, in posts per second.
	Rate float64 `json:"offered_posts_per_second"`
	// PostsPerSecond and FlowsPerSecond are what was answered with 200.
	PostsPerSecond float64 `json:"posts_per_second"`
	FlowsPerSecond float64 `json:"flows_per_second"`
	// WriteP99 and ReadP99 are in seconds; ReadP99 is 0 without reads.
	WriteP99 float64 `json:"write_p99_seconds"`
	ReadP99  float64 `json:"read_p99_seconds"`
	// Errors counts requests that were not answered with 200.
	Errors uint64 `json:"errors"`
	// Held tells whether the server held this rate, and Why if it did not.
	Held bool   `json:"held"`
	Why  string `json:"why,omitempty"`
	// Server and Client are what the processes used; nil where they cannot be seen.
	Server *Usage `json:"server"`
	Client *Usage `json:"client"`
}

// Max finds the highest rate that a server holds: 99 of 100 requests within the bound, no
// errors, and all but shortfall of the posts answered. Every step is an open loop. It returns
// a *loadtest.InvalidError for options that cannot be used and an error if the server cannot be
// reached. When ctx ends, it returns the steps so far.
func Max(ctx context.Context, o MaxOptions) (*MaxReport, error) {
	return maxIn(ctx, realEnvironment, o)
}

func maxIn(ctx context.Context, env environment, o MaxOptions) (*MaxReport, error) {
	o.Verify, o.Rate, o.For = false, o.Start, o.Step
	t, err := o.check()
	if err != nil {
		return nil, err
	}
	gen, err := loadtest.NewGenerator(o.Workload)
	if err != nil {
		return nil, err
	}
	m := maximizer{MaxOptions: o, target: &t, gen: gen, env: env}
	probe := m.load(0, o.Step)
	if err := probe.checkReady(); err != nil {
		return nil, err
	}
	r := &MaxReport{Settings: probe.settings(), P99: o.P99.Seconds(), Steps: []*Step{}}
	for s := newSearch(o.Start, o.floor(), o.Precision); s.phase != done; {
		step, err := m.try(ctx, s)
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			r.Interrupted = true
			return r, nil
		}
		r.Steps = append(r.Steps, step)
		o.Each(step)
		s.report(step.Held)
		if s.phase == done && s.held > 0 {
			r.Best = step
		}
	}
	return r, nil
}

func (o *MaxOptions) check() (loadtest.Target, error) {
	switch {
	case o.P99 <= 0:
		return loadtest.Target{}, loadtest.Invalid("p99", "must be over 0, not %v", o.P99)
	case o.Step <= 0:
		return loadtest.Target{}, loadtest.Invalid("step", "must be over 0, not %v", o.Step)
	case !(o.Start >= o.floor() && o.Start <= highestRate):
		return loadtest.Target{}, loadtest.Invalid("start", "must be %.3g (%d posts in a --step of %v) to %v, not %v",
			o.floor(), fewestPosts, o.Step, float64(highestRate), o.Start)
	case !(o.Precision >= 0.01 && o.Precision <= 0.5):
		return loadtest.Target{}, loadtest.Invalid("precision", "must be 0.01 to 0.5, not %v", o.Precision)
	}
	return o.Options.check()
}

// floor is the lowest rate of which a step says anything.
func (o *MaxOptions) floor() float64 { return fewestPosts / o.Step.Seconds() }

// maximizer makes the loads of a search, which share the generator.
type maximizer struct {
	MaxOptions
	target *loadtest.Target
	gen    *loadtest.Generator
	env    environment
}

func (m *maximizer) load(rate float64, length time.Duration) *load {
	o := m.Options
	o.Rate, o.For = rate, length
	return &load{Options: o, target: m.target, gen: m.gen, env: m.env}
}

// try puts the rate that the search is at on the server.
func (m *maximizer) try(ctx context.Context, s *search) (*Step, error) {
	length := m.Step
	if s.phase == confirm {
		length *= confirmSteps
	}
	r, err := m.load(s.rate, length).run(ctx)
	if err != nil {
		return nil, err
	}
	step := &Step{
		Rate: s.rate, PostsPerSecond: r.Writes.PerSecond, FlowsPerSecond: r.Writes.FlowsPerSecond,
		WriteP99: r.Writes.Latency.P99, ReadP99: r.Reads.Latency.P99,
		Errors: r.Writes.Requests - r.Writes.OK + r.Reads.Requests - r.Reads.OK,
		Server: r.Server, Client: r.Client,
	}
	step.Why = step.fault(m.P99, r)
	step.Held = step.Why == ""
	return step, nil
}

// fault says why the server did not hold the rate, or nothing.
func (s *Step) fault(p99 time.Duration, r *Report) string {
	switch {
	case s.Errors > 0:
		why := fmt.Sprintf("%d failed", s.Errors)
		for _, e := range append(r.Writes.Errors, r.Reads.Errors...) {
			return why + ", such as " + e.Name() + ": " + loadtest.OneLine(e.Example)
		}
		return why
	case s.PostsPerSecond < s.Rate*(1-shortfall):
		return fmt.Sprintf("only %.0f%% of it were answered in time", 100*s.PostsPerSecond/s.Rate)
	case s.WriteP99 > p99.Seconds():
		return "p99 of the posts is over " + loadtest.Seconds(p99.Seconds())
	case s.ReadP99 > p99.Seconds():
		return "p99 of the reads is over " + loadtest.Seconds(p99.Seconds())
	}
	return ""
}

// WriteText writes a step for people, as one line.
func (s *Step) WriteText(w io.Writer) error {
	verdict := "holds"
	if !s.Held {
		verdict = "fails: " + s.Why
	}
	server := ""
	if s.Server != nil {
		server = fmt.Sprintf("  %.2f cores", s.Server.Cores)
	}
	_, err := fmt.Fprintf(w, "%8s posts/s  %8s flows/s  p99 %8s%s  %s\n",
		loadtest.SI(s.Rate, ""), loadtest.SI(s.FlowsPerSecond, ""), loadtest.Seconds(max(s.WriteP99, s.ReadP99)), server, verdict)
	return err
}

// WriteText writes the answer for people, nothing if it is absent; the steps were written one by
// one.
func (r *MaxReport) WriteText(w io.Writer) error {
	text := ""
	if b := r.Best; b != nil {
		text = fmt.Sprintf("\n%s flows/s (%s posts/s of %s) with p99 at %s, bound %s\n",
			loadtest.SI(b.FlowsPerSecond, ""), loadtest.SI(b.PostsPerSecond, ""), loadtest.Plural(r.Settings.FlowsPerPost, "flow"),
			loadtest.Seconds(max(b.WriteP99, b.ReadP99)), loadtest.Seconds(r.P99))
		if u := b.Server; u != nil && u.FlowsPerCoreSecond > 0 {
			text += fmt.Sprintf("server %.2f cores, %s flows/s per core, %s of memory\n", u.Cores, loadtest.SI(u.FlowsPerCoreSecond, ""), loadtest.SI(float64(u.RSS), "B"))
		}
		if u := b.Client; u != nil {
			text += fmt.Sprintf("client %.2f cores, which on the server's own machine it takes from the server\n", u.Cores)
		}
	}
	_, err := io.WriteString(w, text)
	return err
}
