package httpapi

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, func(l *Limits) { l.HeaderBytes = 4096 })
	body := "[" + jsonFlow + "]"
	length := "Content-Length: " + itoa(len(body))
	for _, c := range []struct {
		name   string
		raw    string
		status int
	}{
		{"not HTTP", "hello\r\n\r\n", 400},
		{"no version", "GET /flows?hour=1\r\n\r\n", 400},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		{"HTTP/2", "GET /livez HTTP/2\r\nHost: a\r\n\r\n", 505},
		{"HTTP/2.0", "GET /livez HTTP/2.0\r\nHost: a\r\n\r\n", 505},
		{"HTTP/1.2", "GET /livez HTTP/1.2\r\nHost: a\r\n\r\n", 505},
		{"HTTP/1.2 without a host", "GET /livez HTTP/1.2\r\n\r\n", 505},
		{"HTTP/0.9", "GET /livez HTTP/0.9\r\nHost: a\r\n\r\n", 505},
		{"HTTP/1.10", "GET /livez HTTP/1.10\r\nHost: a\r\n\r\n", 505},
		{"HTTP/9.9 with a body", "POST /flows HTTP/9.9\r\nHost: a\r\n" + length + "\r\n\r\n" + body, 505},
		{"http/1.1", "GET /livez http/1.1\r\nHost: a\r\n\r\n", 400},
		{"HTTP/x.y", "GET /livez HTTP/x.y\r\nHost: a\r\n\r\n", 400},
		{"HTTPS/1.1", "GET /livez HTTPS/1.1\r\nHost: a\r\n\r\n", 400},
		{"no number of a version", "GET /livez HTTP/\r\nHost: a\r\n\r\n", 400},
		{"TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		{"no host", "GET /livez HTTP/1.1\r\n\r\n", 400},
		{"two hosts", "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"space before colon", "GET /livez HTTP/1.1\r\nHost : a\r\n\r\n", 400},
		{"tab before colon", "GET /livez HTTP/1.1\r\nHost\t: a\r\n\r\n", 400},
		{"space before the colon of a length", head("POST", "/flows", "Content-Length : 5") + body, 400},
		{"space before the colon of an encoding", head("POST", "/flows", "Transfer-Encoding : chunked") + chunks(body, 9), 400},
		{"space in a name", head("GET", "/livez", "X Y: z"), 400},
		{"spaces in a name", head("GET", "/livez", "X  Y Z:z"), 400},
		{"space in the name of a length", head("POST", "/flows", "Content Length: 5") + body, 400},
		{"space in the name of an encoding", head("POST", "/flows", "Transfer Encoding: chunked", length) + body, 400},
		{"space in a name at an unknown path", head("POST", "/nope", "X Y: z", length) + body, 400},
		{"space in the name of the first header", "GET /livez HTTP/1.1\r\nX Y: z\r\nHost: a\r\n\r\n", 400},
		{"space before the first name", "GET /livez HTTP/1.1\r\n Host: a\r\n\r\n", 400},
		{"folded header", head("GET", "/livez", "X: a\r\n b"), 400},
		{"header folded by a tab", head("GET", "/livez", "X: a\r\n\tb"), 400},
		{"folded encoding", head("POST", "/flows", "Transfer-Encoding:\r\n chunked") + chunks(body, 9), 400},
		{"folded length", head("POST", "/flows", "Content-Length:\r\n "+itoa(len(body))) + body, 400},
		{"an empty line of spaces", head("GET", "/livez", "X: a\r\n  \r\nY: b"), 400},
		{"identity", head("POST", "/flows", "Transfer-Encoding: identity") + body, 400},
		{"identity and a length", head("POST", "/flows", "transfer-encoding: Identity", length) + body, 400},
		{"no coding", head("POST", "/flows", "Transfer-Encoding:", length) + body, 400},
		{"chunked and more", head("POST", "/flows", "Transfer-Encoding: chunked, identity", length) + body, 400},
		{"chunked twice", head("POST", "/flows", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + chunks(body, 9), 400},
		{"quoted chunked", head("POST", "/flows", `Transfer-Encoding: "chunked"`) + chunks(body, 9), 400},
		{"xchunked", head("POST", "/flows", "Transfer-Encoding: xchunked", length) + body, 400},
		{"vertical tab before chunked", head("POST", "/flows", "Transfer-Encoding: \vchunked", length) + body, 400},
		{"list of lengths", head("POST", "/flows", "Content-Length: 5, 5") + body, 400},
		{"length with a fraction", head("POST", "/flows", "Content-Length: 5.0") + body, 400},
		{"no length", head("POST", "/flows", "Content-Length:") + body, 400},
		{"CR in a header", head("GET", "/livez", "X: a\rY: b"), 400},
		{"no name", head("GET", "/livez", ": a"), 400},
		{"header without colon", "GET /livez HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", 400},
		{"NUL in a header", "GET /livez HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400},
		{"space in the target", "GET /li vez HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"negative length", head("POST", "/flows", "Content-Length: -1") + body, 400},
		{"signed length", head("POST", "/flows", "Content-Length: +5") + body, 400},
		{"hex length", head("POST", "/flows", "Content-Length: 0x10") + body, 400},
		{"huge length", head("POST", "/flows", "Content-Length: 99999999999999999999") + body, 400},
		{"two lengths", head("POST", "/flows", length, length) + body, 400},
		{"unknown transfer encoding", head("POST", "/flows", "Transfer-Encoding: gzip, chunked") + body, 400},
		{"chunked HTTP/1.0", "POST /flows HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(body, 10), 400},
		{"chunk size not hex", head("POST", "/flows", "Transfer-Encoding: chunked") + "zz\r\n" + body, 400},
		{"chunk size negative", head("POST", "/flows", "Transfer-Encoding: chunked") + "-1\r\n" + body, 400},
		{"chunk size huge", head("POST", "/flows", "Transfer-Encoding: chunked") + "ffffffffffffffffff\r\n" + body, 400},
		{"chunk longer than its size", head("POST", "/flows", "Transfer-Encoding: chunked") + "5\r\n" + body + "\r\n0\r\n\r\n", 400},
		{"chunk size with a space before it", head("POST", "/flows", "Transfer-Encoding: chunked") + " 2\r\n[]\r\n0\r\n\r\n", 400},
		{"chunk size with 0x", head("POST", "/flows", "Transfer-Encoding: chunked") + "0x2\r\n[]\r\n0\r\n\r\n", 400},
		{"chunk size that ends with LF", head("POST", "/flows", "Transfer-Encoding: chunked") + "2\n[]\r\n0\r\n\r\n", 400},
		{"chunk that ends with LF", head("POST", "/flows", "Transfer-Encoding: chunked") + "2\r\n[]\n0\r\n\r\n", 400},
		{"chunk extension that ends with LF", head("POST", "/flows", "Transfer-Encoding: chunked") + "2;a\n[]\r\n0\r\n\r\n", 400},
		{"space in a trailer's name", head("POST", "/flows", "Transfer-Encoding: chunked") + "2\r\n[]\r\n0\r\nX Y: z\r\n\r\n", 400},
		{"a length in a trailer", head("POST", "/flows", "Transfer-Encoding: chunked") + "2\r\n[]\r\n0\r\nContent-Length: 2\r\n\r\n", 400},
		{"bad trailer", head("POST", "/flows", "Transfer-Encoding: chunked") + "2\r\n[]\r\n0\r\nnonsense\r\n\r\n", 400},
		{"long target", "GET /" + strings.Repeat("x", 5000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 431},
		{"long header", head("GET", "/livez", "X: "+strings.Repeat("x", 5000)), 431},
		{"many headers", head("GET", "/livez", strings.Repeat("X: y\r\n", 1000)+"X: y"), 431},
		{"far too long header", head("GET", "/livez", "X: "+strings.Repeat("x", 3<<20)), 431},
		{"long trailer", head("POST", "/flows", "Transfer-Encoding: chunked") + "2\r\n[]\r\n0\r\nX: " + strings.Repeat("x", 5000) + "\r\n\r\n", 431},
	} {
		t.Run(c.name, func(t *testing.T) {
			c2 := ts.dial()
			// The server may answer and stop listening before all is sent.
			_, _ = io.WriteString(c2, c.raw)
			problemIn(t, c2.read("GET"), c.status)
			c2.ends()
		})
	}
	if r := ts.do("GET", "/hours", ""); r.body != "[]" {
		t.Errorf("something of the malformed requests counts: %s", r.body)
	}
}

// A request that is cut short is told so on a connection that is still open the other way, and
// nothing of it counts.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	body := strings.Repeat(jsonFlow+"\n", 300) // whole lines, so that a part is a batch by itself
	length := "Content-Length: " + itoa(len(body))
	for _, c := range []struct {
		name   string
		raw    string
		status int
	}{
		{"whole request", head("POST", "/flows", asNDJSON, length) + body, 200},
		{"whole request in chunks", head("POST", "/flows", asNDJSON, "Transfer-Encoding: chunked") + chunks(body, 1000), 200},
		{"no body", head("POST", "/flows", asNDJSON, length), 400},
		{"one byte", head("POST", "/flows", asNDJSON, length) + body[:1], 400},
		{"some lines", head("POST", "/flows", asNDJSON, length) + body[:len(jsonFlow)+1], 400},
		{"many lines", head("POST", "/flows", asNDJSON, length) + body[:200*(len(jsonFlow)+1)], 400},
		{"all but one byte", head("POST", "/flows", asNDJSON, length) + cut(body, 1), 400},
		{"no chunks", head("POST", "/flows", asNDJSON, "Transfer-Encoding: chunked"), 400},
		{"within a chunk", head("POST", "/flows", asNDJSON, "Transfer-Encoding: chunked") + chunks(body, 1000)[:5000], 400},
		{"no last chunk", head("POST", "/flows", asNDJSON, "Transfer-Encoding: chunked") + cut(chunks(body, 1000), 5), 400},
		{"within a header", head("POST", "/flows", asNDJSON)[:30], 400},
		{"within the request line", "POST /fl", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			c2 := ts.dial()
			c2.write(c.raw)
			if err := c2.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			r := c2.read("POST")
			if c.status == 200 {
				if r.StatusCode != 200 {
					t.Errorf("%d: %s", r.StatusCode, r.body)
				}
			} else if p := problemIn(t, r, c.status); !strings.Contains(p.Detail, "nothing of it counts") {
				t.Errorf("%q", p.Detail)
			}
			c2.ends()
		})
	}
	if r := ts.do("GET", "/hours", ""); !strings.Contains(r.body, `"flows":600,`) {
		t.Errorf("not just the two whole batches count: %s", r.body)
	}
}

// Slow clients are told when their time is over, which is counted from the request's beginning.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, func(l *Limits) { l.ReadTimeout, l.IdleTimeout = 300*time.Millisecond, 600*time.Millisecond })
	body := "[" + jsonFlow + "]"
	whole := head("POST", "/flows", "Content-Length: "+itoa(len(body))) + body
	for _, c := range []struct{ name, first, drip string }{
		{"nothing at all", "", ""},
		{"a part of the header", whole[:20], ""},
		{"no body", cut(whole, len(body)), ""},
		{"a part of the body", cut(whole, 10), ""},
		{"no chunks", head("POST", "/flows", "Transfer-Encoding: chunked"), ""},
		{"a part of a chunk", head("POST", "/flows", "Transfer-Encoding: chunked") + "8\r\n[", ""},
		{"dripping header", "GET /livez HTTP/1.1\r\nX: ", "x"},
		{"dripping body", head("POST", "/flows", "Content-Length: 1000000") + "[", " "},
		{"dripping chunks", head("POST", "/flows", "Transfer-Encoding: chunked"), "1\r\n \r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now() // what the server counts from comes later
			c2 := ts.dial()
			c2.write(c.first)
			stop := make(chan struct{})
			defer close(stop)
			if c.drip != "" {
				go func() {
					for tick := time.Tick(10 * time.Millisecond); ; {
						select {
						case <-tick:
							_, _ = io.WriteString(c2, c.drip)
						case <-stop:
							return
						}
					}
				}()
			}
			p := problemIn(t, c2.read("POST"), 408)
			if took := time.Since(began); took < 250*time.Millisecond {
				t.Errorf("answered after %s", took)
			}
			if !strings.Contains(p.Detail, "read-timeout") {
				t.Errorf("%q", p.Detail)
			}
		})
	}
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		c := ts.dial()
		began := time.Now()
		c.write(head("GET", "/livez"))
		c.read("GET")
		c.ends() // without an answer, for nothing was asked
		if took := time.Since(began); took < 500*time.Millisecond {
			t.Errorf("closed after %s", took)
		}
	})
	t.Run("busy", func(t *testing.T) {
		t.Parallel()
		// Timeouts within which a request is sent and answered on a busy machine too.
		ts := serve(t, nil, func(l *Limits) { l.ReadTimeout, l.IdleTimeout = 4*time.Second, 4*time.Second })
		c := ts.dial()
		tick := time.Tick(100 * time.Millisecond)
		for began := time.Now(); time.Since(began) < 5*time.Second; <-tick { // longer than all timeouts
			c.write(whole)
			if r := c.read("POST"); r.StatusCode != 200 {
				t.Fatalf("%d: %s", r.StatusCode, r.body)
			}
		}
	})
}

// Pipelined requests are answered in their order, good and bad ones, up to one that is closed
// for what it left unread.
func TestPipelined(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	body := "[" + jsonFlow + "]"
	post := head("POST", "/flows", "Content-Length: "+itoa(len(body))) + body
	var raw strings.Builder
	var want []int
	for i := range 50 {
		for _, r := range []struct {
			raw    string
			status int
		}{
			{post, 200},
			{head("POST", "/flows", "Transfer-Encoding: chunked") + chunks(body, 1+i), 200},
			{head("GET", "/flows?hour=1"), 200},
			{head("POST", "/flows", "Content-Length: 3") + "[1]", 400},
			{head("GET", "/flows?hour=x"), 400},
			{head("GET", "/livez", "Content-Length: 4") + "body", 200},
			{head("PUT", "/flows", "Content-Length: 4") + "body", 405},
			{head("POST", "/nope", "Transfer-Encoding: chunked") + chunks("body", 2), 404},
			{head("POST", "/flows"), 400},
			{head("POST", "/flows", "Content-Length: 5", "Content-Type: text/plain") + "hello", 415},
			{head("POST", "/flows", "Transfer-Encoding: chunked", "Flowd-Seq: 1") + chunks(body, 9), 400},
		} {
			raw.WriteString(r.raw)
			want = append(want, r.status)
		}
	}
	large := strings.Repeat(" ", 300<<10)
	raw.WriteString(head("POST", "/flows", "Content-Length: "+itoa(len(large)), "Content-Type: text/plain") + large + post)
	c := ts.dial()
	go func() { _, _ = io.WriteString(c, raw.String()) }()
	for i, status := range want {
		if r := c.read("GET"); r.StatusCode != status {
			t.Fatalf("answer %d: %d, want %d: %s", i, r.StatusCode, status, r.body)
		}
	}
	problemIn(t, c.read("POST"), 415)
	c.ends()
	if r := ts.do("GET", "/hours", ""); !strings.Contains(r.body, `"flows":100,`) {
		t.Errorf("want 100 flows: %s", r.body)
	}
}

// What follows a request with two ways to tell its length is not taken for another request.
func TestLengthAndChunks(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	c := ts.dial()
	smuggled := head("POST", "/flows", "Content-Length: "+itoa(len(jsonFlow)+2)) + "[" + jsonFlow + "]"
	c.write(head("POST", "/flows", "Content-Length: 2", "Transfer-Encoding: chunked") + chunks("[]", 2) + smuggled)
	if r := c.read("POST"); r.StatusCode != 200 || r.body != `{"accepted":0,"duplicate":false}` || !r.Close {
		t.Errorf("%d, close %t: %s", r.StatusCode, r.Close, r.body)
	}
	c.ends()
	if r := ts.do("GET", "/hours", ""); r.body != "[]" {
		t.Errorf("the smuggled batch counts: %s", r.body)
	}
}

// A client that sends all of a large body before it reads gets the answer that came early.
func TestEarlyAnswerArrives(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, func(l *Limits) { l.BodyBytes = 1 << 20 })
	large := strings.Repeat(" ", 8<<20)
	for name, raw := range map[string]string{
		"declared":   head("POST", "/flows", "Content-Length: "+itoa(len(large))) + large,
		"chunked":    head("POST", "/flows", "Transfer-Encoding: chunked") + chunks(large, 1<<16),
		"media type": head("POST", "/flows", "Content-Type: a/b", "Content-Length: "+itoa(len(large))) + large,
		"not found":  head("POST", "/nope", "Content-Length: "+itoa(len(large))) + large,
		"not a body": head("GET", "/livez", "Content-Length: "+itoa(len(large))) + large,
	} {
		t.Run(name, func(t *testing.T) {
			c := ts.dial()
			c.write(raw)
			r, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			if !r.Close {
				t.Errorf("%d without Connection: close", r.StatusCode)
			}
		})
	}
}
