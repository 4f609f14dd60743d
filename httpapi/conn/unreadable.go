package conn

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/valyala/fasthttp"

	"flowd/httpapi/reject"
	"flowd/humanize"
)

// Problem tells what was wrong with a request by the error of reading it.
func (s *Set) Problem(err error) *reject.Problem {
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &small):
		return &reject.Problem{
			Status: fasthttp.StatusRequestHeaderFieldsTooLarge, Reason: reject.HeaderTooLarge,
			Detail: "The request line and the headers are longer than " + humanize.Limit(int64(s.options.HeaderBytes)) +
				" together; send less, or raise max-header-bytes.",
		}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &reject.Problem{
			Status: fasthttp.StatusRequestTimeout, Reason: reject.Timeout,
			Detail: "The request did not arrive within " + s.options.Read.String() +
				"; send it faster or in smaller parts, or raise read-timeout.",
		}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return &reject.Problem{
			Status: fasthttp.StatusBadRequest, Reason: reject.CutShort,
			Detail: "The connection ended before the request did; nothing of it counts.",
		}
	case errors.Is(err, errVersion), unknownVersion(err):
		return WrongVersion()
	default:
		for fault, detail := range malformedDetails {
			if errors.Is(err, fault) {
				return &reject.Problem{Status: fasthttp.StatusBadRequest, Reason: reject.Malformed, Detail: detail}
			}
		}
		return &reject.Problem{
			Status: fasthttp.StatusBadRequest, Reason: reject.Malformed,
			Detail: "The request is not well-formed HTTP/1.1; nothing of it counts.",
		}
	}
}
