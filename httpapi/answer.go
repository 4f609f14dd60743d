package httpapi

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"flowd/flow"
)

// An answer is encoded block by block. In memory, and on the wire if it is chunked, a block is
//
//	0                10                                10+n      12+n
//	+----------------+---------------------------------+---------+
//	| n in hex, CRLF | n bytes of JSON                 | CRLF    |
//	+----------------+---------------------------------+---------+
//
// with the head at the end of its room, so that a block goes out in one write.
const (
	blockBytes = 64 << 10 // a block is sent once it has this many bytes
	blockHead  = 10       // room for eight digits and CRLF
	// blockRoom is blockBytes and what the last row may pass it by: three names of which every
	// byte is escaped, and the rest of the row.
	blockRoom = blockBytes + 2*3*flow.MaxName + 256
)

// source is what an answer lists.
type source interface {
	// begin appends what stands before the elements; at most as much as an element.
	begin(dst []byte) []byte
	// next appends elements with commas between them, until dst has full bytes or more or there
	// are no more elements, which it tells. After an error the list is not complete, and what
	// was appended is worth nothing.
	next(dst []byte, full int) (_ []byte, more bool, err error)
	// end is what stands behind the last element.
	end() string
	// close is called once, when no more elements are wanted.
	close()
}

// answer is a JSON list on its way to a client, in memory that does not depend on its length.
// One that fits a block has a length; a longer one is chunked, or for a client of HTTP/1.0 ends
// with the connection. It is a body stream to fasthttp, and has no goroutine of its own.
type answer struct {
	server *Server
	source source
	rows   rowSource // source, if that is rows

	block []byte // the head's room and the data that is not yet written
	read  int    // how much of the data was taken by Read
	more  bool   // source has more
	wire  net.Conn
	form  framing

	route  route
	began  time.Time
	target []byte
	failed error // why it was not written to its end
	broken bool  // failed is the source's error, not the client's
	sent   bool
}

// framing is how the end of an answer is told.
type framing uint8

const (
	sized   framing = iota // by a length: it is one block
	chunked                // by an empty chunk
	closed                 // by the end of the connection
)

var answers = sync.Pool{New: func() any {
	return &answer{block: make([]byte, blockHead, blockHead+blockRoom+2)}
}}

// openAnswer begins an answer, or returns nil if there are too many.
func (s *Server) openAnswer() *answer {
	if s.queries.Add(1) > int64(s.limits.Queries) {
		s.queries.Add(-1)
		return nil
	}
	a := answers.Get().(*answer)
	a.server = s
	return a
}

// send makes a the answer to ctx. What fits one block is encoded here; if that fails, ctx is left
// as it was for the answer that says so.
func (a *answer) send(ctx *fasthttp.RequestCtx, src source) error {
	a.source = src
	a.route, a.began, a.wire = routeOf(ctx), ctx.Time(), ctx.Conn()
	a.target = append(a.target[:0], ctx.RequestURI()...)
	a.block = src.begin(a.block[:blockHead])
	if err := a.fill(); err != nil {
		return err
	}

	a.sent = true // from here on it is fasthttp that closes a
	ctx.SetContentType(jsonType)
	switch {
	case !a.more:
		a.form = sized
		ctx.Response.SetBodyStream(a, len(a.block)-blockHead)
	case ctx.Request.Header.IsHTTP11():
		a.form = chunked
		ctx.Response.SetBodyStream(a, -1)
	default:
		a.form = closed
		ctx.Response.SetBodyStream(a, 0)
		ctx.Response.Header.Del(fasthttp.HeaderContentLength)
		ctx.SetConnectionClose()
	}
	// The blocks of a long answer go to the connection directly, behind the headers.
	ctx.Response.ImmediateHeaderFlush = a.more
	return nil
}

// fill encodes up to a block more.
func (a *answer) fill() (err error) {
	a.block, a.more, err = a.source.next(a.block, blockHead+blockBytes)
	if err == nil && !a.more {
		a.block = append(a.block, a.source.end()...)
	}
	return err
}

// SupportsBodyWriteTo lets fasthttp call WriteTo for a chunked body too.
func (a *answer) SupportsBodyWriteTo() bool { return true }

// WriteTo writes the answer: to w if it is one block. A longer one goes around w, whose buffer
// would cut each block in three writes, to the connection that w writes to.
func (a *answer) WriteTo(w io.Writer) (n int64, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			a.server.panicked(cause, a.target)
			err = fmt.Errorf("panic: %v", cause)
		}
		if a.failed = err; err != nil && a.form == closed {
			a.reset()
		}
	}()
	if a.form == sized {
		sent, err := w.Write(a.block[blockHead:])
		return int64(sent), err
	}
	if c, ok := a.wire.(*conn); ok {
		c.limitUnsent()
	}
	for {
		if err := a.writeBlock(); err != nil || !a.more {
			return 0, err
		}
		a.block = a.block[:blockHead]
		if err := a.fill(); err != nil {
			a.broken = true
			return 0, err
		}
	}
}

// reset makes the connection of an answer that failed end by a reset: where the end of the
// connection is the end of the answer, an orderly one would make a part of it look whole.
func (a *answer) reset() {
	if c, ok := a.wire.(*conn); ok {
		c.reset()
	}
}

// writeBlock writes the block in the form of the answer. The deadline begins anew.
func (a *answer) writeBlock() error {
	out := a.block[blockHead:]
	if a.form == chunked {
		var digits [blockHead]byte
		head := append(strconv.AppendUint(digits[:0], uint64(len(out)), 16), '\r', '\n')
		from := blockHead - len(head)
		copy(a.block[from:], head)
		a.block = append(a.block, '\r', '\n')
		out = a.block[from:]
	}
	_, err := a.wire.Write(out)
	return err
}

// Read reads the answer as one text, for readers that do not call WriteTo.
func (a *answer) Read(p []byte) (int, error) {
	data := a.block[blockHead:]
	if a.read == len(data) {
		if !a.more {
			return 0, io.EOF
		}
		a.block, a.read = a.block[:blockHead], 0
		if err := a.fill(); err != nil {
			return 0, err
		}
		data = a.block[blockHead:]
	}
	n := copy(p, data[a.read:])
	a.read += n
	return n, nil
}

// Close ends the answer. fasthttp calls it when the answer was written or could not be.
func (a *answer) Close() error {
	s, took := a.server, time.Since(a.began)
	s.metrics.observe(a.route, fasthttp.StatusOK, took)
	switch {
	case a.broken:
		s.metrics.brokenAnswers.Inc()
	case a.failed != nil:
		s.metrics.cutAnswers.Inc()
	}
	if level := a.level(); s.logger.Enabled(context.Background(), level) {
		attrs := []slog.Attr{
			slog.String("target", string(a.target)),
			slog.String("remote", a.wire.RemoteAddr().String()),
			slog.Duration("took", took),
		}
		text := "answered"
		if a.failed != nil {
			text, attrs = "answer cut off", append(attrs, slog.Any("error", a.failed))
		}
		if a.broken {
			text = "answer broken off, for the rest of it could not be read"
		}
		s.logger.LogAttrs(context.Background(), level, text, attrs...)
	}
	a.release()
	return nil
}

func (a *answer) level() slog.Level {
	switch {
	case a.broken:
		return slog.LevelError
	case a.failed != nil:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// abandon ends an answer that was not sent.
func (a *answer) abandon() {
	if !a.sent {
		a.release()
	}
}

// release keeps a's memory for the next answer, and nothing that it points to.
func (a *answer) release() {
	if a.source != nil {
		a.source.close()
	}
	s := a.server
	*a = answer{block: a.block[:blockHead], target: a.target[:0]}
	answers.Put(a)
	s.queries.Add(-1)
}
