package conn

import (
	"bytes"
	"io"

	"github.com/valyala/fasthttp"
)

// beginChunks begins to count what the chunks of ctx's body bring along.
func beginChunks(ctx *fasthttp.RequestCtx) {
	c, ok := ctx.Conn().(*Conn)
	if !ok {
		return
	}
	c.chunks, c.looked, c.extra = true, 0, 0
	if c.filled > 0 {
		// What was read with the head. Where the head itself came with the request before it, that is not known.
		const lineEnd = 2
		c.extra = max(c.filled-lineLen(&ctx.Request.Header)-lineEnd-len(ctx.Request.Header.RawHeaders()), 0)
	}
}

// beginRequest forgets what was known of the request before.
func (c *Conn) beginRequest() {
	c.active, c.chunks, c.filled, c.looked = false, false, 0, 0
}

// inspect returns how much of p may be read now. fasthttp reads into a part of its buffer only while a head
// or trailers are not there as a whole, so that is when it would wait; what is there already is looked at then,
// each byte once. Chunks may bring along no more than maxExtra.
func (c *Conn) inspect(p []byte) ([]byte, error) {
	if c.fault != nil {
		return nil, c.fault
	}
	if had := len(c.buffer) - len(p); had > 0 && len(p) > 0 && &c.buffer[had] == &p[0] {
		if bareLF(c.buffer[:had], c.looked, c.chunks) {
			c.fault = errBareLF
			return nil, c.fault
		}
		c.looked = had
	} else {
		c.looked = 0
	}
	if c.chunks && len(p) <= len(c.buffer) { // into more goes data alone
		left := maxExtra - c.extra
		if left <= 0 {
			// Behind the data of a chunk, which is not counted before its line end is read, this may be that.
			const lineEnd = 2
			if c.grace++; c.grace > lineEnd {
				c.fault = errExtra
				return nil, c.fault
			}
			left = 1
		}
		p = p[:min(len(p), left)]
	}
	return p, nil
}

// bareLF tells whether there is a line in b[from:] that does not end with CRLF. Empty lines before a request
// are no part of it.
func bareLF(b []byte, from int, trailers bool) bool {
	for i := from; ; i++ {
		next := bytes.IndexByte(b[i:], '\n')
		if next < 0 {
			return false
		}
		if i += next; (i == 0 || b[i-1] != '\r') && (trailers || len(bytes.Trim(b[:i], "\r\n")) > 0) {
			return true
		}
	}
}

// received notes what a read into p has brought.
func (c *Conn) received(p []byte, n int) {
	switch had := len(c.buffer) - len(p); {
	case c.chunks && had < 0:
		c.direct += n
	case c.chunks:
		c.extra += n
	case c.buffer == nil:
		c.buffer, c.filled = p, n // the first read is into all of it
	case had > 0:
		c.filled = had + n
	case c.active: // a body, in place of the head
		c.filled = 0
	default:
		c.filled = n
	}
}

// ChunkedBody returns a reader of the chunked body of ctx, whose stream is fasthttp's. It counts what chunks bring
// along beside their data, and fails where that is too much or the request is malformed.
func ChunkedBody(ctx *fasthttp.RequestCtx, stream io.Reader) io.Reader {
	if c, ok := ctx.Conn().(*Conn); ok {
		return chunkedBody{stream, c}
	}
	return stream
}

// chunkedBody is a body of chunks, whose data is not what they bring along.
type chunkedBody struct {
	io.Reader
	conn *Conn
}

func (b chunkedBody) Read(p []byte) (int, error) {
	c := b.conn
	c.direct, c.grace = 0, 0
	n, err := b.Reader.Read(p)
	if n > 0 {
		c.extra = max(c.extra+c.direct-n-chunkFrame, 0)
	}
	if err != nil && c.fault != nil {
		err = c.fault // fasthttp does not wrap all errors, and takes some for the end
	}
	return n, err
}

// ChunksEnd says why a chunked body is not whole, of which fasthttp says that it is: the client stopped sending
// before the chunk that ends it, or a trailer is not one.
func ChunksEnd(ctx *fasthttp.RequestCtx) error {
	if c, ok := ctx.Conn().(*Conn); ok && c.ended {
		return io.ErrUnexpectedEOF
	}
	for name := range ctx.Request.Header.Trailers() {
		if bytes.IndexByte(name, ' ') >= 0 {
			return errSpace
		}
	}
	return nil
}
