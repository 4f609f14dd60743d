package loadtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// BlastOptions is a load without an account and without latencies, at the least cost to the
// side that makes it.
type BlastOptions struct {
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

// BlastResult is what came of a blast.
type BlastResult struct {
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

// blastGrace is how long after the end the last answers may come.
const blastGrace = 10 * time.Second

// Blast sends prepared bodies in a closed loop: each connection sends the next request when
// the last one is answered. All connections are open before the first request leaves. It
// returns an error if the options are wrong or the server cannot be reached, at the
// beginning or later; ctx ends it early, without an error.
func Blast(ctx context.Context, o BlastOptions) (BlastResult, error) {
	t, err := parseTarget(o.URL)
	if err != nil {
		return BlastResult{}, err
	}
	t.token = o.Token
	if len(o.Bodies) == 0 || o.Connections < 1 || o.For <= 0 {
		return BlastResult{}, fmt.Errorf("blast needs bodies, connections and a time, not %d, %d and %v",
			len(o.Bodies), o.Connections, o.For)
	}
	b := &blast{bodies: o.Bodies, target: &t, hardEnd: time.Now().Add(o.For + blastGrace)}
	for _, body := range o.Bodies {
		b.heads = append(b.heads, appendPostHead(nil, &t, postHead{contentType: o.ContentType, length: len(body)}))
	}
	conns := make([]*conn, o.Connections)
	for i := range conns {
		conns[i] = newConn(&t, dialTCP)
		defer conns[i].Close()
		if err := conns[i].ready(b.hardEnd); err != nil {
			return BlastResult{}, err
		}
	}
	start := time.Now()
	results := make([]BlastResult, len(conns))
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			results[i], errs[i] = b.loop(ctx, c, i*len(o.Bodies)/len(conns), start.Add(o.For))
		})
	}
	wg.Wait()
	total := sumBlast(results)
	total.Elapsed = time.Since(start)
	return total, errors.Join(errs...)
}

// blast is what all connections of one Blast share.
type blast struct {
	target  *target
	heads   [][]byte
	bodies  [][]byte
	hardEnd time.Time
}

// loop sends from body number i on, until end.
func (b *blast) loop(ctx context.Context, c *conn, i int, end time.Time) (BlastResult, error) {
	r := BlastResult{Status: make(map[int]uint64)}
	for ; ctx.Err() == nil && time.Now().Before(end); i = (i + 1) % len(b.bodies) {
		a, err := c.roundTrip(b.heads[i], b.bodies[i], b.hardEnd)
		if err == nil {
			_, err = c.finish()
		}
		if lost := (*notSentError)(nil); errors.As(err, &lost) {
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
		r.Status[a.status]++
		r.BodyBytes += uint64(len(b.bodies[i]))
	}
	return r, nil
}

func sumBlast(results []BlastResult) BlastResult {
	sum := BlastResult{Status: make(map[int]uint64)}
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
