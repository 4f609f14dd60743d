package httpapi

import (
	"fmt"
	"io"

	"github.com/valyala/fasthttp"
)

// firstRead is the most memory that a body gets before a byte of it has arrived, whatever length
// it declares.
const firstRead = 16 << 10

// readBody reads the body as it was sent.
func (in *intake) readBody() *problem {
	s, length := in.server, in.head.length
	in.body = s.bodies.take(min(max(length, 0), firstRead), in.holding)
	if in.body == nil {
		return s.noMemory()
	}
	stream := in.ctx.RequestBodyStream()
	if stream == nil { // neither a length nor chunks: there is no body
		return nil
	}
	err := s.bodies.fill(&in.body, stream, length, s.limits.BodyBytes)
	if err == nil && length < 0 && endedEarly(in.ctx) {
		err = io.ErrUnexpectedEOF
	}
	switch err {
	case nil:
		s.metrics.bodyBytes.Add(len(in.body.data))
		return nil
	case errNoMemory:
		return s.noMemory()
	case errTooLarge:
		in.ctx.SetConnectionClose()
		return s.bodyTooLarge()
	default:
		in.ctx.SetConnectionClose()
		return s.readProblem(err)
	}
}

func (s *Server) noMemory() *problem {
	return overloaded(reasonInflight, fmt.Sprintf("The bodies of all requests together would pass %s, or those of this client "+
		"its share of that; send it again later, or raise max-inflight-bytes.", bytesText(s.limits.InflightBytes)))
}

func (s *Server) bodyTooLarge() *problem {
	return &problem{
		status: fasthttp.StatusRequestEntityTooLarge, reason: reasonBodySize,
		detail: fmt.Sprintf("The body is larger than %s; send smaller batches, or raise max-body-bytes.",
			bytesText(int64(s.limits.BodyBytes))),
	}
}

// bytesText writes a size as people do.
func bytesText(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}
