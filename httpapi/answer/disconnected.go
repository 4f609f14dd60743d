package answer

import (
	"time"

	"flowd/httpapi/reject"

	"github.com/valyala/fasthttp"
)

// lookEvery is how often a client is looked after at most while its answer is worked out: to look
// costs a microsecond. An answer that takes less than this is always given.
const lookEvery = 5 * time.Millisecond

// Disconnected reports whether the client has left. It is for query.Options.
func (a *Answer) Disconnected() bool {
	now := time.Since(a.sender.epoch)
	if now < a.look || a.disconnected {
		return a.disconnected
	}
	a.look = now + lookEvery
	a.disconnected = a.request.Conn.Disconnected()
	return a.disconnected
}

// clientDisconnected says that an answer was given up. Mostly it is not read; a client that closed the sending side
// alone learns why there is no answer.
func clientDisconnected() *reject.Problem {
	return &reject.Problem{
		Status: fasthttp.StatusBadRequest, Reason: reject.Disconnected,
		Detail: "The connection was closed from the client's side before the answer was worked out, so the question was " +
			"given up; keep it open in both directions until the answer is there.",
	}
}
