package crash

import (
	"fmt"
	"sync"

	"flowd/loadtest"
)

// batch is a batch with its name, and what was answered to it. The same batch may be sent by two
// connections at once.
type batch struct {
	k     uint64
	moves int
	name  loadtest.BatchName

	mu sync.Mutex
	// fresh and repeated count the answers with 200 that called the batch new, or a duplicate.
	fresh, repeated int
	// doubts counts the posts of it that had no answer, or one after which it may have counted.
	doubts int
}

func (p *batch) String() string {
	if p.name.Key != "" {
		return "batch " + p.name.Key
	}
	return fmt.Sprintf("batch %s %d", p.name.Agent, p.name.Seq)
}

// answered tells whether the batch surely counts.
func (p *batch) answered() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fresh+p.repeated > 0
}

// doubt enters a post after which it is not known whether the batch counts.
func (p *batch) doubt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubts++
}

// take enters an answer with 200 and returns what is wrong with it, or "". Settled tells whether
// another 200 had come before the post of this one was sent.
func (p *batch) take(duplicate, settled bool) (wrong string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if duplicate {
		p.repeated++
		return ""
	}
	p.fresh++
	switch {
	case settled:
		return fmt.Sprintf("%v was sent again after a 200, and answered as if it were new", p)
	case p.fresh > 1:
		return fmt.Sprintf("%v was sent twice at once, and both were answered as if they were new", p)
	}
	return ""
}

// judge returns what is wrong with all answers to a batch together, once none of it is under way.
func (p *batch) judge() (wrong string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.repeated > 0 && p.fresh == 0 && p.doubts == 0 {
		return fmt.Sprintf("%v was answered as a duplicate, although nothing of it can have counted", p)
	}
	return ""
}
