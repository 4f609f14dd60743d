package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
)

// agent sends one batch after the other, each under a name of its own.
type agent struct {
	*testRun
	name   string
	byKey  bool
	number uint64 // of its last batch
	random *rand.Rand
	// first carries the batches, second those that are sent twice at once.
	first, second *sender
	// recent are the last batches that were answered, the oldest first.
	recent []*batch
}

// recentBatches is from how far back a batch is sent once more: well within the window of sequences
// that a server must know.
const recentBatches = 32

func newAgent(r *testRun, i int) (*agent, error) {
	first, err := newSender(r)
	if err != nil {
		return nil, err
	}
	second, err := newSender(r)
	if err != nil {
		return nil, err
	}
	return &agent{
		testRun: r, name: fmt.Sprintf("%s-%d", r.id, i), byKey: i%2 == 1,
		random: rand.New(rand.NewPCG(r.Seed, uint64(i))), first: first, second: second,
	}, nil
}

// loop sends batches until the run is over, and finishes the last one unless ctx ends.
func (a *agent) loop(ctx context.Context) {
	defer a.first.conn.Close()
	defer a.second.conn.Close()
	for !a.over.Load() && ctx.Err() == nil {
		a.send(ctx, a.nextBatch())
	}
}

func (a *agent) nextBatch() *batch {
	a.number++
	p := &batch{k: a.next.Add(1) - 1}
	if a.HourPosts > 0 {
		p.moves = int(min(p.k/uint64(a.HourPosts), uint64(a.Moves)))
	}
	if a.byKey {
		p.name.Key = fmt.Sprintf("%s-%d", a.name, a.number)
	} else {
		p.name.Agent, p.name.Seq = a.name, a.number
	}
	return p
}

// send delivers a batch, enters it into the account, and perhaps sends it or another once more.
func (a *agent) send(ctx context.Context, p *batch) {
	twice := a.random.Float64() < a.Duplicates
	way := a.random.IntN(3)
	if twice && way == 0 {
		a.sendTwiceAtOnce(ctx, p)
	} else {
		a.first.deliver(ctx, p)
	}
	if wrong := p.judge(); wrong != "" {
		a.complain("%s", wrong)
	}
	if !a.enter(p) {
		return
	}
	if twice && way == 1 {
		a.repeat(ctx, p)
	}
	a.recent = append(a.recent, p)
	if len(a.recent) > recentBatches {
		a.recent = append(a.recent[:0], a.recent[1:]...)
	}
	if twice && way == 2 {
		a.repeat(ctx, a.recent[a.random.IntN(len(a.recent))])
	}
}

// enter enters the batch that first sent last into the account, and reports whether it counts.
func (a *agent) enter(p *batch) bool {
	if p.answered() {
		a.batches.Add(1)
		a.flows.Add(uint64(len(a.first.Samples)))
		a.account.Stored(a.first.Samples)
		return true
	}
	a.unfinished.Add(1)
	if p.doubts > 0 {
		a.unanswered.Add(1)
		a.account.Unknown(a.first.Samples)
	}
	return false
}

func (a *agent) sendTwiceAtOnce(ctx context.Context, p *batch) {
	var both sync.WaitGroup
	both.Go(func() { a.second.deliver(ctx, p) })
	a.first.deliver(ctx, p)
	both.Wait()
	a.duplicates.Add(1)
	if p.repeated > 0 {
		a.recognised.Add(1)
	}
}

// repeat sends a batch again that was answered.
func (a *agent) repeat(ctx context.Context, p *batch) {
	before := p.repeated
	if !a.first.deliver(ctx, p) {
		return
	}
	a.duplicates.Add(1)
	if p.repeated > before {
		a.recognised.Add(1)
	}
}
