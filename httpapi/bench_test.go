package httpapi

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/flow"
	"flowd/httpapi/answer"
	"flowd/httpapi/format"
	"flowd/limit"
	"flowd/query"
)

// feed is a connection whose client sends the same request again when the one before it was
// answered. It costs next to nothing, so that what is measured is the server.
type feed struct {
	net.Conn
	request []byte
	left    int
	rest    []byte
}

func (f *feed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		if f.left == 0 {
			return 0, io.EOF
		}
		f.left--
		f.rest = f.request
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *feed) Write(p []byte) (int, error)      { return len(p), nil }
func (f *feed) Close() error                     { return nil }
func (f *feed) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (f *feed) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (f *feed) SetReadDeadline(time.Time) error  { return nil }
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkServe takes batches through everything but the network and the shards, beside a bare
// fasthttp server that reads the body and answers. Guarded is with tokens and rates.
func BenchmarkServe(b *testing.B) {
	endless := limit.Rates{Flows: 1 << 40, FlowsBurst: 1 << 40, Bytes: 1 << 40, BytesBurst: 1 << 40}
	for _, flows := range []int{1, 100} {
		body := flowsBody(flows)
		serve := func(b *testing.B, gate *access.Gate, rates limit.Rates) {
			server := newServer(b, &nullEngine{}, func(l *Limits) { l.Rates = rates })
			server.gate = gate
			f := &feed{left: b.N, request: append([]byte(head("POST", "/flows", "User-Agent: bench", bearing(writeToken),
				"Content-Type: application/json", "Content-Length: "+itoa(len(body)))), body...)}
			b.ReportAllocs()
			b.ResetTimer()
			if err := server.http.ServeConn(accepted(server.Server, f)); err != nil {
				b.Fatal(err)
			}
			if got := int(server.number(`flowd_flows_received_total{outcome="accepted"}`)); got != b.N*flows {
				b.Fatalf("%d flows counted, want %d", got, b.N*flows)
			}
		}
		request := append([]byte(head("POST", "/flows", "User-Agent: bench",
			"Content-Type: application/json", "Content-Length: "+itoa(len(body)))), body...)
		b.Run("flowd-"+itoa(flows), func(b *testing.B) { serve(b, access.NewGate(access.Options{}), limit.Rates{}) })
		b.Run("guarded-"+itoa(flows), func(b *testing.B) { serve(b, gateOf(b), endless) })
		b.Run("bare-"+itoa(flows), func(b *testing.B) {
			s := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
				_ = ctx.PostBody()
				ctx.SetBodyString(`{"accepted":1,"duplicate":false}`)
			}}
			f := &feed{request: request, left: b.N}
			b.ReportAllocs()
			b.ResetTimer()
			if err := s.ServeConn(f); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkHandler takes a batch of one flow through middleware, router and handler, beside
// what it costs to make up such a request.
func BenchmarkHandler(b *testing.B) {
	body := flowsBody(1)
	s := newServer(b, &nullEngine{}, nil).Server
	for _, bench := range []struct {
		name   string
		handle fasthttp.RequestHandler
	}{
		{"flowd", s.http.Handler},
		{"empty", func(*fasthttp.RequestCtx) {}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			ctx := onConn(s)
			var stream bytes.Reader
			b.ReportAllocs()
			for b.Loop() {
				ctx.Request.Reset()
				ctx.Response.Reset()
				ctx.Request.Header.SetMethod("POST")
				ctx.Request.SetRequestURI("/flows")
				ctx.Request.Header.SetContentType("application/json")
				stream.Reset(body)
				ctx.Request.SetBodyStream(&stream, len(body))
				bench.handle(ctx)
			}
			if code := ctx.Response.StatusCode(); code != 200 {
				b.Fatalf("status %d: %s", code, ctx.Response.Body())
			}
		})
	}
}

// BenchmarkAnswer reads an hour of a million rows over loopback, beside the same blocks through
// fasthttp's stream writer.
func BenchmarkAnswer(b *testing.B) {
	const rows = 1_000_000
	e := newMany(rows)
	streamWriter := func(ctx *fasthttp.RequestCtx) {
		src := writeRows(&answer.Flows{}, &query.Query{}, format.JSON, e.many(1))
		ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
			block := make([]byte, 0, answer.BlockBytes+answer.RowBytes)
			for more := true; more; {
				block, more, _ = src.Next(block[:0], answer.BlockBytes)
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		})
	}
	type server interface{ Serve(net.Listener) error }
	for _, bench := range []struct {
		name   string
		server server
	}{
		{"flowd", newServer(b, e, nil)},
		{"stream-writer", &fasthttp.Server{Handler: streamWriter}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer ln.Close() // which ends Serve
			go func() { _ = bench.server.Serve(ln) }()
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			buf, size := make([]byte, 1<<20), 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.WriteString(nc, head("GET", "/flows?hour=1")); err != nil {
					b.Fatal(err)
				}
				size = 0
				for ended := false; !ended; {
					n, err := nc.Read(buf)
					if err != nil {
						b.Fatal(err)
					}
					size += n
					ended = bytes.HasSuffix(buf[:n], []byte("0\r\n\r\n"))
				}
			}
			b.SetBytes(int64(size))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}

// BenchmarkRows writes a million rows to blocks, in each format.
func BenchmarkRows(b *testing.B) {
	const rows = 1_000_000
	grouped := query.Query{Grouped: true, GroupBy: flow.AllFields}
	for _, bench := range []struct {
		name string
		q    query.Query
		in   format.Format
	}{
		{"json", query.Query{}, format.JSON},
		{"ndjson", query.Query{}, format.NDJSON},
		{"csv", query.Query{}, format.CSV},
		{"json-grouped", grouped, format.JSON},
	} {
		b.Run(bench.name, func(b *testing.B) {
			e := newMany(rows)
			block := make([]byte, 0, answer.BlockBytes+answer.RowBytes)
			b.ReportAllocs()
			for b.Loop() {
				src := writeRows(new(answer.Flows), &bench.q, bench.in, e.many(1))
				for more := true; more; {
					block, more, _ = src.Next(block[:0], answer.BlockBytes)
				}
				src.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}

// BenchmarkNotModified asks for an hour that has not changed, beside the least that can be asked.
func BenchmarkNotModified(b *testing.B) {
	var tag [maxTag]byte
	q := query.Query{From: 482659, To: 482660}
	current := string(appendTag(tag[:0], 482659, &q, format.TypeOf(nil, format.JSON)))
	for _, bench := range []struct {
		name, request string
		code          int
	}{
		{"livez", head("GET", "/livez", "User-Agent: bench"), 200},
		{"flows", head("GET", "/flows?hour=482659", "User-Agent: bench", "Accept: */*", "If-None-Match: "+current), 304},
	} {
		b.Run(bench.name, func(b *testing.B) {
			ts := newServer(b, &nullEngine{}, nil)
			f := &feed{request: []byte(bench.request), left: b.N}
			b.ReportAllocs()
			b.ResetTimer()
			if err := ts.http.ServeConn(accepted(ts.Server, f)); err != nil {
				b.Fatal(err)
			}
			if !strings.Contains(ts.exposed(), `code="`+itoa(bench.code)+`"} `+itoa(b.N)+"\n") {
				b.Fatalf("not %d answers with %d", b.N, bench.code)
			}
		})
	}
}
