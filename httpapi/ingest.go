package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/flow"
	"flowd/flow/flowjson"
)

// Header names and media types of POST /flows. The names are bytes in the form in which
// fasthttp keeps them, so that to look one up converts nothing.
var (
	headerDurability      = []byte("Flowd-Durability")
	headerContentEncoding = []byte("Content-Encoding")
	headerReplayed        = []byte("Idempotency-Replayed")
	replayed              = []byte("true")

	mediaTypes = []struct {
		name   []byte
		format flowjson.Format
	}{
		{[]byte("application/json"), flowjson.JSON},
		{[]byte("application/x-ndjson"), flowjson.NDJSON},
		{[]byte("application/jsonl"), flowjson.NDJSON},
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

// ingestHead is what the headers of a POST say about its batch and body.
type ingestHead struct {
	origin   flow.Origin
	format   flowjson.Format
	encoding encoding
	length   int // -1: not declared
}

// intake is one POST on its way in, and the resources that it holds.
type intake struct {
	server *Server
	ctx    *fasthttp.RequestCtx
	head   ingestHead
	body   *buffer
	plain  *buffer // what body holds, while it is decompressed
	right  *access.Right
	client *clientState
	placed bool      // client has a place of shares
	now    time.Time // when the body was complete, or zero until clock is called
	// What the client's buckets were charged, for it to be given back if the batch is not taken.
	chargedBytes, chargedFlows int
	batch                      *flow.Batch
	flows                      int
	receipt                    flow.Receipt
	outcome                    outcome
}

// postFlows takes a batch: all of its flows count, or none does.
func (s *Server) postFlows(ctx *fasthttp.RequestCtx) {
	right := rightOf(ctx)
	in := intake{server: s, ctx: ctx, right: right, client: s.clientOf(ctx, right)}
	in.client.requests.Add(1)
	defer in.close()
	switch p := in.run(); p {
	case nil:
		in.accept()
	case bodyWanted:
		ctx.SetStatusCode(p.status)
		in.outcome = outcomeNone
	default:
		in.outcome = p.outcome()
		s.refuse(ctx, p)
	}
}

// run takes the batch in, up to where reads see it. The body is complete before anything that
// is scarce is asked for, so that a slow client delays only itself.
func (in *intake) run() *problem {
	head := &in.head
	p := in.server.readHead(&in.ctx.Request.Header, head)
	head.origin.Client = in.right.Name // keys of one token say nothing of those of another
	head.origin.Sender = flow.Sender{Name: in.right.Name, Address: in.client.name}
	if p == nil {
		p = in.readBody()
	}
	if p != nil {
		if p != bodyWanted {
			leaveUnread(in.ctx)
		}
		return p
	}
	if p := in.takeBytes(len(in.body.data)); p != nil {
		return p
	}
	if p := in.enter(); p != nil {
		return p
	}
	if head.encoding != noEncoding {
		if p := in.decompress(); p != nil {
			return p
		}
	}
	if p := in.fill(); p != nil {
		return p
	}
	in.flows = in.batch.Len()
	batch := in.batch
	in.batch = nil
	receipt, err := in.server.engine.Append(batch, head.origin)
	if err != nil {
		return appendProblem(err, &head.origin)
	}
	in.receipt = receipt
	return nil
}

// close gives back what the intake holds, also when a handler panics.
func (in *intake) close() {
	in.server.bodies.give(in.body)
	in.server.bodies.give(in.plain)
	in.client.requests.Add(-1)
	if in.batch != nil {
		in.server.engine.Release(in.batch)
	}
	in.leave()
	if in.outcome != outcomeNone {
		in.server.metrics.batches[in.outcome].Inc()
	}
}

// accept answers that the flows count, since now or since the batch was sent before.
func (in *intake) accept() {
	s, header := in.server, &in.ctx.Response.Header
	var buf [64]byte
	body := append(buf[:0], `{"accepted":`...)
	body = strconv.AppendInt(body, int64(in.flows), 10)
	if in.receipt.Duplicate {
		in.outcome = outcomeDuplicate
		s.metrics.duplicates.Add(in.flows)
		header.SetCanonical(headerReplayed, replayed)
		body = append(body, `,"duplicate":true}`...)
	} else {
		in.outcome = outcomeAccepted
		s.metrics.flows.Add(in.flows)
		body = append(body, `,"duplicate":false}`...)
	}
	in.ctx.SetContentType(jsonType)
	header.SetCanonical(headerDurability, s.durability)
	in.ctx.Response.SetBody(body)
}

// readHead reads the headers of a POST into head, and refuses what can be refused without its body.
func (s *Server) readHead(h *fasthttp.RequestHeader, head *ingestHead) *problem {
	head.length = h.ContentLength()
	if p := s.unavailable(writing); p != nil {
		return p
	}
	var p *problem
	if head.origin, p = originOf(h); p != nil {
		return p
	}
	var ok bool
	if head.format, ok = formatOf(h.ContentType()); !ok {
		return &problem{
			status: fasthttp.StatusUnsupportedMediaType, reason: reasonMediaType,
			detail: "Flows are taken as a JSON array (application/json) or one per line (application/x-ndjson).",
			header: headerAcceptPost, value: acceptPost,
		}
	}
	if head.encoding, ok = encodingOf(h.PeekCanonical(headerContentEncoding)); !ok {
		return &problem{
			status: fasthttp.StatusUnsupportedMediaType, reason: reasonEncoding,
			detail: "Bodies are taken as they are, or in one of gzip and zstd.",
			header: headerAcceptEncoding, value: acceptEncoding,
		}
	}
	if head.length > s.limits.BodyBytes {
		return s.bodyTooLarge()
	}
	return nil
}

// formatOf reads a Content-Type, without regard to case and parameters. None means JSON.
func formatOf(contentType []byte) (flowjson.Format, bool) {
	if len(contentType) == 0 || string(contentType) == jsonType {
		return flowjson.JSON, true
	}
	name, _, _ := bytes.Cut(contentType, []byte{';'})
	name = bytes.TrimSpace(name)
	for _, t := range mediaTypes {
		if bytes.EqualFold(name, t.name) {
			return t.format, true
		}
	}
	return flowjson.JSON, false
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
	var tooMany *flowjson.TooManyFlowsError
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
	var invalid *flowjson.DecodeError
	if errors.As(err, &invalid) {
		return p.withFields(invalid.Fields, invalid.Omitted)
	}
	return p
}
