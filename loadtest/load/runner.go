// Package load sends a workload to a server at a rate and reports latencies, counted from when each request was due
// whatever the server does. Run is one load, Max searches the highest rate that the server holds, and Burst sends
// prepared bodies at the least cost.
package load

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"flowd/loadtest"
	"flowd/loadtest/verify"
)

// Run puts a load on a server and reports the result. It returns a *loadtest.InvalidError for
// options that cannot be used, and an error if the server cannot be reached or, with Verify,
// not be read. What the server does wrong under load is no error but in the report: see
// Report.Verification. If the server cannot be read any more after the load, the report of the
// load comes with the error.
//
// When ctx ends, no request is sent any more; those under way are finished, and what was sent
// is reported and verified as ever. If it ends during the verification, Run returns its error.
func Run(ctx context.Context, o Options) (*Report, error) {
	return runIn(ctx, realEnvironment, o)
}

func runIn(ctx context.Context, env environment, o Options) (*Report, error) {
	t, err := o.check()
	if err != nil {
		return nil, err
	}
	gen, err := loadtest.NewGenerator(o.Workload)
	if err != nil {
		return nil, err
	}
	l := &load{Options: o, target: &t, gen: gen, env: env}
	if err := l.checkReady(); err != nil {
		return nil, err
	}
	if !o.Verify {
		return l.run(ctx)
	}
	l.account = verify.NewAccount(gen)
	v := verify.New(l.account, &t, l.env.dial, o.Timeout)
	defer v.Close()
	if err := v.ReadBase(ctx); err != nil {
		return nil, err
	}
	// The server may close what rests during the load.
	v.Close()
	report, err := l.run(ctx)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		// The load was ended early, which is no reason to leave it unverified.
		ctx = context.WithoutCancel(ctx)
	}
	report.Verification, err = v.Compare(ctx, verify.Posts{Unanswered: l.unanswered.Load(), Miscounted: l.miscounted.Load()})
	return report, err
}

// environment is what a load uses of the system. Tests replace it.
type environment struct {
	dial       loadtest.DialFunc
	newSleeper func() (sleep func(time.Duration), free func(), err error)
}

var realEnvironment = environment{dial: loadtest.DialTCP, newSleeper: newSleeper}

// load is one run of a workload, shared by its connections.
type load struct {
	Options
	target  *loadtest.Target
	gen     *loadtest.Generator
	account *verify.Account // nil when nothing is verified
	env     environment

	pacer     Pacer
	mix       Mix
	start     time.Time
	next      atomic.Uint64 // the number of the next request
	recorders []*recorder
	// miscounted are posts answered with 200 and another number of flows than they had.
	miscounted atomic.Uint64
	// unanswered are posts that the server may have counted or not.
	unanswered atomic.Uint64
}

// run sends the requests and returns when the last is answered. It may be called once.
func (l *load) run(ctx context.Context) (*Report, error) {
	l.mix = Mix{l.Reads}
	l.pacer = Pacer{l.mix.Requests(l.Rate)}
	for range runtime.GOMAXPROCS(0) {
		l.recorders = append(l.recorders, newRecorder())
	}
	workers, err := l.connect()
	defer func() {
		for _, w := range workers {
			w.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	use := l.watchProcesses()
	l.start = time.Now()
	stopProgress, stopFootprint := l.showProgress(), l.watchFootprint()
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() { w.loop(ctx) })
	}
	wg.Wait()
	elapsed := time.Since(l.start)
	stopProgress()
	report := l.report(elapsed, ctx.Err() != nil, use)
	report.Footprints = stopFootprint()
	return report, nil
}

// connect opens all connections, so that none is opened on the time of a request.
func (l *load) connect() ([]*worker, error) {
	workers := make([]*worker, 0, l.Connections)
	for i := range l.Connections {
		w, err := newWorker(l, l.recorders[i%len(l.recorders)])
		if err != nil {
			return workers, err
		}
		workers = append(workers, w)
		if err := w.conn.Ready(time.Now().Add(l.Timeout)); err != nil {
			return workers, fmt.Errorf("connection %d of %d: %w", i+1, l.Connections, err)
		}
	}
	return workers, nil
}

// checkReady asks the server whether it is ready, so that a wrong address or a server that
// still starts is told at once and not as the failure of every request.
func (l *load) checkReady() error {
	c := loadtest.NewConn(l.target, l.env.dial)
	defer c.Close()
	a, err := c.RoundTrip(loadtest.AppendGet(nil, l.target, "/readyz"), nil, time.Now().Add(l.Timeout))
	if err != nil {
		return fmt.Errorf("no answer from %s: %w", l.Target, err)
	}
	if a.Status == http.StatusServiceUnavailable {
		return fmt.Errorf("%s is not ready: %s", l.Target, c.Beginning())
	}
	return nil
}
