package answer

import (
	"flowd/httpapi/format"
	"github.com/valyala/fasthttp"
)

// NotModified answers that the client has the answer already. It says of it what cannot be known
// without it.
func NotModified(ctx *fasthttp.RequestCtx, h Heading) {
	ctx.SetStatusCode(fasthttp.StatusNotModified)
	ctx.Response.Header.SetCanonical(headerETag, h.Tag)
	ctx.Response.Header.SetCanonical(headerVary, h.Vary)
	if h.Partial {
		ctx.Response.Header.SetCanonical(headerExpiredBefore, yes)
	}
}

// HasCurrent reports whether a client that sent h has the answer with this tag already. It compares
// weakly (RFC 9110, 13.1.2): what stands between the quotes counts.
func HasCurrent(h *fasthttp.RequestHeader, tag []byte) bool {
	opaque := string(tag[len(`W/`):])
	for _, value := range h.PeekAll(fasthttp.HeaderIfNoneMatch) {
		if string(format.TrimSpace(value)) == "*" || listsTag(value, opaque) {
			return true
		}
	}
	return false
}

// listsTag reports whether a list of entity tags has one with this opaque part, quotes included. A
// list ends for us where it is not well-formed.
func listsTag(list []byte, opaque string) bool {
	for {
		for len(list) > 0 && (list[0] == ' ' || list[0] == '\t' || list[0] == ',') {
			list = list[1:]
		}
		if len(list) > 1 && list[0] == 'W' && list[1] == '/' {
			list = list[2:]
		}
		end := 1
		for end < len(list) && list[end] != '"' {
			end++
		}
		if end >= len(list) || list[0] != '"' {
			return false
		}
		if string(list[:end+1]) == opaque {
			return true
		}
		list = list[end+1:]
	}
}
