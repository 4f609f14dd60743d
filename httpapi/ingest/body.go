package ingest

import (
	"fmt"

	"github.com/valyala/fasthttp"

	"flowd/httpapi/conn"
	"flowd/httpapi/reject"
	"flowd/httpapi/reservation"
	"flowd/humanize"
)

// firstRead is the most memory that a body gets before a byte of it has arrived, whatever length
// it declares.
const firstRead = 16 << 10

// readBody reads the body as it was sent.
func (in *request) readBody() *reject.Problem {
	s, length := in.ingester, in.head.length
	in.body = s.bodies.Acquire(min(max(length, 0), firstRead), in.client)
	if in.body == nil {
		return s.noMemory()
	}
	stream := in.ctx.RequestBodyStream()
	switch {
	case stream != nil:
	case length == -1, length > 0:
		return in.wantBody()
	default: // neither a length nor chunks: there is no body
		return nil
	}
	if length < 0 {
		stream = conn.ChunkedBody(in.ctx, stream)
	}
	err := s.bodies.Fill(&in.body, stream, length, s.options.BodyBytes)
	if err == nil && length < 0 {
		err = conn.ChunksEnd(in.ctx)
	}
	switch err {
	case nil:
		s.bodyBytes.Add(len(in.body.Data))
		return nil
	case reservation.ErrNoMemory:
		return s.noMemory()
	case reservation.ErrTooLarge:
		in.ctx.SetConnectionClose()
		return s.bodyTooLarge()
	default:
		in.ctx.SetConnectionClose()
		return s.options.Conns.Problem(err)
	}
}

// bodyWanted is no rejection: the head is good, and the client waits to be told so before it sends the body.
var bodyWanted = &reject.Problem{Status: fasthttp.StatusContinue}

// wantBody looks at what the declared length of a body that is still to be sent decides already.
func (in *request) wantBody() *reject.Problem {
	if length := in.head.length; length > 0 {
		if p := in.acquireBytes(length); p != nil {
			return p
		}
		in.ingester.options.Buckets.GiveBytes(in.client.Name, in.chargedBytes)
		in.chargedBytes = 0
	}
	return bodyWanted
}

// noMemory says why no memory for a body was acquired.
func (s *Ingester) noMemory() *reject.Problem {
	if s.bodies.Short() {
		return memoryShort()
	}
	return reject.Overloaded(reject.InflightBytes, fmt.Sprintf("The bodies of all requests together would pass %s, or those of this client "+
		"its share of that; send it again later, or raise max-inflight-bytes.", humanize.Limit(s.options.InflightBytes)))
}

// memoryShort rejects a batch since the process's memory comes near to its limit.
func memoryShort() *reject.Problem {
	return reject.Overloaded(reject.NoMemory, "The server has no memory left for flows until others have left it for the disk, "+
		"which takes seconds; send it again later. If it comes often, the server needs more memory.")
}

func (s *Ingester) bodyTooLarge() *reject.Problem {
	return &reject.Problem{
		Status: fasthttp.StatusRequestEntityTooLarge, Reason: reject.BodyTooLarge,
		Detail: fmt.Sprintf("The body is larger than %s; send smaller batches, or raise max-body-bytes.",
			humanize.Limit(int64(s.options.BodyBytes))),
	}
}
