package reject

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

// Work is what a request wants of the engine.
type Work uint8

const (
	Reading Work = iota
	Writing
)

// Unready returns why an engine with this status cannot do this work, or nil if it can.
func Unready(status flow.Status, w Work) *Problem {
	if status.Ready() || w == Reading && status.ReadOnly {
		return nil
	}
	p := unavailableFor(status.Reasons[0], status.Detail)
	p.Reasons = status.Reasons
	return p
}

// unavailableFor makes a problem of a reason of the engine's.
func unavailableFor(word, detail string) *Problem {
	p := Overloaded(Unavailable, detail)
	p.Word = word
	if word != recoveringReason {
		p.Value = retryLater
	}
	return p
}

// Engine makes a problem of an error of the engine's that has no answer of its own. more
// is another sentence for the client.
func Engine(err error, more string) *Problem {
	var refused *flow.UnavailableError
	if errors.As(err, &refused) {
		return unavailableFor(refused.Reason, refused.Detail)
	}
	detail := "The server failed to answer because of a fault of its own, which is in its log."
	if more != "" {
		detail += " " + more
	}
	return &Problem{
		Status: fasthttp.StatusInternalServerError, Reason: Failed, Cause: err, Detail: detail,
	}
}
