package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// earlyShare is the share of the kills that come before the server is ready.
const earlyShare = 0.25

// killAll kills the server and starts it again, until it was killed often enough or ctx ends, and
// leaves one that is ready.
func (r *testRun) killAll(ctx context.Context) error {
	random := rand.New(rand.NewPCG(r.Seed, uint64(r.Agents)))
	for r.kills < r.Kills && ctx.Err() == nil {
		ready, err := r.letServe(ctx, random)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		r.server.kill()
		r.mu.Lock()
		r.kills++
		r.mu.Unlock()
		if !ready {
			r.early++
		}
		if err := r.server.start(); err != nil {
			return err
		}
	}
	if err := r.server.mustBeReady(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if r.Kills > 0 || ctx.Err() != nil {
		return nil
	}
	if err := r.awaitBatches(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

// letServe returns when it is time for the next kill, and whether the server was ready by then.
func (r *testRun) letServe(ctx context.Context, random *rand.Rand) (ready bool, err error) {
	if r.kills > 0 && r.kills < r.Kills-1 && random.Float64() < earlyShare {
		usual := r.server.recoveries[len(r.server.recoveries)-1]
		at := r.server.began.Add(time.Duration(random.Float64() * float64(usual)))
		err := r.server.waitReady(ctx, at)
		if errors.Is(err, errNotReady) {
			return false, nil
		}
		return true, err
	}
	if err := r.server.mustBeReady(ctx); err != nil {
		return false, err
	}
	wait := min(random.ExpFloat64(), maxWait) * float64(r.KillEvery)
	if err := r.server.rest(ctx, time.Duration(wait)); err != nil {
		return true, err
	}
	if r.kills == r.Kills-1 {
		return true, r.awaitBatches(ctx)
	}
	return true, nil
}

// awaitBatches returns when as many batches are answered as must be before the last kill.
func (r *testRun) awaitBatches(ctx context.Context) error {
	answered, since := r.batches.Load(), time.Now()
	for answered < uint64(r.MinBatches) {
		if err := r.server.rest(ctx, readyEvery); err != nil {
			return err
		}
		if now := r.batches.Load(); now > answered {
			answered, since = now, time.Now()
		} else if time.Since(since) > r.StartWithin {
			return fmt.Errorf("no batch was answered with 200 for %v, after %d; the server printed:\n%s",
				r.StartWithin, answered, r.server.process.Output())
		}
	}
	return nil
}

// maxWait bounds the time between two kills, in times of their mean.
const maxWait = 10
