package ingest

import (
	"github.com/valyala/fasthttp"

	"flowd/httpapi/reject"
)

// outcome is what became of a batch.
type outcome uint8

const (
	outcomeFailed      outcome = iota // a fault of the server
	outcomeAccepted                   // added up
	outcomeDuplicate                  // counted since it was sent before
	outcomeRejected                   // a fault of the client
	outcomeOverload                   // a limit was used up; the same batch may pass later
	outcomeUnavailable                // the engine takes none now; the same batch may pass later
	outcomes

	outcomeNone = outcomes // nothing yet: the body is still to be sent
)

var outcomeNames = [outcomes]string{
	outcomeFailed:      "failed",
	outcomeAccepted:    "accepted",
	outcomeDuplicate:   "duplicate",
	outcomeRejected:    "rejected",
	outcomeOverload:    "overloaded",
	outcomeUnavailable: "unavailable",
}

// outcomeOf returns what a problem makes of the batch that it rejects.
func outcomeOf(p *reject.Problem) outcome {
	switch {
	case p.Reason == reject.Unavailable:
		return outcomeUnavailable
	case p.Status == fasthttp.StatusServiceUnavailable, p.Status == fasthttp.StatusTooManyRequests:
		return outcomeOverload
	case p.Status >= fasthttp.StatusInternalServerError:
		return outcomeFailed
	}
	return outcomeRejected
}
