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

func (b *batch) String() string {
	if b.name.Key != "" {
		return "batch " + b.name.Key
	}
	return fmt.Sprintf("batch %s %d", b.name.Agent, b.name.Seq)
}

// answered tells whether the batch surely counts.
func (b *batch) answered() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fresh+b.repeated > 0
}

// doubt enters a post after which it is not known whether the batch counts.
func (b *batch) doubt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.doubts++
}

// take enters an answer with 200 and returns what is wrong with it, or "". Settled tells whether
// another 200 had come before the post of this one was sent.
func (b *batch) take(duplicate, settled bool) (wrong string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if duplicate {
		b.repeated++
		return ""
	}
	b.fresh++
	switch {
	case settled:
		return fmt.Sprintf("%v was sent again after a 200, and answered as if it were new", b)
	case b.fresh > 1:
		return fmt.Sprintf("%v was sent twice at once, and both were answered as if they were new", b)
	}
	return ""
}

// judge returns what is wrong with all answers to a batch together, once none of it is under way.
func (b *batch) judge() (wrong string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.repeated > 0 && b.fresh == 0 && b.doubts == 0 {
		return fmt.Sprintf("%v was answered as a duplicate, although nothing of it can have counted", b)
	}
	return ""
}
