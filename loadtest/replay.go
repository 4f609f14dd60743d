package loadtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"flowd/flow"
)

// Source is a row of flows, such as a flowfile.Scanner.
type Source interface {
	// Next reads up to the next flow and reports whether there is one.
	Next() bool
	// Flow returns the flow that Next read, until the following Next.
	Flow() *flow.Flow
	// Err returns why Next returned false; nil at the end.
	Err() error
}

// ReplayOptions says where flows go, and in what portions.
type ReplayOptions struct {
	// Target is the server: http or https, host, and perhaps a path its routes are under.
	Target string
	// FlowsPerPost is how many flows a POST has at most, 1 to MaxReplayFlows. One with very
	// long names has fewer, to stay below the server's limit on bytes.
	FlowsPerPost int
	// Connections is how many POSTs may be under way at once, 1 to MaxConnections.
	Connections int
	// Timeout is how long one POST may take, from connecting to the end of its answer.
	Timeout time.Duration
	// Attempts is how often one POST is tried before the replay gives up, at least 1.
	Attempts int
}

// MaxReplayFlows is the most flows that one POST of a replay may have.
const MaxReplayFlows = 50_000

// maxReplayBody is where a POST is full in bytes: well below the 4 MiB that a server takes by
// default, with room for one more flow of the longest names.
const maxReplayBody = 3 << 20

func (o *ReplayOptions) check() error {
	t, err := parseTarget(o.Target)
	switch {
	case err != nil:
		return invalid("target", "%v", err)
	case strings.Contains(t.path, "?"):
		return invalid("target", "must have no query, as %q has", o.Target)
	case o.FlowsPerPost < 1 || o.FlowsPerPost > MaxReplayFlows:
		return invalid("flows", "must be 1 to %d, not %d", MaxReplayFlows, o.FlowsPerPost)
	case o.Connections < 1 || o.Connections > MaxConnections:
		return invalid("connections", "must be 1 to %d, not %d", MaxConnections, o.Connections)
	case o.Timeout <= 0:
		return invalid("timeout", "must be over 0, not %v", o.Timeout)
	case o.Attempts < 1:
		return invalid("attempts", "must be at least 1, not %d", o.Attempts)
	}
	return nil
}

// ReplayResult is the account of a replay, in flows.
type ReplayResult struct {
	// Read is how many the source gave. Sent of them left for the server at least once.
	Read, Sent uint64
	// Stored were answered 200, Refused any other way that says they do not count, and of
	// Unknown nobody can say: their POST had no answer, or one that leaves it open. These three
	// add up to Sent.
	Stored, Refused, Unknown uint64
	// Retries is how many POSTs were sent again, after 429, 503 or no connection.
	Retries uint64
	// Problems are the first few reasons why flows were not stored.
	Problems []string
}

// maxProblems is how many reasons a result keeps.
const maxProblems = 5

func (r *ReplayResult) add(o ReplayResult) {
	r.Read += o.Read
	r.Sent += o.Sent
	r.Stored += o.Stored
	r.Refused += o.Refused
	r.Unknown += o.Unknown
	r.Retries += o.Retries
	r.Problems = append(r.Problems, o.Problems[:min(len(o.Problems), maxProblems-len(r.Problems))]...)
}

// Replay sends the flows of src to a server, each at most once: a POST is repeated only if the
// server said that it did not count (429, 503) or if it never left, since a server cannot tell
// a repetition from new flows.
//
// It ends with an error at the end of a source that has one, where ctx ends, and where going on
// makes no sense: the server cannot be reached, stays overloaded, or refuses more than the flows
// of one POST. What is under way then is finished, and the account is good in every case. Options
// that cannot be used are an *InvalidError before anything is read.
func Replay(ctx context.Context, src Source, o ReplayOptions) (ReplayResult, error) {
	if err := o.check(); err != nil {
		return ReplayResult{}, err
	}
	return replayOver(ctx, src, o, http.DefaultTransport.(*http.Transport).Clone())
}

// replayOver is Replay through a transport that it may set up.
func replayOver(ctx context.Context, src Source, o ReplayOptions, transport *http.Transport) (ReplayResult, error) {
	// Without a bound the transport opens more than one connection for a sender that waits.
	transport.MaxConnsPerHost, transport.MaxIdleConnsPerHost = o.Connections, o.Connections
	defer transport.CloseIdleConnections()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &replay{
		post: poster{
			url:     strings.TrimSuffix(o.Target, "/") + "/flows",
			client:  transport,
			timeout: o.Timeout,
		},
		attempts: o.Attempts,
		stop:     stop,
		full:     make(chan *portion),
		free:     make(chan *portion, o.Connections+1),
	}
	for range cap(r.free) {
		r.free <- &portion{}
	}
	results := make([]ReplayResult, o.Connections)
	var senders sync.WaitGroup
	for i := range results {
		senders.Go(func() { r.sendAll(ctx, &results[i]) })
	}
	total := ReplayResult{Read: r.fill(ctx, src, o.FlowsPerPost)}
	close(r.full)
	senders.Wait()
	for _, result := range results {
		total.add(result)
	}
	if cause := context.Cause(ctx); cause != nil {
		return total, cause
	}
	return total, src.Err()
}

// replay is one call of Replay. Portions go round: from free, filled by the reader, through
// full to a sender, and back.
type replay struct {
	post     poster
	attempts int
	stop     context.CancelCauseFunc
	full     chan *portion
	free     chan *portion
}

// portion is the flows of one POST.
type portion struct {
	body  []byte
	flows int
}

// fill reads src into portions and returns how many flows it read.
func (r *replay) fill(ctx context.Context, src Source, flowsPerPost int) (read uint64) {
	p := <-r.free
	for ctx.Err() == nil && src.Next() {
		read++
		p.add(src.Flow())
		if p.flows == flowsPerPost || len(p.body) >= maxReplayBody {
			r.full <- p
			p = <-r.free
		}
	}
	if p.flows > 0 {
		r.full <- p
	}
	return read
}

func (p *portion) add(f *flow.Flow) {
	separator := byte(',')
	if p.flows == 0 {
		separator = '['
	}
	p.body = f.AppendJSON(append(p.body, separator))
	p.flows++
}

// sendAll sends portions until there are no more. After ctx has ended it only takes them back.
func (r *replay) sendAll(ctx context.Context, result *ReplayResult) {
	for p := range r.full {
		if ctx.Err() == nil {
			p.body = append(p.body, ']')
			r.send(ctx, p, result)
		}
		p.body, p.flows = p.body[:0], 0
		r.free <- p
	}
}

// send sends one portion, as often as that is safe and of use, and books what came of it.
func (r *replay) send(ctx context.Context, p *portion, result *ReplayResult) {
	var last reply
	left := false
	for attempt := 1; ; attempt++ {
		last = r.post.do(ctx, p)
		left = left || last.left
		if last.verdict != again || !r.pause(ctx, attempt, &last) {
			break
		}
		result.Retries++
	}
	flows := uint64(p.flows)
	if left {
		result.Sent += flows
	}
	switch {
	case last.verdict == stored:
		result.Stored += flows
		return
	case last.verdict == unknown:
		result.Unknown += flows
	case left:
		result.Refused += flows
	}
	if len(result.Problems) < maxProblems {
		result.Problems = append(result.Problems, fmt.Sprintf("%d flows: %s", p.flows, last.reason))
	}
	if last.hopeless {
		r.stop(errors.New("stopped: " + last.reason))
	}
}

// pause waits until a portion may be tried again. It returns false if it may not be.
func (r *replay) pause(ctx context.Context, attempt int, last *reply) bool {
	if attempt == r.attempts {
		last.hopeless = true
		last.reason += fmt.Sprintf("; gave up at attempt %d", attempt)
		return false
	}
	if last.after > maxAfter {
		last.hopeless = true
		last.reason += fmt.Sprintf(", to come back after %v, which is too long to wait", last.after)
		return false
	}
	timer := time.NewTimer(delay(attempt, last.after))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
