package httpapi

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// A head or a trailer whose lines end with LF alone is answered at once: the server does not wait for a CRLF,
// however the bytes arrive.
func TestBareLF(t *testing.T) {
	t.Parallel()
	// Nobody waits so long for an answer here.
	ts := serve(t, nil, func(l *Limits) { l.ReadTimeout, l.IdleTimeout = 2*patience, 2*patience })
	lf := func(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }
	post := head("POST", "/flows", asNDJSON, "Content-Length: "+itoa(len(jsonFlow)+1))
	good := post + jsonFlow + "\n"
	inChunks := head("POST", "/flows", asNDJSON, "Transfer-Encoding: chunked") + chunks(jsonFlow+"\n", 9)
	for _, c := range []struct {
		name string
		good int // requests before it
		raw  string
	}{
		{"a head", 0, lf(head("GET", "/livez"))},
		{"a head without headers", 0, "GET /livez HTTP/1.0\n\n"},
		{"a head with a body", 0, lf(post) + jsonFlow + "\n"},
		{"a head with a body after others", 3, lf(post) + jsonFlow + "\n"},
		{"the request line", 0, strings.Replace(post, "\r\n", "\n", 1) + jsonFlow + "\n"},
		{"one line", 0, strings.Replace(post, "test\r\n", "test\n", 1) + jsonFlow + "\n"},
		{"one line after others", 2, strings.Replace(post, "test\r\n", "test\n", 1) + jsonFlow + "\n"},
		{"the last line", 0, cut(post, 4) + "\n\r\n" + jsonFlow + "\n"},
		{"the empty line", 0, cut(post, 2) + "\n" + jsonFlow + "\n"},
		{"a header that is not all there", 0, "GET /livez HTTP/1.1\r\nHost: a\nX: "},
		{"empty lines and a head", 0, "\r\n\r\n" + lf(head("GET", "/livez"))},
		{"a trailer", 0, cut(inChunks, 2) + "X: y\n\n"},
		{"a trailer after others", 1, cut(inChunks, 2) + "X: y\n\r\n"},
		{"the end of the trailers", 0, cut(inChunks, 2) + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1 << 20, 1, 7} {
				c2 := ts.dial()
				raw := strings.Repeat(good, c.good) + c.raw
				for len(raw) > 0 {
					n := min(size, len(raw))
					if _, err := io.WriteString(c2, raw[:n]); err != nil {
						break // the answer was there before
					}
					raw = raw[n:]
				}
				for range c.good {
					if r := c2.read("POST"); r.StatusCode != 200 {
						t.Fatalf("a good request: %d: %s", r.StatusCode, r.body)
					}
				}
				if p := problemIn(t, c2.read("POST"), 400); !strings.Contains(p.Detail, "LF alone") {
					t.Errorf("in pieces of %d: %q", size, p.Detail)
				}
				c2.ends()
			}
		})
	}
}

// What is not usual, and yet right, is taken: empty lines before a request, HTTP/1.0, a value in whatever spaces.
func TestUnusualHeads(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	body := jsonFlow + "\n"
	length := "Content-Length: " + itoa(len(body))
	for _, raw := range []string{
		"\r\n\r\n" + head("POST", "/flows", asNDJSON, length) + body,
		"\n" + head("POST", "/flows", asNDJSON, length) + body,
		head("POST", "/flows", asNDJSON, "CONTENT-LENGTH:"+itoa(len(body))+" \t ") + body,
		head("POST", "/flows", asNDJSON, "transfer-encoding: Chunked") + chunks(body, 5),
		head("POST", "/flows", asNDJSON, "Transfer-Encoding:\t chunked\t") + chunks(body, 5),
		head("POST", "/flows", asNDJSON, "Te: trailers", "X:", "Trailer: X-Sum", "Transfer-Encoding: chunked") +
			cut(chunks(body, 5), 2) + "X-Sum: a b\r\n\r\n",
		head("POST", "/flows", asNDJSON, "Transfer-Encoding: chunked") + "00000000" + strings.Replace(chunks(body, 5), "\r\n", `;a="b c";d`+"\r\n", 1),
		"POST /flows HTTP/1.0\r\nConnection: keep-alive\r\n" + asNDJSON + "\r\n" + length + "\r\n\r\n" + body,
		// The body has a line end where the request line has its own.
		head("POST", "/flows", asNDJSON, "Content-Length: 51") + strings.Repeat("\n", 51),
	} {
		c := ts.dial()
		for range 2 {
			begin, rest, _ := strings.Cut(raw, "\r\n\r\n")
			c.write(begin + "\r\n\r\n")
			time.Sleep(time.Millisecond) // mostly it comes apart so; the answer is the same
			c.write(rest)
			if r := c.read("POST"); r.StatusCode != 200 {
				t.Fatalf("%q: %d: %s", raw, r.StatusCode, r.body)
			}
		}
	}
}

// Chunk extensions and trailers may have 16 KiB together, wherever they stand.
func TestChunkExtras(t *testing.T) {
	t.Parallel()
	ext := func(n int) string { return ";" + strings.Repeat("x", n-1) }
	trailer := func(n int) string { return "X: " + strings.Repeat("x", n-len("X: \r\n")) + "\r\n" }
	for _, size := range []int{4096, 8192, 64 << 10} {
		ts := serve(t, nil, func(l *Limits) { l.HeaderBytes = size })
		chunked := head("POST", "/flows", "Transfer-Encoding: chunked")
		most := mostExtra - 256 // a size and a line end are no extra, but it is not counted that closely
		for _, c := range []struct {
			name   string
			body   string
			status int
		}{
			{"an extension", "2" + ext(most) + "\r\n[]\r\n0\r\n\r\n", 200},
			{"an extension at the end", "2\r\n[]\r\n0" + ext(most) + "\r\n\r\n", 200},
			{"extensions", strings.Repeat("1"+ext(most/100)+"\r\n \r\n", 100) + "2\r\n[]\r\n0\r\n\r\n", 200},
			{"tiny chunks", chunks(strings.Repeat(" ", 20_000)+"[]", 1), 200},
			{"sizes with zeros", strings.Repeat("00000001\r\n \r\n", 10_000) + "2\r\n[]\r\n0\r\n\r\n", 200},
			{"large chunks", chunks(strings.Repeat(" ", 2_000_000)+"[]", 1, 8192, 70_000, 300_000, 5), 200},
			{"too long an extension", "2" + ext(mostExtra+size+100) + "\r\n[]\r\n0\r\n\r\n", 400},
			{"too long an extension at the end", "2\r\n[]\r\n0" + ext(mostExtra+size+100) + "\r\n\r\n", 400},
			{"too much space behind a size", "2" + strings.Repeat(" ", mostExtra+size+100) + "\r\n[]\r\n0\r\n\r\n", 400},
			{"too many extensions", strings.Repeat("1"+ext(1000)+"\r\n \r\n", 100) + "2\r\n[]\r\n0\r\n\r\n", 400},
			{"extensions of large chunks", strings.Repeat("4000"+ext(1000)+"\r\n"+strings.Repeat(" ", 0x4000)+"\r\n", 100), 400},
		} {
			c2 := ts.dial()
			_, _ = io.WriteString(c2, chunked+c.body) // the answer may be there before
			r := c2.read("POST")
			if r.StatusCode != c.status {
				t.Fatalf("header bytes %d: %s: %d, want %d: %s", size, c.name, r.StatusCode, c.status, r.body)
			}
			if c.status == 400 {
				if p := problemIn(t, r, 400); !strings.Contains(p.Detail, "16 KiB") {
					t.Errorf("header bytes %d: %s: %q", size, c.name, p.Detail)
				}
				c2.ends()
			}
		}
		if size < mostExtra {
			// Just over is too much, to the byte, where not all of it comes with the head.
			if r := ts.post("2" + ext(mostExtra+16) + "\r\n[]\r\n0\r\n\r\n"); r.StatusCode != 400 {
				t.Errorf("header bytes %d: just over: %d", size, r.StatusCode)
			}
		} else {
			if r := ts.post("2\r\n[]\r\n0\r\n" + trailer(most) + "\r\n"); r.StatusCode != 200 {
				t.Errorf("trailers: %d: %s", r.StatusCode, r.body)
			}
			problemIn(t, ts.post("2\r\n[]\r\n0\r\n"+trailer(mostExtra)+trailer(size-10)+trailer(100)+"\r\n"), 400)
		}
	}
}

// Who sends extensions without end is not read without end, whatever becomes of the body.
func TestEndlessExtras(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	for _, c := range []struct {
		name, target, piece string
		status              int
	}{
		{"an extension", "/flows", "1;" + strings.Repeat("x", 64<<10), 400},
		{"extensions", "/flows", "1;" + strings.Repeat("x", 5000) + "\r\n \r\n", 400},
		{"extensions that nobody reads", "/nope", "1;" + strings.Repeat("x", 5000) + "\r\n \r\n", 404},
		{"an extension that nobody reads", "/nope", "1;" + strings.Repeat("x", 64<<10), 404},
		{"a trailer", "/flows", "0\r\nX: " + strings.Repeat("x", 64<<10), 431},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c2 := ts.dial()
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				for _, err := io.WriteString(c2, head("POST", c.target, "Transfer-Encoding: chunked")); err == nil; {
					_, err = io.WriteString(c2, c.piece)
				}
			}()
			problemIn(t, c2.read("POST"), c.status)
			c2.ends()
			<-gone // it is not listened to for long either
		})
	}
}

// However chunks are cut, and however they arrive, the flows of a body are all there.
func TestChunksAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(16) {
		random := rand.New(rand.NewPCG(seed, 7))
		size := []int{4096, 5000, 8192, 40_000}[random.IntN(4)]
		ts := serve(t, nil, func(l *Limits) { l.HeaderBytes = size })
		c := ts.dial()
		for range 3 {
			flows := 1 + random.IntN(1000)
			text, extra := string(flowsBody(flows)), 0
			var b strings.Builder
			b.WriteString(head("POST", "/flows", "Transfer-Encoding: chunked"))
			largest := []int{3, 300, 9000, 200_000}[random.IntN(4)]
			for len(text) > 0 {
				n := min(1+random.IntN(largest), len(text))
				ext := ""
				if extra < mostExtra/2 && random.IntN(3) == 0 {
					ext = ";" + strings.Repeat("y", random.IntN(200))
				}
				extra += len(ext)
				b.WriteString(hex(n) + ext + "\r\n" + text[:n] + "\r\n")
				text = text[n:]
			}
			b.WriteString("0\r\nX: y\r\n\r\n")
			go func(raw string, piece int) {
				for len(raw) > 0 {
					n := min(piece, len(raw))
					if _, err := io.WriteString(c, raw[:n]); err != nil {
						return // the test tells what was answered
					}
					raw = raw[n:]
				}
			}(b.String(), 1+random.IntN(100_000))
			if r := c.read("POST"); r.StatusCode != 200 || r.body != `{"accepted":`+itoa(flows)+`,"duplicate":false}` {
				t.Fatalf("seed %d: %d: %s", seed, r.StatusCode, r.body)
			}
		}
		c.Close()
	}
}
