package ingest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"flowd/flow/flowjson"
	"flowd/httpapi/conn"
	"flowd/httpapi/reject"
	"flowd/limit"
)

// acquireBytes rejects a body of n bytes that is more than its sender may send now.
func (in *request) acquireBytes(n int) *reject.Problem {
	s := in.ingester
	if s.options.Buckets.Unbounded() {
		return nil
	}
	wait := s.options.Buckets.TakeBytes(in.client.Name, n, in.clock())
	if wait == 0 {
		in.chargedBytes = n
		return nil
	}
	s.limitedBytes.Inc()
	if wait == limit.Never {
		return overBurst(fmt.Sprintf("The body has %d bytes, and no client may send more than %d at once; send less at once, "+
			"or raise rate-bytes-burst.", n, s.options.Buckets.Rates().BytesBurst))
	}
	return overRate(wait, fmt.Sprintf("This client has sent as many bytes as it may, %d a second; send it again later, "+
		"or raise rate-bytes.", s.options.Buckets.Rates().Bytes))
}

// acquireFlows rejects a batch of more flows than its sender may send now.
func (in *request) acquireFlows() *reject.Problem {
	s, n := in.ingester, in.batch.Len()
	if s.options.Buckets.Unbounded() {
		return nil
	}
	wait := s.options.Buckets.TakeFlows(in.client.Name, n, in.clock())
	if wait == 0 {
		in.chargedFlows = n
		return nil
	}
	s.limitedFlows.Inc()
	if wait == limit.Never {
		return overBurst(fmt.Sprintf("The batch has %d flows, and no client may send more than %d at once; send it in parts, "+
			"or raise rate-flows-burst.", n, s.options.Buckets.Rates().FlowsBurst))
	}
	return overRate(wait, fmt.Sprintf("This client has sent as many flows as it may, %d a second; send it again later, "+
		"or raise rate-flows.", s.options.Buckets.Rates().Flows))
}

func overRate(wait time.Duration, detail string) *reject.Problem {
	return &reject.Problem{
		Status: fasthttp.StatusTooManyRequests, Reason: reject.Rate, Detail: detail,
		Header: reject.RetryAfter, Value: limit.RetryAfter(wait),
	}
}

// overBurst rejects what would be too much at any time.
func overBurst(detail string) *reject.Problem {
	return &reject.Problem{Status: fasthttp.StatusRequestEntityTooLarge, Reason: reject.Burst, Detail: detail}
}

// clock is when the body was complete: when this is called first.
func (in *request) clock() time.Time {
	if in.now.IsZero() {
		in.now = time.Now()
	}
	return in.now
}

// enter acquires a slot, and with it the right to work on the body. The body is complete before that, so
// that a slow client delays only itself.
func (in *request) enter() *reject.Problem {
	s := in.ingester
	entry := s.shares.Enter(&in.client.Slot, 0)
	if entry != limit.Entered {
		in.clock() // counts for all waiting
		entry = s.shares.Enter(&in.client.Slot, s.current.Load().QueueWait)
	}
	switch entry {
	case limit.Entered:
		in.entered = true
	case limit.OverShare:
		return s.behind(reject.OverShare, "More batches come in than can be added up, and this client holds its share of their slots; "+
			"have fewer requests under way at once, and send this one again later.")
	case limit.NoPlace:
		return s.behind(reject.QueueFull, moreThanCan)
	}
	return nil
}

// byteOrderMark is what some editors put before a text in UTF-8. No JSON begins with it, and a reader of JSON may
// skip it (RFC 8259, 8.1).
var byteOrderMark = []byte("\ufeff")

// fill gets a batch and fills it with the flows of the body, if its sender may send them.
func (in *request) fill() *reject.Problem {
	s, limits := in.ingester, in.ingester.current.Load()
	wait := limits.QueueWait
	if !in.now.IsZero() {
		wait = max(wait-time.Since(in.now), 0)
	}
	if in.batch = s.options.Engine.Acquire(wait); in.batch == nil {
		return s.behind(reject.QueueFull, moreThanCan)
	}
	if err := flowjson.Decode(in.batch, bytes.TrimPrefix(in.body.Data, byteOrderMark), in.head.format, limits.Flows); err != nil {
		return batchProblem(err)
	}
	if p := foreignVPCs(in.batch, in.right); p != nil {
		return p
	}
	return in.acquireFlows()
}

const moreThanCan = "More comes in than can be added up; send it again later, or raise queue-batches or queue-wait."

// behind says that batches come faster than they can be taken, and when it should be better.
func (s *Ingester) behind(r reject.Reason, detail string) *reject.Problem {
	p := reject.Overloaded(r, detail)
	p.Value = limit.RetryAfter(s.drain.Wait(s.shares.Waiting()+s.options.Slots, time.Now()))
	return p
}

// leave releases the slot, and notes that a piece of the queue is done.
func (in *request) leave() {
	if in.entered {
		in.ingester.shares.Leave(&in.client.Slot)
		in.ingester.drain.Done(1, conn.Finished(in.ctx))
	}
	// A client that is sent away by one limit, or by the server's state, does not use up another.
	if in.outcome == outcomeOverload || in.outcome == outcomeUnavailable {
		in.ingester.options.Buckets.GiveBytes(in.client.Name, in.chargedBytes)
		in.ingester.options.Buckets.GiveFlows(in.client.Name, in.chargedFlows)
	}
}
