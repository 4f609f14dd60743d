package ingest

import (
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/httpapi/reject"
)

// appendProblem makes a problem of an error of Engine.Append. o is what the batch is called.
func appendProblem(err error, o *flow.Origin) *reject.Problem {
	name := "this key"
	if o.Agent != "" {
		name = fmt.Sprintf("sequence %d of this agent", o.Seq)
	}
	var hours *flow.HoursError
	var large *flow.BatchTooLargeError
	switch {
	case errors.As(err, &hours):
		return hoursProblem(hours)
	case errors.Is(err, flow.ErrReused):
		return &reject.Problem{
			Status: fasthttp.StatusUnprocessableEntity, Reason: reject.NameReused,
			Detail: fmt.Sprintf("A batch with other flows came as %s before, so nothing of this one counts; "+
				"send it by a name of its own, and a batch that is sent again as it was.", name),
		}
	case errors.Is(err, flow.ErrTooOld):
		return &reject.Problem{
			Status: fasthttp.StatusConflict, Reason: reject.TooOld,
			Detail: fmt.Sprintf("For %s it is not known any more whether it counted, so nothing was added: it is %d or more "+
				"behind the highest that the agent sent. Have at most %d sequences in a row under way, and send what "+
				"had no answer again before newer ones.", name, flow.SeqWindow, flow.SeqWindow),
		}
	case errors.Is(err, flow.ErrTooManyHours):
		return &reject.Problem{
			Status: fasthttp.StatusRequestEntityTooLarge, Reason: reject.TooManyHours,
			Detail: "The batch has flows of more hours than the server keeps, so none of them counts; " +
				"send fewer hours at once, or raise max-hours.",
		}
	case errors.As(err, &large):
		return &reject.Problem{
			Status: fasthttp.StatusRequestEntityTooLarge, Reason: reject.BatchTooLarge,
			Detail: fmt.Sprintf("The batch takes up to %d bytes in the log of the server, and a segment of it has room for %d, so none of "+
				"its flows counts; send fewer flows at once, or raise segment-bytes.", large.Bytes, large.Most),
		}
	case errors.Is(err, flow.ErrInDoubt):
		return inDoubt(err, o)
	}
	return reject.Engine(err, "Nothing of the batch counts.")
}

// hoursProblem makes a problem of hours that may not be. To send the batch again does not help, so it is
// an error of the client's.
func hoursProblem(err *flow.HoursError) *reject.Problem {
	p := &reject.Problem{Status: fasthttp.StatusBadRequest, Reason: reject.MaxHours, Detail: err.Detail}
	if err.Bound == "max-ahead" {
		p.Reason = reject.MaxAhead
	}
	return p.WithFields(err.Fields, err.Omitted)
}

// inDoubt says that it is not known yet whether a batch counts.
func inDoubt(err error, o *flow.Origin) *reject.Problem {
	p := &reject.Problem{
		Status: fasthttp.StatusInternalServerError, Reason: reject.InDoubt, Cause: err,
		Detail: "The disk failed while the batch was written to it, so it is not known whether it counts. " +
			"The server must be restarted; once it is, send the batch again with the same key or sequence, and it counts once.",
	}
	if !o.Named() {
		p.Detail = "The disk failed while the batch was written to it, so it is not known whether it counts. " +
			"The server must be restarted; the batch has neither a key nor a sequence, so to send it again may count it twice."
	}
	return p
}
