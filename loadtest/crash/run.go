package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"flowd/loadtest"
	"flowd/loadtest/verify"
)

// testRun is one crash test, shared by its agents.
type testRun struct {
	Options
	gen     *loadtest.Generator
	account *verify.Account
	server  *server
	id      string // part of the names of all batches, so that no other run has the same
	start   time.Time

	over  atomic.Bool   // no batch is begun any more
	next  atomic.Uint64 // the number of the next batch
	kills int
	early int // kills before the server was ready

	batches, flows         atomic.Uint64 // answered with 200, each counted once
	retries, rescued       atomic.Uint64
	duplicates, recognised atomic.Uint64
	unanswered, miscounted atomic.Uint64
	unfinished             atomic.Uint64

	mu             sync.Mutex
	errors         loadtest.Outcomes
	complaints     []string
	complaintCount uint64
}

func newTestRun(o Options, g *loadtest.Generator) (*testRun, error) {
	v, err := newServer(&o)
	if err != nil {
		return nil, err
	}
	return &testRun{
		Options: o, gen: g, account: verify.NewAccount(g), server: v,
		id: fmt.Sprintf("crash-%08x", rand.Uint32()), complaints: []string{},
	}, nil
}

func (r *testRun) run(ctx context.Context) (report *Report, err error) {
	// The kernel ends the server with the thread that started it, which must be this one until the
	// last server has ended.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer r.server.kill()
	if err := r.startReady(ctx); err != nil {
		return nil, err
	}
	check := verify.New(r.account, r.server.target, loadtest.DialTCP, r.Timeout)
	check.Alone = true
	defer check.Close()
	if err := check.ReadBase(ctx); err != nil {
		return nil, err
	}
	if !check.HasServerTotals() {
		return nil, errors.New("the server has no GET /ledger or no GET /hours, which a crash test compares")
	}
	check.Close()
	elapsed, err := r.crash(ctx)
	if err != nil {
		return nil, err
	}
	interrupted := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	check.Hours = r.Hours + r.reached()
	report = r.report(elapsed, interrupted)
	if report.AfterKills, err = r.compare(ctx, check); err != nil {
		return nil, err
	}
	if err := r.server.stop(); err != nil {
		return nil, err
	}
	if err := r.startReady(ctx); err != nil {
		return nil, err
	}
	if report.AfterStop, err = r.compare(ctx, check); err != nil {
		return nil, err
	}
	if err := r.server.stop(); err != nil {
		return nil, err
	}
	report.judge(r)
	return report, nil
}

func (r *testRun) startReady(ctx context.Context) error {
	if err := r.server.start(); err != nil {
		return err
	}
	return r.server.mustBeReady(ctx)
}

// compare compares the totals on a connection of its own, since no other outlives a restart.
func (r *testRun) compare(ctx context.Context, check *verify.Verifier) (*verify.Verification, error) {
	defer check.Close()
	found, err := check.Compare(ctx, verify.Posts{Unanswered: r.unanswered.Load(), Miscounted: r.miscounted.Load()})
	if err != nil {
		return nil, err
	}
	copied := *found
	return &copied, nil
}

// reached is by how many the hours have moved on.
func (r *testRun) reached() int {
	sent := r.next.Load()
	if r.HourPosts == 0 || sent == 0 {
		return 0
	}
	return int(min((sent-1)/uint64(r.HourPosts), uint64(r.Moves)))
}

// crash lets the agents send while the server is killed, and returns when all they sent is
// answered by a server that is ready.
func (r *testRun) crash(ctx context.Context) (time.Duration, error) {
	agents := make([]*agent, r.Agents)
	for i := range agents {
		var err error
		if agents[i], err = newAgent(r, i); err != nil {
			return 0, err
		}
	}
	// Agents finish what they have under way when the killing is over, for whatever reason.
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stopProgress := r.showProgress()
	defer stopProgress()
	r.start = time.Now()
	var wg sync.WaitGroup
	for _, a := range agents {
		wg.Go(func() { a.loop(sending) })
	}
	finished := make(chan struct{})
	go func() {
		wg.Wait()
		close(finished)
	}()
	err := r.killAll(ctx)
	r.over.Store(true)
	if err == nil {
		err = r.awaitAgents(finished)
	}
	cancel()
	<-finished
	return time.Since(r.start), err
}

// awaitAgents returns when all agents have finished, or when their time for that is over: what they
// have not finished then is reported as unanswered.
func (r *testRun) awaitAgents(finished <-chan struct{}) error {
	patience := time.NewTimer(r.StartWithin)
	defer patience.Stop()
	select {
	case <-finished:
	case <-patience.C:
	case <-r.server.process.Exited():
		return r.server.died()
	}
	return nil
}
