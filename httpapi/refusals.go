package httpapi

import (
	"errors"
	"fmt"

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

// unavailable returns why the engine cannot do this work now, or nil if it can.
func (s *Server) unavailable(w work) *problem {
	status := s.engine.Status()
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

// answering wraps a handler that asks the engine, to refuse requests while it cannot answer.
func (s *Server) answering(handle fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if p := s.unavailable(reading); p != nil {
			s.refuse(ctx, p)
			return
		}
		handle(ctx)
	}
}

// appendProblem makes a problem of an error of Engine.Append. o is what the batch is called.
func appendProblem(err error, o *flow.Origin) *problem {
	name := "this key"
	if o.Agent != "" {
		name = fmt.Sprintf("sequence %d of this agent", o.Seq)
	}
	var hours *flow.HoursError
	switch {
	case errors.As(err, &hours):
		return hoursProblem(hours)
	case errors.Is(err, flow.ErrReused):
		return &problem{
			status: fasthttp.StatusUnprocessableEntity, reason: reasonReused,
			detail: fmt.Sprintf("A batch with other flows came as %s before, so nothing of this one counts; "+
				"send it by a name of its own, and a batch that is sent again as it was.", name),
		}
	case errors.Is(err, flow.ErrTooOld):
		return &problem{
			status: fasthttp.StatusConflict, reason: reasonTooOld,
			detail: fmt.Sprintf("For %s it is not known any more whether it counted, so nothing was added: it is %d or more "+
				"behind the highest that the agent sent. Have at most %d sequences in a row under way, and send what "+
				"had no answer again before newer ones.", name, flow.SeqWindow, flow.SeqWindow),
		}
	case errors.Is(err, flow.ErrTooManyHours):
		return &problem{
			status: fasthttp.StatusRequestEntityTooLarge, reason: reasonTooManyHours,
			detail: "The batch has flows of more hours than the server keeps, so none of them counts; " +
				"send fewer hours at once, or raise max-hours.",
		}
	case errors.Is(err, flow.ErrInDoubt):
		return inDoubt(err, o)
	}
	return engineProblem(err, "Nothing of the batch counts.")
}

// hoursProblem makes a problem of hours that may not be. To send the batch again does not help, so it is
// an error of the client's.
func hoursProblem(err *flow.HoursError) *problem {
	p := &problem{status: fasthttp.StatusBadRequest, reason: reasonMaxHours, detail: err.Detail}
	if err.Bound == "max-ahead" {
		p.reason = reasonMaxAhead
	}
	return p.withFields(err.Fields, err.Omitted)
}

// withFields adds what is wrong, place by place.
func (p *problem) withFields(fields []flow.FieldError, omitted int) *problem {
	p.fields = fields
	if omitted > 0 {
		p.detail += fmt.Sprintf(" %d more are not listed.", omitted)
	}
	return p
}

// inDoubt says that it is not known yet whether a batch counts.
func inDoubt(err error, o *flow.Origin) *problem {
	p := &problem{
		status: fasthttp.StatusInternalServerError, reason: reasonInDoubt, cause: err,
		detail: "The disk failed while the batch was written to it, so it is not known whether it counts. " +
			"The server must be restarted; once it is, send the batch again with the same key or sequence, and it counts once.",
	}
	if !o.Named() {
		p.detail = "The disk failed while the batch was written to it, so it is not known whether it counts. " +
			"The server must be restarted; the batch has neither a key nor a sequence, so to send it again may count it twice."
	}
	return p
}

// rowsProblem makes a problem of an error of the rows of hour h.
func rowsProblem(err error, h flow.Hour) *problem {
	if p := engineProblem(err, ""); p.reason == reasonUnavailable {
		return p
	}
	return &problem{
		status: fasthttp.StatusInternalServerError, reason: reasonDamagedBlock, cause: err,
		detail: fmt.Sprintf("Hour %d cannot be answered: its file on the server's disk is damaged or cannot be read. "+
			"The operator should run flowd verify, which tells what is damaged; other hours are not concerned.", h),
	}
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
