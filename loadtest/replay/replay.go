// Package replay sends the flows of a source, such as a file, to a server.
package replay

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"flowd/client"
	"flowd/flow"
	"flowd/loadtest"
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

// Options says where flows go, and in what portions.
type Options struct {
	// Target is the server: http or https, host, and perhaps a path its routes are under.
	Target string
	// Token is what the server knows the sender by, empty for nothing.
	Token string
	// FlowsPerPost is how many flows a POST has at most, 1 to MaxFlows. One with very
	// long names has fewer, to stay below the server's limit on bytes.
	FlowsPerPost int
	// Connections is how many POSTs may be under way at once, 1 to MaxConnections.
	Connections int
	// Timeout is how long one POST may take, from connecting to the end of its answer.
	Timeout time.Duration
	// Attempts is how often one POST is tried, and how many attempts may fail in a row, before the
	// replay gives up; at least 1.
	Attempts int
}

const (
	// MaxFlows is the most flows that one POST of a replay may have.
	MaxFlows = client.MaxBatchFlows
	// MaxConnections is how many batches of one sender a server can tell apart.
	MaxConnections = client.MaxConnections
	// maxBody is where a POST is full in bytes: well below the 4 MiB that a server takes by
	// default.
	maxBody = 3 << 20
	// maxAge is how long flows wait for more to fill their POST: a source may be a pipe.
	maxAge = 5 * time.Second
	// maxBackoff is the longest pause between two attempts, and maxAfter the longest that a server
	// can ask for.
	maxBackoff = 15 * time.Second
	maxAfter   = 5 * time.Minute
)

func (o *Options) check() error {
	_, err := loadtest.ParseServer(o.Target, o.Token)
	switch {
	case err != nil:
		return err
	case o.FlowsPerPost < 1 || o.FlowsPerPost > MaxFlows:
		return loadtest.Invalid("flows", "must be 1 to %d, not %d", MaxFlows, o.FlowsPerPost)
	case o.Connections < 1 || o.Connections > MaxConnections:
		return loadtest.Invalid("connections", "must be 1 to %d, not %d", MaxConnections, o.Connections)
	case o.Timeout <= 0:
		return loadtest.Invalid("timeout", "must be over 0, not %v", o.Timeout)
	case o.Attempts < 1:
		return loadtest.Invalid("attempts", "must be at least 1, not %d", o.Attempts)
	}
	return nil
}

// Result is the account of a replay, in flows.
type Result struct {
	// Read is how many the source gave. Sent of them left for the server at least once.
	Read, Sent uint64
	// Stored were answered 200, Refused any other way that says they do not count, and of
	// Unknown counts flows whose outcome is not known: the last answer that could tell never came. These three add up to Sent.
	Stored, Refused, Unknown uint64
	// Retries is how many POSTs were sent again.
	Retries uint64
	// Problems are the first few reasons why flows were not stored.
	Problems []string
}

// maxProblems is how many reasons a result keeps.
const maxProblems = 5

// Run sends the flows of src to a server. Its batches are numbered, so a POST without an answer is
// sent again, and counts once.
//
// It ends with an error at the end of a source that has one, where ctx ends, and where going on
// makes no sense: the server cannot be reached, fails for long, or refuses more than the flows of one
// POST. What is under way then is finished, and the account is good in every case. Options that cannot
// be used are a *loadtest.InvalidError before anything is read.
func Run(ctx context.Context, src Source, o Options) (Result, error) {
	if err := o.check(); err != nil {
		return Result{}, err
	}
	return runOver(ctx, src, o, http.DefaultTransport.(*http.Transport).Clone())
}

// runOver is Run through a transport that it may set up.
func runOver(ctx context.Context, src Source, o Options, transport *http.Transport) (Result, error) {
	// Without a bound the transport opens more than one connection for a sender that waits.
	transport.MaxConnsPerHost, transport.MaxIdleConnsPerHost = o.Connections, o.Connections
	defer transport.CloseIdleConnections()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &replay{Options: o, stop: stop}
	var err error
	if r.client, err = client.New(r.clientOptions(transport)); err == nil {
		err = r.client.Open()
	}
	if err != nil {
		return Result{}, err
	}
	end := sync.OnceFunc(func() { r.end(ctx) })
	defer context.AfterFunc(ctx, end)()
	result := Result{Read: r.fill(ctx, src)}
	end()
	r.account(&result)
	if cause := context.Cause(ctx); cause != nil {
		return result, cause
	}
	return result, src.Err()
}

// replay is one call of Run.
type replay struct {
	Options
	client *client.Client
	stop   context.CancelCauseFunc

	mu       sync.Mutex
	problems []string
}

// clientOptions are those of a client that keeps in memory what is under way, and not much more.
func (r *replay) clientOptions(transport *http.Transport) client.Options {
	return client.Options{
		URL: strings.TrimSuffix(r.Target, "/"), Agent: "flowload-replay", Token: client.FixedToken(r.Token),
		HTTP:       &http.Client{Transport: transport},
		SpoolBytes: int64(r.Connections+1) * maxBody, WhenFull: client.Wait,
		BatchFlows: r.FlowsPerPost, BatchBytes: maxBody, BatchAge: maxAge,
		Connections: r.Connections, Timeout: r.Timeout, MaxBackoff: maxBackoff,
		Refused: r.refused, Retrying: r.retrying, Logger: slog.New(slog.DiscardHandler),
	}
}

// fill gives the flows of src to the client, and returns how many it read.
func (r *replay) fill(ctx context.Context, src Source) (read uint64) {
	for ctx.Err() == nil && src.Next() {
		read++
		if err := r.client.Add(src.Flow()); err != nil {
			// After the end of ctx the client is closed, which is no reason of its own.
			r.stop(fmt.Errorf("flow %d: %w", read, err))
		}
	}
	return read
}

// end sends what there is, or finishes what is under way if ctx has ended or does so meanwhile.
func (r *replay) end(ctx context.Context) {
	defer context.AfterFunc(ctx, r.client.Halt)()
	// What stays behind is in the account.
	_ = r.client.Close(context.WithoutCancel(ctx))
}

// account fills in what became of the flows.
func (r *replay) account(result *Result) {
	s := r.client.Stats()
	result.Stored = s.Stored.Flows
	result.Refused = s.Refused.Flows + s.Deferred.Flows
	result.Unknown = s.InDoubt.Flows + s.Uncertain.Flows
	result.Sent = result.Stored + result.Refused + result.Unknown
	result.Retries = s.Retries
	r.mu.Lock()
	defer r.mu.Unlock()
	if left := s.Deferred.Flows + s.Uncertain.Flows; left > 0 {
		r.list(left, s.Problem)
	}
	result.Problems = r.problems
}

// giveUp ends the replay, so that no further POST is begun.
func (r *replay) giveUp(format string, args ...any) {
	r.client.Halt()
	r.stop(fmt.Errorf("stopped: "+format, args...))
}

// list keeps a reason why flows are not stored, if it is one of the first.
func (r *replay) list(flows uint64, reason string) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, fmt.Sprintf("%d flows: %s", flows, reason))
	}
}

// refused is told of a batch that the server does not take.
func (r *replay) refused(batch *client.RefusedBatch) {
	r.mu.Lock()
	r.list(uint64(batch.Flows), batch.Reason)
	r.mu.Unlock()
	// Other statuses say that the batch itself is refused; the next batch would fare no better.
	if batch.Status != http.StatusBadRequest && batch.Status != http.StatusUnprocessableEntity {
		r.giveUp("%s", batch.Reason)
	}
}

// retrying is told of an attempt that failed.
func (r *replay) retrying(a *client.Attempt) {
	switch {
	case a.Status != 0 && a.Status < 500 && a.Status != http.StatusTooManyRequests && a.Status != http.StatusRequestTimeout:
		r.giveUp("%s", a.Reason)
	case a.RetryAfter > maxAfter:
		r.giveUp("%s, to come back after %v, which is too long to wait", a.Reason, a.RetryAfter)
	case max(a.Tries, a.ConsecutiveFailures) >= r.Attempts:
		r.giveUp("%s; gave up at attempt %d", a.Reason, max(a.Tries, a.ConsecutiveFailures))
	}
}
