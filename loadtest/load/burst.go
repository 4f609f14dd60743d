package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"flowd/loadtest"
)

// BurstOptions is a load without an account and without latencies, at the least cost to the
// side that makes it.
type BurstOptions struct {
	// URL is the whole address to POST to.
	URL string
	// Token goes with every request, unless it is "".
	Token string
	// Bodies are sent in rotation; each connection begins at another one. They are shared by
	// all connections and only read.
	Bodies [][]byte
	// ContentType is the header's value.
	ContentType string
	// Connections is how many connections send at the same time.
	Connections int
	// For is how long they send. A request under way at the end is finished.
	For time.Duration
}

// BurstResult is the result of a burst.
type BurstResult struct {
	// Requests counts the requests answered, with whatever status.
	Requests uint64
	// Status counts them by the status of the answer.
	Status map[int]uint64
	// Failed counts requests without an answer, and FirstFailure is why one of them had none.
	Failed       uint64
	FirstFailure error
	// BodyBytes is the size of the bodies answered.
	BodyBytes uint64
	// Elapsed is the time from the first request to the last answer.
	Elapsed time.Duration
}

// burstGrace is how long after the end the last answers may come.
const burstGrace = 10 * time.Second

// Burst sends prepared bodies in a closed loop: each connection sends the next request when
// the last one is answered. All connections are open before the first request leaves. It
// returns an error if the options are wrong or the server cannot be reached, at the
// beginning or later; ctx ends it early, without an error.
func Burst(ctx context.Context, o BurstOptions) (BurstResult, error) {
	t, err := loadtest.ParseTarget(o.URL)
	if err != nil {
		return BurstResult{}, err
	}
	if err := t.SetToken(o.Token); err != nil {
		return BurstResult{}, err
	}
	if len(o.Bodies) == 0 || o.Connections < 1 || o.For <= 0 {
		return BurstResult{}, fmt.Errorf("burst needs bodies, connections and a time, not %d, %d and %v",
			len(o.Bodies), o.Connections, o.For)
	}
	b := &burst{bodies: o.Bodies, target: &t, hardEnd: time.Now().Add(o.For + burstGrace)}
	for _, body := range o.Bodies {
		b.heads = append(b.heads, loadtest.AppendPost(nil, &t, loadtest.PostHead{ContentType: o.ContentType, Length: len(body)}))
	}
	conns := make([]*loadtest.Conn, o.Connections)
	for i := range conns {
		conns[i] = loadtest.NewConn(&t, loadtest.DialTCP)
		defer conns[i].Close()
		if err := conns[i].Ready(b.hardEnd); err != nil {
			return BurstResult{}, err
		}
	}
	start := time.Now()
	results := make([]BurstResult, len(conns))
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			results[i], errs[i] = b.loop(ctx, c, i*len(o.Bodies)/len(conns), start.Add(o.For))
		})
	}
	wg.Wait()
	total := sumBursts(results)
	total.Elapsed = time.Since(start)
	return total, errors.Join(errs...)
}

// burst is what all connections of one Burst share.
type burst struct {
	target  *loadtest.Target
	heads   [][]byte
	bodies  [][]byte
	hardEnd time.Time
}

// loop sends from body number i on, until end.
func (b *burst) loop(ctx context.Context, c *loadtest.Conn, i int, end time.Time) (BurstResult, error) {
	r := BurstResult{Status: make(map[int]uint64)}
	for ; ctx.Err() == nil && time.Now().Before(end); i = (i + 1) % len(b.bodies) {
		a, err := c.RoundTrip(b.heads[i], b.bodies[i], b.hardEnd)
		if err == nil {
			_, err = c.Finish()
		}
		if lost := (*loadtest.NotSentError)(nil); errors.As(err, &lost) {
			return r, err
		}
		if err != nil {
			r.Failed++
			if r.FirstFailure == nil {
				r.FirstFailure = err
			}
			continue
		}
		r.Requests++
		r.Status[a.Status]++
		r.BodyBytes += uint64(len(b.bodies[i]))
	}
	return r, nil
}

func sumBursts(results []BurstResult) BurstResult {
	sum := BurstResult{Status: make(map[int]uint64)}
	for _, r := range results {
		sum.Requests += r.Requests
		sum.Failed += r.Failed
		sum.BodyBytes += r.BodyBytes
		if sum.FirstFailure == nil {
			sum.FirstFailure = r.FirstFailure
		}
		for status, n := range r.Status {
			sum.Status[status] += n
		}
	}
	return sum
}
