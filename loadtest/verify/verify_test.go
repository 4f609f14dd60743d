package verify_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"flowd/flow/flowjson"
	"flowd/loadtest"
	"flowd/loadtest/faulty"
	"flowd/loadtest/load"
)

// harness is a server of maps, and a context that ends when it has got enough posts, so that a run
// takes as long as those need, on any machine.
type harness struct {
	*faulty.Server
	ctx context.Context
}

const enoughPosts = 20

func serve(t *testing.T, faults faulty.Faults) harness {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	store := faults.Store
	faults.Store = func(post int, flows []faulty.Row) []faulty.Row {
		if post == enoughPosts {
			cancel()
		}
		if store != nil {
			flows = store(post, flows)
		}
		return flows
	}
	s, err := faulty.Start(faults)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return harness{s, ctx}
}

// smallRun is posts of 5 flows on few tuples.
func (r harness) smallRun() load.Options {
	return load.Options{
		Target: r.URL, Connections: 3, Format: flowjson.JSON, Encoding: loadtest.Plain, Verify: true,
		Workload: loadtest.Workload{Tuples: 10, FirstHour: 7, Hours: 3, Skew: loadtest.Uniform, FlowsPerPost: 5, Seed: 1},
		Rate:     1000, For: time.Minute, Timeout: 10 * time.Second,
	}
}

func (r harness) run(t *testing.T, o load.Options) *load.Report {
	t.Helper()
	report, err := load.Run(r.ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestRightTotalsVerify(t *testing.T) {
	for name, change := range map[string]func(*load.Options){
		"json":      func(o *load.Options) {},
		"ndjson":    func(o *load.Options) { o.Format = flowjson.NDJSON },
		"gzip":      func(o *load.Options) { o.Encoding = loadtest.Gzip },
		"zstd":      func(o *load.Options) { o.Encoding = loadtest.Zstandard },
		"zipf":      func(o *load.Options) { o.Skew, o.ZipfS = loadtest.Zipf, 1.2 },
		"reads":     func(o *load.Options) { o.Reads = 0.5 },
		"closed":    func(o *load.Options) { o.Rate = 0 },
		"one hour":  func(o *load.Options) { o.Hours = 1 },
		"one tuple": func(o *load.Options) { o.Tuples = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, faulty.Faults{})
			o := s.smallRun()
			change(&o)
			r := s.run(t, o)
			v := r.Verification
			if !v.OK || v.DifferenceCount != 0 || v.Tuples == 0 || v.Hours != o.Hours {
				t.Errorf("verification of a server that is right: %+v", *v)
			}
			if got := uint64(s.Posts()); got != r.Writes.OK || got < enoughPosts {
				t.Errorf("the server got %d posts, the report has %d", got, r.Writes.OK)
			}
			if o.Reads > 0 && r.Reads.OK == 0 {
				t.Error("no reads")
			}
		})
	}
}

// on changes the flows of the third post.
func on(change func(flows []faulty.Row) []faulty.Row) func(int, []faulty.Row) []faulty.Row {
	return func(post int, flows []faulty.Row) []faulty.Row {
		if post == 3 {
			return change(flows)
		}
		return flows
	}
}

// answering gives the third post another status.
func answering(status int) func(int) int {
	return func(post int) int {
		if post == 3 {
			return status
		}
		return 200
	}
}

func lose([]faulty.Row) []faulty.Row          { return nil }
func double(flows []faulty.Row) []faulty.Row  { return append(flows, flows...) }
func loseOne(flows []faulty.Row) []faulty.Row { return flows[1:] }

// first changes the first flow.
func first(change func(*faulty.Row)) func([]faulty.Row) []faulty.Row {
	return func(flows []faulty.Row) []faulty.Row {
		change(&flows[0])
		return flows
	}
}

func nextHour(f *faulty.Row) { f.Hour = 7 + (f.Hour+1)%3 }

func otherApp(f *faulty.Row) {
	if f.DestApp == "cart-1" {
		f.DestApp = "web-1"
	} else {
		f.DestApp = "cart-1"
	}
}

// stranger is a flow of a tuple that no load makes.
var stranger = faulty.Row{SrcApp: "foo", DestApp: "bar", VPCID: "vpc-0", BytesTx: 100, BytesRx: 300, Hour: 8}

func TestWrongTotalsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		faults faulty.Faults
		want   string
	}{
		"lost batch":       {faulty.Faults{Store: on(lose)}, "it was given"},
		"doubled batch":    {faulty.Faults{Store: on(double)}, "it was given"},
		"lost flow":        {faulty.Faults{Store: on(loseOne)}, "it was given"},
		"wrong tx":         {faulty.Faults{Store: on(first(func(f *faulty.Row) { f.BytesTx++ }))}, "it was given"},
		"wrong rx":         {faulty.Faults{Store: on(first(func(f *faulty.Row) { f.BytesRx-- }))}, "it was given"},
		"wrong hour":       {faulty.Faults{Store: on(first(nextHour))}, "it was given"},
		"wrong name":       {faulty.Faults{Store: on(first(func(f *faulty.Row) { f.SrcApp += "x" }))}, "no part of this load: the server has 1 with"},
		"wrong tuple":      {faulty.Faults{Store: on(first(otherApp))}, "it was given"},
		"other writer":     {faulty.Faults{Store: on(func(f []faulty.Row) []faulty.Row { return append(f, stranger) })}, "the server has 1 with tx 100 rx 300, before the load it had 0"},
		"503 but stored":   {faulty.Faults{Answer: answering(503)}, "it was given"},
		"400 but stored":   {faulty.Faults{Answer: answering(400)}, "it was given"},
		"unknown, doubled": {faulty.Faults{Answer: answering(0), Store: on(double)}, "at most"},
		"listed twice":     {faulty.Faults{List: double}, "is listed a second time"},
		"row left out":     {faulty.Faults{List: func(r []faulty.Row) []faulty.Row { return r[min(1, len(r)):] }}, "the server has tx 0 rx 0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.faults)
			v := s.run(t, s.smallRun()).Verification
			if v.OK || v.DifferenceCount == 0 || len(v.Differences) == 0 {
				t.Fatalf("verification of a server that is wrong: %+v", *v)
			}
			var whats []string
			for _, d := range v.Differences {
				whats = append(whats, d.What)
			}
			if all := strings.Join(whats, "\n"); !strings.Contains(all, c.want) {
				t.Errorf("the differences are\n%s\nand none has %q", all, c.want)
			}
		})
	}
}

// A post without an answer may count or not: neither is a difference.
func TestUnansweredPostsAreTolerated(t *testing.T) {
	for name, c := range map[string]struct {
		faults     faulty.Faults
		unanswered uint64
	}{
		"closed, stored":     {faulty.Faults{Answer: answering(0)}, 1},
		"closed, not stored": {faulty.Faults{Answer: answering(0), Store: on(lose)}, 1},
		"500, stored":        {faulty.Faults{Answer: answering(500)}, 1},
		"500, not stored":    {faulty.Faults{Answer: answering(500), Store: on(lose)}, 1},
		"503, not stored":    {faulty.Faults{Answer: answering(503), Store: on(lose)}, 0},
		"429, not stored":    {faulty.Faults{Answer: answering(429), Store: on(lose)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.faults)
			r := s.run(t, s.smallRun())
			if v := r.Verification; !v.OK || v.Unanswered != c.unanswered {
				t.Errorf("verification: %+v", *v)
			}
			if len(r.Writes.Errors) != 1 || r.Writes.Errors[0].Count != 1 || int(r.Writes.OK) != s.Posts()-1 {
				t.Errorf("%d of %d posts fine, errors %+v", r.Writes.OK, s.Posts(), r.Writes.Errors)
			}
		})
	}
}

func TestMiscountedAnswersAreFound(t *testing.T) {
	s := serve(t, faulty.Faults{Accepted: func(post, flows int) int {
		if post == 3 {
			return flows * 10
		}
		return flows
	}})
	if v := s.run(t, s.smallRun()).Verification; v.OK || v.Miscounted != 1 || v.DifferenceCount != 0 {
		t.Errorf("verification: %+v", *v)
	}
}

// What a server holds before a load is not the load's: its own earlier flows, another seed's,
// and those of strangers.
func TestGrowthIsCompared(t *testing.T) {
	s := serve(t, faulty.Faults{})
	s.Add(stranger)
	for _, seed := range []uint64{1, 1, 2} {
		o := s.smallRun()
		// The harness's context ends during the first of these runs.
		s.ctx, o.Seed, o.For = t.Context(), seed, 200*time.Millisecond
		if v := s.run(t, o).Verification; !v.OK || v.Tuples == 0 {
			t.Errorf("seed %d: %+v", seed, *v)
		}
	}
}

func TestMoreDifferencesThanListed(t *testing.T) {
	s := serve(t, faulty.Faults{Store: func(int, []faulty.Row) []faulty.Row { return nil }})
	o := s.smallRun()
	o.Tuples, o.FlowsPerPost = 1000, 50
	v := s.run(t, o).Verification
	if v.DifferenceCount != v.Tuples || v.DifferenceCount < 500 || len(v.Differences) != 20 {
		t.Errorf("%d of %d totals differ, %d listed", v.DifferenceCount, v.Tuples, len(v.Differences))
	}
}
