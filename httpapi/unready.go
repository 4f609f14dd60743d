package httpapi

import (
	"errors"

	"github.com/valyala/fasthttp"

	"flowd/flow"
)

// retryLater is how many seconds a client should wait for a condition that does not pass within a
// moment, such as a full disk.
const retryLater = "10"

// recoveringReason is the engine's word for a start that is still reading what is on disk.
const recoveringReason = "recovering"

// engineReasons are the words of the engine that are known beforehand, so that their metrics are
// there from the start.
var engineReasons = []string{recoveringReason, "disk-full", "open-files", "disk-error", "log-failed", "agents", "agent-share"}

// work is what a request wants of the engine.
type work uint8

const (
	reading work = iota
	writing
)

// unready returns why an engine with this status cannot do this work, or nil if it can.
func unready(status flow.Status, w work) *problem {
	if status.Ready() || w == reading && status.ReadOnly {
		return nil
	}
	p := cannot(status.Reasons[0], status.Detail)
	p.reasons = status.Reasons
	return p
}

// cannot makes a problem of a reason of the engine's.
func cannot(word, detail string) *problem {
	p := overloaded(reasonUnavailable, detail)
	p.word = word
	if word != recoveringReason {
		p.value = retryLater
	}
	return p
}

// engineProblem makes a problem of an error of the engine's that has no answer of its own. more
// is another sentence for the client.
func engineProblem(err error, more string) *problem {
	var refused *flow.UnavailableError
	if errors.As(err, &refused) {
		return cannot(refused.Reason, refused.Detail)
	}
	detail := "The server failed to answer because of a fault of its own, which is in its log."
	if more != "" {
		detail += " " + more
	}
	return &problem{
		status: fasthttp.StatusInternalServerError, reason: reasonFailed, cause: err, detail: detail,
	}
}
