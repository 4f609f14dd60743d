package conn

import (
	"bytes"
	"errors"
	"strings"

	"flowd/httpapi/reject"

	"github.com/valyala/fasthttp"
)

// maxExtra is how many bytes of a chunked body may be something else than data, sizes and line ends: chunk
// extensions and trailers, which are ignored here, and to which RFC 9112 sets no bound.
const maxExtra = 16 << 10

// chunkFrame is what comes with the data of a chunk: its size in up to eight digits, and two line ends.
const chunkFrame = 8 + 2 + 2

// maxUnread is how much of an unread body fasthttp drops behind the answer, to keep the connection.
const maxUnread = 256 << 10

// preface begins a connection of HTTP/2. To an older server it looks like a request.
const preface = "PRI * HTTP/2.0\r\n"

// What is wrong with a request that fasthttp would let pass, or wait for the end of.
var (
	errBareLF  = errors.New("httpapi: a line ends with LF alone")
	errFolded  = errors.New("httpapi: a header goes on in a second line")
	errSpace   = errors.New("httpapi: a header's name has a space")
	errCoding  = errors.New("httpapi: a transfer encoding other than chunked")
	errExtra   = errors.New("httpapi: too many chunk extensions and trailers")
	errVersion = errors.New("httpapi: a version of HTTP that is not spoken")
)

// malformedDetails say what to do about them.
var malformedDetails = map[error]string{
	errBareLF: "A line of the request's head or trailers ends with LF alone; end each with CRLF. Nothing of the request counts.",
	errFolded: "A header of the request goes on in a second line, which HTTP does not have any more; send it in one. " +
		"Nothing of the request counts.",
	errSpace:  "The name of a header has a space in it; send it without. Nothing of the request counts.",
	errCoding: "The only transfer encoding taken is chunked; send the body so, or with its Content-Length. Nothing of the request counts.",
	errExtra: "The chunk extensions and trailers of the request have more than 16 KiB together, and are of no use here; " +
		"send the body without. Nothing of the request counts.",
}

// WrongVersion rejects a request of a version of HTTP that is not spoken here.
func WrongVersion() *reject.Problem {
	return &reject.Problem{
		Status: fasthttp.StatusHTTPVersionNotSupported, Reason: reject.Version,
		Detail: "The request is of a version of HTTP that is not spoken here; send it as HTTP/1.1, or HTTP/1.0.",
	}
}

// Checking wraps the handler of all requests, to reject those whose head fasthttp reads more kindly than others
// on the way may have, and to begin to count what chunks bring along. A client and a proxy that do not see the
// same request are how requests are smuggled.
func Checking(next fasthttp.RequestHandler, reject func(*fasthttp.RequestCtx, error)) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if err := headFault(ctx); err != nil {
			ctx.SetConnectionClose()
			reject(ctx, err)
			return
		}
		if ctx.Request.Header.ContentLength() == -1 {
			beginChunks(ctx)
		}
		next(ctx)
	}
}

// headFault says what is wrong with a head that fasthttp has read.
func headFault(ctx *fasthttp.RequestCtx) error {
	h := &ctx.Request.Header
	if !h.IsHTTP11() && string(h.Protocol()) != "HTTP/1.0" {
		return errVersion
	}
	if c, ok := ctx.Conn().(*Conn); ok {
		// The end of the request line, if the head begins where the buffer does.
		if at := lineLen(h); at < c.filled && c.buffer[at] == '\n' && c.buffer[at-1] != '\r' {
			return errBareLF
		}
	}
	raw := h.RawHeaders()
	if h.ContentLength() > 0 && !h.ConnectionClose() && usualLines(raw) {
		return nil
	}
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		if end < 1 || raw[end-1] != '\r' {
			return errBareLF
		}
		line := raw[:end-1]
		raw = raw[end+1:]
		if len(line) == 0 {
			break
		}
		if line[0]|0x20 == 't' || line[0] == '\t' { // rare; a space in front is seen below
			if err := codingFault(line); err != nil {
				return err
			}
		}
		space := bytes.IndexByte(line, ' ')
		switch {
		case space == 0:
			return errFolded
		case space > 0 && line[space-1] != ':' && bytes.IndexByte(line[:space], ':') < 0:
			return errSpace
		}
	}
	return nil
}

// usualLines tells, as nearly all heads are so, that raw has no line that headFault looks for: all end with CRLF,
// and a space stands behind the colon of a name alone. A head with a length whose connection stays open has no
// Transfer-Encoding.
func usualLines(raw []byte) bool {
	if bytes.IndexByte(raw, '\t') >= 0 || bytes.Count(raw, []byte{'\n'}) != bytes.Count(raw, []byte{'\r'}) {
		return false // CR stands before LF alone, as fasthttp has seen to
	}
	for {
		space := bytes.IndexByte(raw, ' ')
		if space < 0 {
			return true
		}
		if space == 0 || raw[space-1] != ':' {
			return false
		}
		raw = raw[space+1:]
	}
}

// codingFault looks at a line that may be Transfer-Encoding. fasthttp takes identity for it as well, which RFC
// 9112 does not have any more: a client that sends it may mean a body without a length.
func codingFault(line []byte) error {
	if line[0] == '\t' {
		return errFolded
	}
	name, value, _ := bytes.Cut(line, []byte{':'})
	if strings.EqualFold(string(name), fasthttp.HeaderTransferEncoding) &&
		!strings.EqualFold(string(bytes.Trim(value, " \t")), "chunked") {
		return errCoding
	}
	return nil
}

// lineLen is how long the request line is, without its end.
func lineLen(h *fasthttp.RequestHeader) int {
	return len(h.Method()) + len(h.RequestURI()) + len(h.Protocol()) + 2
}

// unknownVersion tells an error of fasthttp's about a version that does not have the form HTTP/1.1 has, but is
// meant as one: "HTTP/2", for example. The error has no type of its own.
func unknownVersion(err error) bool {
	_, version, found := strings.Cut(err.Error(), `unsupported http version "HTTP/`)
	version, _, closed := strings.Cut(version, `"`)
	return found && closed && version != "" && strings.Trim(version, "0123456789.") == ""
}
