package ingest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/httpapi/reject"
)

// Headers that name a batch, so that it counts once however often it is sent: by a key of the
// client's own, or by its agent and the sequence that the agent gave it.
const (
	headerKey   = "Idempotency-Key"
	headerAgent = "Flowd-Agent"
	headerSeq   = "Flowd-Seq"
)

// origins counts how often each of those headers stands in a request.
type origins struct{ key, agent, seq int }

// count looks at all headers in one pass, since nearly all requests have none of these. An empty
// one counts as well: a client that sends it means something by it.
func (o *origins) count(h *fasthttp.RequestHeader) {
	for name := range h.All() {
		switch string(name) {
		case headerKey:
			o.key++
		case headerAgent:
			o.agent++
		case headerSeq:
			o.seq++
		}
	}
}

// originOf reads what a batch is called. It is strict, for a client that relies on a batch being
// counted once must not learn from its totals that the name was taken for another.
func originOf(h *fasthttp.RequestHeader) (flow.Origin, *reject.Problem) {
	var given origins
	given.count(h)
	if given == (origins{}) {
		return flow.Origin{}, nil
	}
	switch {
	case given.key > 1:
		return flow.Origin{}, badOrigin(headerKey, "is given more than once; send it once")
	case given.agent > 1:
		return flow.Origin{}, badOrigin(headerAgent, "is given more than once; send it once")
	case given.seq > 1:
		return flow.Origin{}, badOrigin(headerSeq, "is given more than once; send it once")
	case given.key > 0 && (given.agent > 0 || given.seq > 0):
		return flow.Origin{}, badOrigin(headerKey, "names the batch, and so do Flowd-Agent and Flowd-Seq; send one of both kinds")
	case given.agent > 0 && given.seq == 0:
		return flow.Origin{}, badOrigin(headerAgent, "is given without Flowd-Seq; send the batch's sequence too")
	case given.seq > 0 && given.agent == 0:
		return flow.Origin{}, badOrigin(headerSeq, "is given without Flowd-Agent; send the agent's name too")
	}
	var o flow.Origin
	var wrong string
	if given.key > 0 {
		if o.Key, wrong = parseKey(string(h.Peek(headerKey))); wrong != "" {
			return flow.Origin{}, badOrigin(headerKey, wrong)
		}
		return o, nil
	}
	if o.Agent, wrong = parseAgent(string(h.Peek(headerAgent))); wrong != "" {
		return flow.Origin{}, badOrigin(headerAgent, wrong)
	}
	if o.Seq, wrong = parseSeq(string(h.Peek(headerSeq))); wrong != "" {
		return flow.Origin{}, badOrigin(headerSeq, wrong)
	}
	return o, nil
}

func badOrigin(header, wrong string) *reject.Problem {
	return &reject.Problem{
		Status: fasthttp.StatusBadRequest, Reason: reject.BatchName,
		Detail: fmt.Sprintf("The header %s %s. Nothing of the batch counts.", header, wrong),
	}
}

// parseKey reads an Idempotency-Key: a string of RFC 8941, or the same without quotes where it
// has none of the characters that would end it, or part it from another, in a list. Both are the
// same key. wrong says what to do about a value that is neither.
func parseKey(text string) (key, wrong string) {
	if strings.HasPrefix(text, `"`) {
		if key, wrong = unquote(text); wrong != "" {
			return "", wrong
		}
	} else if key = text; strings.ContainsAny(key, `",;\`) {
		return "", `has a quote, comma, semicolon or backslash; put the key in double quotes, with a backslash before each quote and backslash in it`
	}
	return key, wrongName(key, flow.MaxIdempotencyKey)
}

// unquote reads a string of RFC 8941, 4.2.5, which must be all of text.
func unquote(text string) (key, wrong string) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' && i == len(text)-1:
			return b.String(), ""
		case c == '"':
			return "", "goes on after the quote that ends the key; send nothing behind it"
		case c == '\\':
			if i++; i == len(text) || text[i] != '"' && text[i] != '\\' {
				return "", "has a backslash that stands before neither a quote nor a backslash; write it twice"
			}
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "begins with a quote and does not end with one; close the quote"
}

// parseAgent reads a Flowd-Agent. It is taken as it is: quotes would be part of it.
func parseAgent(text string) (agent, wrong string) {
	return text, wrongName(text, flow.MaxAgent)
}

// wrongName says what is wrong with a key or an agent, or nothing.
func wrongName(name string, most int) string {
	if len(name) == 0 || len(name) > most {
		return fmt.Sprintf("has %d characters; 1 to %d are required", len(name), most)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' {
			return fmt.Sprintf("has byte 0x%02x; only visible ASCII characters (0x21 to 0x7e) are allowed, so no spaces", c)
		}
	}
	return ""
}

// parseSeq reads a Flowd-Seq. Each number has one form: without sign, space or leading zeros.
func parseSeq(text string) (seq uint64, wrong string) {
	const expected = "a whole number from 1 to 18446744073709551615 is required, as 1, 2, 3 and so on, without sign or leading zeros"
	if text == "" || text[0] < '1' || text[0] > '9' {
		return 0, "is not a sequence; " + expected
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, "is not a sequence; " + expected
	}
	return seq, ""
}
