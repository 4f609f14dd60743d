package demo

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-json"

	"flowd/flow"
	"flowd/loadtest"
	"flowd/loadtest/faulty"
)

func mapServer(t *testing.T, faults faulty.Faults) *faulty.Server {
	t.Helper()
	s, err := faulty.Start(faults)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func demoTo(url string) PostOptions {
	return PostOptions{Target: url, Traffic: Options{Seed: 1, LastHour: 482_967}, Timeout: 30 * time.Second}
}

// storeNothing spares a test the time to add up what it does not look at.
func storeNothing(int, []faulty.Row) []faulty.Row { return nil }

// answers is the status of the first posts; those after them are 200.
func answers(statuses ...int) func(int) int {
	return func(post int) int {
		if post <= len(statuses) {
			return statuses[post-1]
		}
		return 200
	}
}

// What is not answered is sent again under its name.
func TestDemoIsSentAgain(t *testing.T) {
	s := mapServer(t, faulty.Faults{Store: storeNothing, Answer: answers(503, 200, 0, 500, 429)})
	o := demoTo(s.URL)
	var trouble []string
	o.Trouble = func(reason string) { trouble = append(trouble, reason) }
	result, err := Post(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	// 48 batches, of which the first came twice, and the second four times.
	if s.Posts() != Hours+4 {
		t.Errorf("%d posts, want %d", s.Posts(), Hours+4)
	}
	if len(trouble) != 2 || trouble[0] != "the server answered 503: Refused: as the test wants" || !strings.HasPrefix(trouble[1], "no answer from http://127.0.0.1:") {
		t.Errorf("told of %q", trouble)
	}
	if result.Stored == 0 || result.Repeated == 0 || result.Differing != 0 {
		t.Errorf("%+v: some were answered as new, and two as repeated", result)
	}
}

func TestDemoGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		faults faulty.Faults
		posts  int
		err    string
	}{
		"refused for good": {faulty.Faults{Answer: answers(200, 400)}, 2, "hour 482921: the server answered 400: Refused: as the test wants"},
		"miscounted":       {faulty.Faults{Accepted: func(_, flows int) int { return flows - 1 }}, 1, "hour 482920: the server answered that it accepted "},
	} {
		t.Run(name, func(t *testing.T) {
			c.faults.Store = storeNothing
			s := mapServer(t, c.faults)
			_, err := Post(t.Context(), demoTo(s.URL))
			if err == nil || !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("error %v, want %s", err, c.err)
			}
			if s.Posts() != c.posts {
				t.Errorf("%d posts, want %d", s.Posts(), c.posts)
			}
		})
	}
}

func TestDemoIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := mapServer(t, faulty.Faults{Store: storeNothing, Answer: func(post int) int {
		if post == 3 {
			cancel()
		}
		return 200
	}})
	result, err := Post(ctx, demoTo(s.URL))
	if !errors.Is(err, context.Canceled) || s.Posts() != 3 {
		t.Errorf("%d posts and error %v, want 3 and %v", s.Posts(), err, context.Canceled)
	}
	traffic, want := New(demoTo("").Traffic), 0
	for i := range flow.Hour(3) {
		want += len(traffic.Flows(nil, traffic.FirstHour()+i))
	}
	if result.Posted() != uint64(want) {
		t.Errorf("%d flows posted, want the %d of three hours", result.Posted(), want)
	}
}

func TestDemoOptions(t *testing.T) {
	for want, change := range map[string]func(*PostOptions){
		`--target target "localhost:8080" must look like`: func(o *PostOptions) { o.Target = "localhost:8080" },
		`--target must have no query`:                     func(o *PostOptions) { o.Target = "http://h/?a=b" },
		`--timeout must be over 0, not 0s`:                func(o *PostOptions) { o.Timeout = 0 },
		`--last-hour must be 47 to 2147483647, not 46`:    func(o *PostOptions) { o.Traffic.LastHour = 46 },
	} {
		o := demoTo("http://127.0.0.1:1")
		change(&o)
		_, err := Post(t.Context(), o)
		if invalid := (*loadtest.InvalidError)(nil); !errors.As(err, &invalid) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := PostLive(t.Context(), demoTo("http://127.0.0.1:1"), 0.5); err == nil || err.Error() != "--rate must be 1 to 10000, not 0.5" {
		t.Errorf("error %v", err)
	}
	if _, err := Post(t.Context(), demoTo("http://127.0.0.1:1")); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("without a server: error %v", err)
	}
}

// Live flows are those of the present hour, and each counts once although posts are repeated.
func TestPostLive(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	statuses := answers(200, 0, 503)
	s := mapServer(t, faulty.Faults{Answer: func(post int) int {
		if post == 5 {
			cancel()
		}
		return statuses(post)
	}})
	o := demoTo(s.URL)
	trouble := 0
	o.Trouble = func(string) { trouble++ }
	from := flow.Hour(time.Now().Unix() / 3600)
	flows, err := PostLive(ctx, o, 100)
	if err != nil {
		t.Fatal(err)
	}
	to := flow.Hour(time.Now().Unix() / 3600)
	// The second batch came three times.
	if s.Posts() != 5 || trouble != 1 || flows < 30 || flows > 120 {
		t.Errorf("%d posts with %d flows, trouble %d times", s.Posts(), flows, trouble)
	}
	if stored := storedFlows(t, s.URL); stored != flows {
		t.Errorf("the server has %d flows, and %d were posted", stored, flows)
	}
	if first := flow.Hour(s.FirstHour()); first < from || first > to {
		t.Errorf("they are of hour %d, not of %d to %d", first, from, to)
	}
}

// storedFlows asks a server how many flows count.
func storedFlows(t *testing.T, url string) uint64 {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get(url + "/ledger")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var l struct {
		Stored struct{ Flows uint64 }
	}
	if err := json.NewDecoder(response.Body).Decode(&l); err != nil {
		t.Fatal(err)
	}
	return l.Stored.Flows
}

func TestDemoPause(t *testing.T) {
	for attempt := 1; attempt < 70; attempt++ {
		if d := pauseAfter(attempt); d < firstPause/2 || d > maxPause {
			t.Errorf("attempt %d waits %v", attempt, d)
		}
	}
}
