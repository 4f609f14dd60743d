// Package answer sends answers to reads block by block, compressed as the client prefers, in memory that does not depend on
// their length. It bounds how many are under way, and gives up those whose client has disconnected.
package answer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/httpapi/format"
	"flowd/logs"
	"flowd/query"
)

// An answer is written block by block. In memory, and on the wire if it is chunked, a block is
//
//	0                10                                10+n      12+n
//	+----------------+---------------------------------+---------+
//	| n in hex, CRLF | n bytes of text, or compressed  | CRLF    |
//	+----------------+---------------------------------+---------+
//
// with the head at the end of its room, so that a block goes out in one write.
const (
	// BlockBytes is how many bytes of text a block has when it is sent; the last has fewer. An answer of one
	// block has a length, and a longer one is chunked.
	BlockBytes = 64 << 10
	// RowBytes is the most bytes that a row may have, with all that is written with it: three names of which
	// every byte is escaped, and the rest of the row.
	RowBytes  = 2*3*flow.MaxName + 512
	blockHead = 10 // room for eight digits and CRLF
)

// Answer is a text, mostly a list, on its way to a client, in memory that does not depend on its
// length. One that fits a block has a length; a longer one is chunked, or for a client of HTTP/1.0
// ends with the connection. It is a body stream to fasthttp, and has no goroutine of its own.
type Answer struct {
	sender  *Sender
	request Request
	source  format.Source
	Flows   Flows // memory of the source that most answers have

	block  []byte      // the head's room, and text that is not yet written or compressed
	packed packedBlock // the same, compressed
	packer packer      // nil if there is nothing more to compress
	coded  format.Encoding
	read   int  // how many bytes Read has taken
	more   bool // source has more
	form   framing

	target       []byte
	look         time.Duration // when to look after the client again, counted from the sender's epoch
	disconnected bool          // the client was seen to be gone
	failed       error         // why it was not written to its end
	broken       bool          // failed is the source's error, not the client's
	sent         bool
}

// framing is how the end of an answer is told.
type framing uint8

const (
	sized   framing = iota // by a length: it is one block
	chunked                // by an empty chunk
	closed                 // by the end of the connection
)

// Heading is what the headers of an answer say, beside its length and its encoding.
type Heading struct {
	ContentType string
	Vary        []byte // the headers of the request that the answer depends on
	Tag         []byte // ETag, if it has one
	Truncated   bool
	Partial     bool // an hour had expired before the flows came that it has
}

var answers = sync.Pool{New: func() any {
	return &Answer{block: make([]byte, blockHead, blockHead+BlockBytes+RowBytes+2)}
}}

// send makes a the answer to ctx. What fits one block is written here; if that fails, ctx is left
// as it was for the answer that says so.
func (a *Answer) send(ctx *fasthttp.RequestCtx, h Heading, src format.Source) error {
	a.source = src
	if err := a.fill(); err != nil {
		return err
	}
	if a.more || len(a.block)-blockHead >= leastPacked {
		if err := a.compress(format.AcceptedEncoding(ctx.Request.Header.PeekAll(fasthttp.HeaderAcceptEncoding))); err != nil {
			return err
		}
	}

	a.sent = true // from here on it is fasthttp that closes a
	a.sender.answers[a.coded].Inc()
	a.head(ctx, h)
	switch {
	case !a.more:
		a.form = sized
		ctx.Response.SetBodyStream(a, len(*a.out())-blockHead)
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

// head sets the headers.
func (a *Answer) head(ctx *fasthttp.RequestCtx, h Heading) {
	header := &ctx.Response.Header
	header.SetContentType(h.ContentType)
	header.SetCanonical(headerVary, h.Vary)
	if a.coded != format.Identity {
		header.SetContentEncoding(format.EncodingNames[a.coded])
	}
	if len(h.Tag) > 0 {
		header.SetCanonical(headerETag, h.Tag)
	}
	if h.Truncated {
		header.SetCanonical(headerTruncated, yes)
	}
	if h.Partial {
		header.SetCanonical(headerExpiredBefore, yes)
	}
}

// out is the block that is to be written, with the head's room.
func (a *Answer) out() *[]byte {
	if a.coded == format.Identity {
		return &a.block
	}
	return &a.packed.data
}

// fill replaces the block that goes out by up to a block more of the text.
func (a *Answer) fill() (err error) {
	*a.out() = (*a.out())[:blockHead]
	if a.block, a.more, err = a.source.Next(a.block, blockHead+BlockBytes); err != nil || a.coded == format.Identity {
		return err
	}
	return a.pack()
}

// SupportsBodyWriteTo lets fasthttp call WriteTo for a chunked body too.
func (a *Answer) SupportsBodyWriteTo() bool { return true }

// WriteTo writes the answer: to w if it is one block. A longer one goes around w, whose buffer
// would cut each block in three writes, to the connection that w writes to.
func (a *Answer) WriteTo(w io.Writer) (n int64, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			a.sender.options.Panicked(cause, a.target)
			err = fmt.Errorf("panic: %v", cause)
		}
		if a.failed = err; err != nil && a.form == closed {
			// Where the end of the connection is the end of the answer, an orderly one would make a part
			// of it look whole.
			a.request.Conn.Reset()
		}
	}()
	if a.form == sized {
		sent, err := w.Write((*a.out())[blockHead:])
		return int64(sent), err
	}
	a.request.Conn.LimitUnsent(unsentBytes)
	for {
		if err := a.writeBlock(); err != nil || !a.more {
			return 0, err
		}
		if err := a.fill(); err != nil {
			a.broken = !errors.Is(err, query.ErrGone)
			return 0, err
		}
	}
}

// writeBlock writes the block in the form of the answer. The deadline begins anew.
func (a *Answer) writeBlock() error {
	block := *a.out()
	text := block[blockHead:]
	if a.form == chunked {
		var digits [blockHead]byte
		head := append(strconv.AppendUint(digits[:0], uint64(len(text)), 16), '\r', '\n')
		from := blockHead - len(head)
		copy(block[from:], head)
		block = append(block, '\r', '\n')
		*a.out() = block
		text = block[from:]
	}
	_, err := a.request.Conn.Write(text)
	return err
}

// Read reads the answer as one text, for readers that do not call WriteTo.
func (a *Answer) Read(p []byte) (int, error) {
	data := (*a.out())[blockHead:]
	if a.read == len(data) {
		if !a.more {
			return 0, io.EOF
		}
		a.read = 0
		if err := a.fill(); err != nil {
			return 0, err
		}
		data = (*a.out())[blockHead:]
	}
	n := copy(p, data[a.read:])
	a.read += n
	return n, nil
}

// Close ends the answer. fasthttp calls it when the answer was written or could not be.
func (a *Answer) Close() error {
	s, took := a.sender, time.Since(a.request.Began)
	a.request.Observer.Observe(fasthttp.StatusOK, took)
	switch {
	case a.broken:
		s.brokenAnswers.Inc()
	case a.failed != nil:
		s.cutAnswers.Inc()
	}
	if errors.Is(a.failed, query.ErrGone) {
		s.givenUp.Inc()
	}
	if level := a.level(); s.options.Lines.Enabled(level) {
		a.log(level, took)
	}
	a.release()
	return nil
}

// log logs how a was answered.
func (a *Answer) log(level slog.Level, took time.Duration) {
	text := "answered"
	switch {
	case a.broken:
		text = "answer broken off, for the rest of it could not be read"
	case a.failed != nil:
		text = "answer cut off"
	}
	remote := a.request.Conn.RemoteAddr()
	kind := logs.Kind{Message: text, Status: fasthttp.StatusOK, Client: a.request.Conn.AddressText()}
	a.sender.options.Lines.Log(level, kind, func() []slog.Attr {
		attrs := []slog.Attr{logs.Text("target", a.target), slog.String("remote", remote.String()), slog.Duration("took", took)}
		if a.failed != nil {
			attrs = append(attrs, logs.Long("error", a.failed.Error()))
		}
		return attrs
	})
}

func (a *Answer) level() slog.Level {
	switch {
	case a.broken:
		return slog.LevelError
	case a.failed != nil:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// abandon ends an answer that was not sent.
func (a *Answer) abandon() {
	if !a.sent {
		a.release()
	}
}

// release keeps a's memory for the next answer, and nothing that it points to.
func (a *Answer) release() {
	if a.source != nil {
		a.source.Close()
	}
	s, client := a.sender, a.request.Client
	*a = Answer{block: a.block[:blockHead], packed: packedBlock{a.packed.data[:0]}, target: a.target[:0]}
	answers.Put(a)
	s.queries.end(client)
}
