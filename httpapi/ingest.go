package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"flowd/flow"
)

// Header names and media types of POST /flows. The names are bytes in the form in which
// fasthttp keeps them, so that to look one up converts nothing.
var (
	headerDurability      = []byte("Flowd-Durability")
	headerContentEncoding = []byte("Content-Encoding")

	// unservedHeaders ask for a batch to be counted once although it is sent twice. Who sends
	// one will retry and rely on it, so it must not be ignored.
	unservedHeaders = [][]byte{[]byte("Idempotency-Key"), []byte("Flowd-Agent"), []byte("Flowd-Seq")}

	mediaTypes = []struct {
		name   []byte
		format flow.Format
	}{
		{[]byte("application/json"), flow.JSON},
		{[]byte("application/x-ndjson"), flow.NDJSON},
		{[]byte("application/jsonl"), flow.NDJSON},
	}
	encodings = []struct {
		name     []byte
		encoding encoding
	}{
		{[]byte("gzip"), gzipEncoding},
		{[]byte("zstd"), zstdEncoding},
		{[]byte("identity"), noEncoding},
		{[]byte("x-gzip"), gzipEncoding}, // the same by RFC 9110, 8.4.1.3
	}
)

const (
	acceptPost     = "application/json, application/x-ndjson, application/jsonl"
	acceptEncoding = "gzip, zstd, identity"
)

// ingestHead is what the headers of a POST say about its body.
type ingestHead struct {
	format   flow.Format
	encoding encoding
	length   int // -1: not declared
}

// intake is one POST on its way in, with what it holds meanwhile.
type intake struct {
	server  *Server
	ctx     *fasthttp.RequestCtx
	head    ingestHead
	body    *buffer
	plain   *buffer // what body holds, while it is decompressed
	batch   *flow.Batch
	flows   int
	outcome outcome
}

// postFlows takes a batch: all of its flows count, or none does.
func (s *Server) postFlows(ctx *fasthttp.RequestCtx) {
	in := intake{server: s, ctx: ctx}
	defer in.close()
	if p := in.run(); p != nil {
		in.outcome = outcomeRejected
		if p.status == fasthttp.StatusServiceUnavailable {
			in.outcome = outcomeOverload
		}
		s.refuse(ctx, p)
		return
	}
	in.outcome = outcomeAccepted
	s.metrics.flows.Add(in.flows)
	s.accept(ctx, in.flows)
}

// run takes the batch in, up to where reads see it. The body is complete before anything that
// is scarce is asked for, so that a slow client holds up nobody but itself.
func (in *intake) run() *problem {
	head, p := in.server.checkHead(&in.ctx.Request.Header)
	if p == nil {
		in.head = head
		p = in.readBody()
	}
	if p != nil {
		leaveUnread(in.ctx)
		return p
	}
	if head.encoding != noEncoding {
		if p := in.decompress(); p != nil {
			return p
		}
	}
	limits := &in.server.limits
	in.batch = in.server.engine.Acquire(limits.QueueWait)
	if in.batch == nil {
		return overloaded(reasonQueue, "More comes in than can be added up; send it again later, "+
			"or raise queue-batches or queue-wait.")
	}
	if err := in.batch.Decode(in.body.data, head.format, limits.Flows); err != nil {
		return batchProblem(err)
	}
	in.flows = in.batch.Len()
	batch := in.batch
	in.batch = nil
	in.server.engine.Append(batch)
	return nil
}

// close gives back what the intake holds, also when a handler panics.
func (in *intake) close() {
	in.server.bodies.give(in.body)
	in.server.bodies.give(in.plain)
	if in.batch != nil {
		in.server.engine.Release(in.batch)
	}
	in.server.metrics.batches[in.outcome].Inc()
}

// accept answers that n flows count.
func (s *Server) accept(ctx *fasthttp.RequestCtx, n int) {
	var buf [64]byte
	body := append(buf[:0], `{"accepted":`...)
	body = strconv.AppendInt(body, int64(n), 10)
	body = append(body, `,"duplicate":false}`...)
	ctx.SetContentType(jsonType)
	ctx.Response.Header.SetCanonical(headerDurability, s.durability)
	ctx.Response.SetBody(body)
}

// checkHead reads the headers of a POST, and refuses what can be refused without its body.
func (s *Server) checkHead(h *fasthttp.RequestHeader) (ingestHead, *problem) {
	head := ingestHead{length: h.ContentLength()}
	for _, name := range unservedHeaders {
		if h.PeekCanonical(name) != nil {
			return head, &problem{
				status: fasthttp.StatusBadRequest, reason: reasonUnserved,
				detail: fmt.Sprintf("The header %s is not served by this version: a batch that is sent "+
					"again would be counted twice. Send it without, and do not rely on it.", name),
			}
		}
	}
	var ok bool
	if head.format, ok = formatOf(h.ContentType()); !ok {
		return head, &problem{
			status: fasthttp.StatusUnsupportedMediaType, reason: reasonMediaType,
			detail: "Flows are taken as a JSON array (application/json) or one per line (application/x-ndjson).",
			header: headerAcceptPost, value: acceptPost,
		}
	}
	if head.encoding, ok = encodingOf(h.PeekCanonical(headerContentEncoding)); !ok {
		return head, &problem{
			status: fasthttp.StatusUnsupportedMediaType, reason: reasonEncoding,
			detail: "Bodies are taken as they are, or in one of gzip and zstd.",
			header: headerAcceptEncoding, value: acceptEncoding,
		}
	}
	if head.length > s.limits.BodyBytes {
		return head, s.bodyTooLarge()
	}
	return head, nil
}

// formatOf reads a Content-Type, without regard to case and parameters. None means JSON.
func formatOf(contentType []byte) (flow.Format, bool) {
	if len(contentType) == 0 || string(contentType) == jsonType {
		return flow.JSON, true
	}
	name, _, _ := bytes.Cut(contentType, []byte{';'})
	name = bytes.TrimSpace(name)
	for _, t := range mediaTypes {
		if bytes.EqualFold(name, t.name) {
			return t.format, true
		}
	}
	return flow.JSON, false
}

// encodingOf reads a Content-Encoding.
func encodingOf(contentEncoding []byte) (encoding, bool) {
	if len(contentEncoding) == 0 {
		return noEncoding, true
	}
	for _, e := range encodings {
		if bytes.EqualFold(contentEncoding, e.name) {
			return e.encoding, true
		}
	}
	return noEncoding, false
}

// batchProblem makes a problem of an error of flow.Batch.Decode.
func batchProblem(err error) *problem {
	var tooMany *flow.TooManyFlowsError
	if errors.As(err, &tooMany) {
		return &problem{
			status: fasthttp.StatusRequestEntityTooLarge, reason: reasonTooManyFlows,
			detail: fmt.Sprintf("The batch has more than %d flows; send it in parts, or raise max-flows.", tooMany.Limit),
		}
	}
	p := &problem{
		status: fasthttp.StatusBadRequest, reason: reasonInvalidBatch,
		detail: "The batch has errors, so none of its flows counts.",
	}
	var invalid *flow.DecodeError
	if errors.As(err, &invalid) {
		p.fields = invalid.Fields
		if invalid.Omitted > 0 {
			p.detail += fmt.Sprintf(" %d more are not listed.", invalid.Omitted)
		}
	}
	return p
}
