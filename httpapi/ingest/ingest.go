// Package ingest takes batches of flows: it reads their bodies within the memory that there is, admits them within the rate
// and share of their client, decodes them, and appends them to the engine.
package ingest

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
	"flowd/httpapi/conn"
	"flowd/httpapi/format"
	"flowd/httpapi/reject"
	"flowd/httpapi/reservation"
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
)

// Header names of answers, in the form in which fasthttp keeps them.
const (
	headerAcceptPost     = "Accept-Post"
	headerAcceptEncoding = "Accept-Encoding"
)

const (
	acceptPost     = "application/json, application/x-ndjson, application/jsonl"
	acceptEncoding = "gzip, zstd, identity"
)

// head is what the headers of a POST say about its batch and body.
type head struct {
	origin   flow.Origin
	format   flowjson.Format
	encoding format.Encoding
	length   int // -1: not declared
}

// request is one POST whose batch is taken in, and the resources that it holds.
type request struct {
	ingester *Ingester
	ctx      *fasthttp.RequestCtx
	head     head
	body     *reservation.Buffer
	plain    *reservation.Buffer // what body holds, while it is decompressed
	right    *access.Grant
	client   *reservation.Client
	entered  bool      // client has one of the slots
	now      time.Time // when the body was complete, or zero until clock is called
	// What the client's buckets were charged, which gets it back if the batch is not taken.
	chargedBytes, chargedFlows int
	batch                      *flow.Batch
	flows                      int
	receipt                    flow.Receipt
	outcome                    outcome
}

// Post takes the batch of a client with right: all of its flows count, or none does.
func (s *Ingester) Post(ctx *fasthttp.RequestCtx, right *access.Grant) {
	in := request{ingester: s, ctx: ctx, right: right, client: conn.ClientOf(ctx, right)}
	in.client.Requests.Add(1)
	defer in.close()
	switch p := in.run(); p {
	case nil:
		in.accept()
	case bodyWanted:
		ctx.SetStatusCode(p.Status)
		in.outcome = outcomeNone
	default:
		in.outcome = outcomeOf(p)
		s.options.Rejects.Answer(ctx, p)
	}
}

// run takes the batch in, up to where reads see it. The body is complete before anything that
// is scarce is asked for, so that a slow client delays only itself.
func (in *request) run() *reject.Problem {
	head := &in.head
	p := in.ingester.readHead(&in.ctx.Request.Header, head)
	head.origin.Client = in.right.Name // keys of one token say nothing of those of another
	head.origin.Sender = flow.Sender{Name: in.right.Name, Address: in.client.Name}
	if p == nil {
		p = in.readBody()
	}
	if p != nil {
		if p != bodyWanted {
			conn.LeaveUnread(in.ctx)
		}
		return p
	}
	if p := in.acquireBytes(len(in.body.Data)); p != nil {
		return p
	}
	if p := in.enter(); p != nil {
		return p
	}
	if head.encoding != format.Identity {
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
	receipt, err := in.ingester.options.Engine.Append(batch, head.origin)
	if err != nil {
		return appendProblem(err, &head.origin)
	}
	in.receipt = receipt
	return nil
}

// close releases what the request holds, also when a handler panics.
func (in *request) close() {
	in.ingester.bodies.Release(in.body)
	in.ingester.bodies.Release(in.plain)
	in.client.Requests.Add(-1)
	if in.batch != nil {
		in.ingester.options.Engine.Release(in.batch)
	}
	in.leave()
	if in.outcome != outcomeNone {
		in.ingester.batches[in.outcome].Inc()
	}
}

// accept answers that the flows count, since now or since the batch was sent before.
func (in *request) accept() {
	s, header := in.ingester, &in.ctx.Response.Header
	var buf [64]byte
	body := append(buf[:0], `{"accepted":`...)
	body = strconv.AppendInt(body, int64(in.flows), 10)
	if in.receipt.Duplicate {
		in.outcome = outcomeDuplicate
		s.duplicates.Add(in.flows)
		header.SetCanonical(headerReplayed, replayed)
		body = append(body, `,"duplicate":true}`...)
	} else {
		in.outcome = outcomeAccepted
		s.flows.Add(in.flows)
		body = append(body, `,"duplicate":false}`...)
	}
	in.ctx.SetContentType(format.JSONType)
	header.SetCanonical(headerDurability, s.durability)
	in.ctx.Response.SetBody(body)
}

// readHead reads the headers of a POST into head, and rejects what can be rejected without its body.
func (s *Ingester) readHead(h *fasthttp.RequestHeader, head *head) *reject.Problem {
	head.length = h.ContentLength()
	if p := reject.Unready(s.options.Engine.Status(), reject.Writing); p != nil {
		return p
	}
	var p *reject.Problem
	if head.origin, p = originOf(h); p != nil {
		return p
	}
	var ok bool
	if head.format, ok = formatOf(h.ContentType()); !ok {
		return &reject.Problem{
			Status: fasthttp.StatusUnsupportedMediaType, Reason: reject.MediaType,
			Detail: "Flows are taken as a JSON array (application/json) or one per line (application/x-ndjson).",
			Header: headerAcceptPost, Value: acceptPost,
		}
	}
	if head.encoding, ok = format.EncodingOf(h.PeekCanonical(headerContentEncoding)); !ok {
		return &reject.Problem{
			Status: fasthttp.StatusUnsupportedMediaType, Reason: reject.ContentEncoding,
			Detail: "Bodies are taken as they are, or in one of gzip and zstd.",
			Header: headerAcceptEncoding, Value: acceptEncoding,
		}
	}
	if head.length > s.options.BodyBytes {
		return s.bodyTooLarge()
	}
	return nil
}

// formatOf reads a Content-Type, without regard to case and parameters. None means JSON.
func formatOf(contentType []byte) (flowjson.Format, bool) {
	if len(contentType) == 0 || string(contentType) == format.JSONType {
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

// batchProblem makes a problem of an error of flow.Batch.Decode.
func batchProblem(err error) *reject.Problem {
	var tooMany *flowjson.TooManyFlowsError
	if errors.As(err, &tooMany) {
		return &reject.Problem{
			Status: fasthttp.StatusRequestEntityTooLarge, Reason: reject.TooManyFlows,
			Detail: fmt.Sprintf("The batch has more than %d flows; send it in parts, or raise max-flows.", tooMany.Limit),
		}
	}
	p := &reject.Problem{
		Status: fasthttp.StatusBadRequest, Reason: reject.InvalidBatch,
		Detail: "The batch has errors, so none of its flows counts.",
	}
	var invalid *flowjson.DecodeError
	if errors.As(err, &invalid) {
		return p.WithFields(invalid.Fields, invalid.Omitted)
	}
	return p
}
