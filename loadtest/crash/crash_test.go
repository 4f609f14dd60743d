package crash

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"flowd/flow"
	"flowd/flow/flowjson"
	"flowd/loadtest"
	"flowd/loadtest/faulty"
)

// durable returns a command that serves from one folder, with something wrong or nothing.
func durable(t *testing.T, sabotage faulty.Sabotage, retention time.Duration) func(addr string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	return func(addr string) *exec.Cmd {
		cmd := exec.Command(self, "--listen", addr, "--data", data,
			"--sabotage", string(sabotage), "--retention", retention.String())
		cmd.Env = append(os.Environ(), asServer+"=1", "GORACE=atexit_sleep_ms=0")
		return cmd
	}
}

// shortRetention lets hours expire within a test.
const shortRetention = 100 * time.Millisecond

// killToExpire lets a server live long enough for hours to expire.
const killToExpire = 200 * time.Millisecond

// patience is how long a test waits for what must happen, on a machine that is busy with much else too.
const patience = 2 * time.Minute

// shortCrash is a few kills of a server.
func shortCrash(server func(addr string) *exec.Cmd) Options {
	return Options{
		Server: server, Agents: 4, HourPosts: 20, Format: flowjson.JSON, Encoding: loadtest.Plain,
		Workload:   loadtest.Workload{Tuples: 20, FirstHour: 7, Hours: 2, Skew: loadtest.Uniform, FlowsPerPost: 3, Seed: 1},
		Duplicates: 0.5, Kills: 4, KillEvery: 30 * time.Millisecond, MinBatches: 120,
		Timeout: patience, StartWithin: patience,
	}
}

func crash(t *testing.T, o Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCrashOfARightServer(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"keeps all":          func(o *Options) { o.Kills = 8 },
		"expires":            func(o *Options) { o.Server, o.Kills, o.KillEvery = durable(t, "", shortRetention), 8, killToExpire },
		"hours stay, zipf":   func(o *Options) { o.HourPosts, o.Skew, o.ZipfS, o.Encoding = 0, loadtest.Zipf, 1.1, loadtest.Gzip },
		"no duplicates":      func(o *Options) { o.Duplicates, o.Format = 0, flowjson.NDJSON },
		"all are sent twice": func(o *Options) { o.Duplicates = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := shortCrash(durable(t, "", 0))
			change(&o)
			r := crash(t, o)
			if !r.OK || !r.AfterKills.OK || !r.AfterStop.OK || r.ComplaintCount != 0 {
				t.Fatal(text(t, r))
			}
			if r.Kills != o.Kills || r.Starts != o.Kills+2 || r.Batches == 0 || r.Flows != 3*r.Batches {
				t.Errorf("it is not what was asked for:\n%s", text(t, r))
			}
			if (r.Duplicates > 0) != (o.Duplicates > 0) || r.Recognised != r.Duplicates {
				t.Errorf("%d sent once more, %d recognised, asked for a share of %v", r.Duplicates, r.Recognised, o.Duplicates)
			}
			if expired := r.AfterKills.ExpiredHours > 0; expired != (name == "expires") {
				t.Errorf("%d hours expired:\n%s", r.AfterKills.ExpiredHours, text(t, r))
			}
			if o.Kills == 8 && r.Retries == 0 {
				t.Errorf("8 kills, and no batch had to be sent again:\n%s", text(t, r))
			}
		})
	}
}

// A check that never met a server that fails it has not been tested.
func TestCrashFindsSabotage(t *testing.T) {
	for _, c := range []struct {
		sabotage  faulty.Sabotage
		retention time.Duration
		want      string
	}{
		{faulty.DedupeOff, 0, "counted twice"},
		{faulty.DedupeOff, shortRetention, "what is gone from the hours is"},
		{faulty.AnswerFirst, 0, "lost"},
		{faulty.NamesForgotten, 0, "counted twice"},
		{faulty.LoseBatch, 0, "lost"},
		{faulty.LoseBatch, shortRetention, "what is gone from the hours is"},
		{faulty.DoubleBatch, 0, "counted twice"},
		{faulty.DropHour, 0, "lost"},
		{faulty.DropHour, shortRetention, "what is gone from the hours is"},
		{faulty.ExpiryForgotten, shortRetention, "lost"},
		{faulty.RefuseForGood, 0, "was refused with status 409: "},
		{faulty.SayNew, 0, "answered as if it were new"},
		{faulty.SayRepeated, 0, "although nothing of it can have counted"},
	} {
		t.Run(string(c.sabotage)+" "+c.retention.String(), func(t *testing.T) {
			t.Parallel()
			o := shortCrash(durable(t, c.sabotage, c.retention))
			o.Duplicates = 1
			if c.retention > 0 {
				o.KillEvery = killToExpire
			}
			switch c.sabotage {
			case faulty.AnswerFirst:
				// All batches are answered before the one kill, and none is sent again after it, which would
				// bring back what was lost.
				o.Kills, o.Duplicates = 1, 0
			case faulty.NamesForgotten:
				// Time for batches before a kill that are sent again after it.
				o.KillEvery = 200 * time.Millisecond
			}
			r := crash(t, o)
			said := text(t, r)
			if r.OK || !strings.Contains(said, c.want) || !strings.Contains(said, "\nWRONG: ") {
				t.Errorf("want WRONG with %q:\n%s", c.want, said)
			}
		})
	}
}

// Batches that are never answered with 200 are no success, whatever the totals say.
func TestCrashWithUnfinishedBatches(t *testing.T) {
	t.Parallel()
	o := shortCrash(durable(t, faulty.Refuse, 0))
	o.Kills, o.MinBatches = 1, 0
	unfinished := func() (*Report, error) {
		if err := o.check(); err != nil {
			t.Fatal(err)
		}
		g, err := loadtest.NewGenerator(o.Workload)
		if err != nil {
			t.Fatal(err)
		}
		run, err := newTestRun(o, g)
		if err != nil {
			t.Fatal(err)
		}
		run.StartWithin = time.Second // for the batches alone: a start takes what it takes
		return run.run(t.Context())
	}
	r, err := unfinished()
	if err != nil {
		t.Fatal(err)
	}
	if r.OK || !r.AfterKills.OK || r.Unfinished != 4 || !strings.Contains(text(t, r), "batches   WRONG: 4 were never answered with 200") {
		t.Error(text(t, r))
	}
	o.MinBatches = 1
	if _, err := unfinished(); err == nil || !strings.Contains(err.Error(), "no batch was answered with 200 for 1s") {
		t.Errorf("error %v", err)
	}
}

func text(t *testing.T, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A server that cannot be had, or that ends by itself, is an error and no report.
func TestCrashErrors(t *testing.T) {
	says := func(script string) func(string) *exec.Cmd {
		return func(string) *exec.Cmd { return exec.Command("sh", "-c", script) }
	}
	for _, c := range []struct {
		name   string
		server func(string) *exec.Cmd
		want   string
	}{
		{"no program", func(string) *exec.Cmd { return exec.Command("/no/such/program") }, "no such file"},
		{"ends", says("echo no room on disk >&2; exit 3"), "ended by itself: exit status 3, and printed:\nno room on disk"},
		{"ends well", says("echo bye"), "ended by itself with exit code 0, and printed:\nbye"},
		{"is deaf", says("echo hm; exec sleep 100"), "not ready 5s after its start; it printed:\nhm"},
		{"stops badly", durable(t, faulty.BadEnd, 0), "exit status 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := shortCrash(c.server)
			o.Kills = 0
			if c.name == "is deaf" {
				o.StartWithin = 5 * time.Second // time for it to print something
			}
			r, err := Run(t.Context(), o)
			if r != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// An interrupt ends the killing, and what was sent is verified as ever.
func TestCrashInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := durable(t, "", 0)
	starts := 0
	o := shortCrash(func(addr string) *exec.Cmd {
		if starts++; starts == 3 {
			cancel()
		}
		return server(addr)
	})
	o.Kills = 1000
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || !r.OK || r.Kills != 2 || !strings.Contains(text(t, r), "Interrupted before the last of 1000 kills.") {
		t.Error(text(t, r))
	}
}

func TestCrashOptions(t *testing.T) {
	for _, c := range []struct {
		option string
		change func(*Options)
	}{
		{"server", func(o *Options) { o.Server = nil }},
		{"agents", func(o *Options) { o.Agents = 0 }},
		{"duplicates", func(o *Options) { o.Duplicates = 1.1 }},
		{"kills", func(o *Options) { o.Kills = -1 }},
		{"kill-every", func(o *Options) { o.KillEvery = 0 }},
		{"min-batches", func(o *Options) { o.MinBatches = -1 }},
		{"hour-posts", func(o *Options) { o.HourPosts = -1 }},
		{"timeout", func(o *Options) { o.Timeout = 0 }},
		{"start-within", func(o *Options) { o.StartWithin = 0 }},
		{"encoding", func(o *Options) { o.Encoding = "br" }},
		{"tuples", func(o *Options) { o.Tuples = 0 }},
	} {
		o := shortCrash(durable(t, "", 0))
		c.change(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "--"+c.option+" ") {
			t.Errorf("error %v, want one of --%s", err, c.option)
		}
	}
	// The hours stay where the labels, or the memory for the account, come to an end.
	for _, c := range []struct {
		first  flow.Hour
		tuples int
		moves  int
	}{{7, 20, maxMoves}, {flow.MaxHour - 10, 20, 9}, {7, maxCells / 4, 2}, {7, maxCells, 0}} {
		o := shortCrash(durable(t, "", 0))
		o.FirstHour, o.Tuples = c.first, c.tuples
		if err := o.check(); err != nil || o.Moves != c.moves {
			t.Errorf("%d tuples from hour %d on: %d moves, error %v, want %d", c.tuples, c.first, o.Moves, err, c.moves)
		}
	}
}

func TestSpread(t *testing.T) {
	values := []time.Duration{3 * time.Second, time.Second, 2 * time.Second}
	if got := spreadOf(values); got != (Spread{1, 2, 3}) || !slices.Equal(values, []time.Duration{3 * time.Second, time.Second, 2 * time.Second}) {
		t.Errorf("the spread of %v is %v", values, got)
	}
	if got := spreadOf(nil); got != (Spread{}) {
		t.Errorf("the spread of nothing is %v", got)
	}
}

// The token is in each request to the server under test.
func TestToken(t *testing.T) {
	s, err := newServer(&Options{Token: "flowd_x"})
	if err != nil {
		t.Fatal(err)
	}
	if head := string(loadtest.AppendGet(nil, s.target, "/readyz")); !strings.Contains(head, "\r\nAuthorization: Bearer flowd_x\r\n") {
		t.Errorf("%q", head)
	}
	if _, err := newServer(&Options{Token: "flowd_x\r\nX: y"}); err == nil || strings.Contains(err.Error(), "flowd_x") {
		t.Errorf("error %v, want one that does not show the token", err)
	}
}
