package loadtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script is a server on the far end of each connection that is dialed: it hands its end to the
// next of its parts, which plays it.
type script struct {
	parts []func(net.Conn, *bufio.Reader)
	dials int
}

func (s *script) dial(context.Context, string) (net.Conn, error) {
	if s.dials == len(s.parts) {
		return nil, errors.New("no server listens")
	}
	near, far := net.Pipe()
	part := s.parts[s.dials]
	s.dials++
	go func() {
		defer far.Close()
		part(far, bufio.NewReader(far))
	}()
	return near, nil
}

// readRequest reads one request with its body, and reports whether there was one.
func readRequest(r *bufio.Reader) bool {
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		if after, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			for _, digit := range strings.TrimSpace(after) {
				length = length*10 + int(digit-'0')
			}
		}
		if line == "\r\n" {
			_, err := r.Discard(length)
			return err == nil
		}
	}
}

// says is a part that answers each request with the next of these texts, then closes.
func says(answers ...string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		for _, answer := range answers {
			if !readRequest(r) {
				return
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	}
}

var testTarget = Target{addr: "test:80", host: "test"}

func soon() time.Time { return time.Now().Add(10 * time.Second) }

// exchangeOnce posts a small body and returns status and body of the answer.
func exchangeOnce(c *Conn) (status int, body string, err error) {
	a, err := c.RoundTrip(AppendPost(nil, &testTarget, PostHead{Route: "/flows", ContentType: "application/json", Length: 2}), []byte("[]"), soon())
	if err != nil {
		return 0, "", err
	}
	var text bytes.Buffer
	_, err = text.ReadFrom(struct{ io.Reader }{c})
	_, finishErr := c.Finish()
	return a.Status, text.String(), errors.Join(err, finishErr)
}

const secondAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain"

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		status int
		body   string
		keeps  bool
	}{
		"length":           {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true},
		"bare line feeds":  {"HTTP/1.1 200 OK\ncontent-Length:5\n\nhello", 200, "hello", true},
		"chunks":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 200, "hello", true},
		"chunks, trailer":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n", 200, "hello", true},
		"until the end":    {"HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", false},
		"says close":       {"HTTP/1.1 503 Busy\r\nConnection: Close\r\nContent-Length: 4\r\n\r\nbusy", 503, "busy", false},
		"no content":       {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
		"continue":         {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", true},
		"version 1.0":      {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false},
		"no reason phrase": {"HTTP/1.1 429\r\nContent-Length: 0\r\n\r\n", 429, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			answers := []string{c.answer}
			if c.keeps {
				answers = append(answers, secondAnswer)
			}
			s := script{parts: []func(net.Conn, *bufio.Reader){says(answers...), says(secondAnswer)}}
			conn := NewConn(&testTarget, s.dial)
			defer conn.Close()
			status, body, err := exchangeOnce(conn)
			if status != c.status || body != c.body || err != nil {
				t.Errorf("got %d %q, error %v", status, body, err)
			}
			// The next request shows where the answer ended.
			if status, body, err := exchangeOnce(conn); status != 200 || body != "again" || err != nil {
				t.Errorf("then got %d %q, error %v", status, body, err)
			}
			if kept := s.dials == 1; kept != c.keeps {
				t.Errorf("the connection was kept: %v, want %v", kept, c.keeps)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	for name, c := range map[string]struct{ answer, kind string }{
		"nothing":           {"", failedClosed},
		"half a head":       {"HTTP/1.1 200 OK\r\nContent-", failedClosed},
		"half a body":       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", failedClosed},
		"half a chunk":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", failedClosed},
		"no last chunk":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", failedClosed},
		"no trailer":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", failedClosed},
		"another protocol":  {"SSH-2.0-OpenSSH_9.6\r\n", failedAnswer},
		"version 2":         {"HTTP/2.0 200 OK\r\n\r\n", failedAnswer},
		"status of letters": {"HTTP/1.1 abc OK\r\n\r\n", failedAnswer},
		"status too high":   {"HTTP/1.1 999 OK\r\n\r\n", failedAnswer},
		"negative length":   {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", failedAnswer},
		"endless line":      {"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", readBuffer) + "\r\n\r\n", failedAnswer},
		"endless head":      {"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", headLines) + "\r\n", failedAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			s := script{parts: []func(net.Conn, *bufio.Reader){says(c.answer), says(secondAnswer)}}
			conn := NewConn(&testTarget, s.dial)
			defer conn.Close()
			if _, _, err := exchangeOnce(conn); err == nil || failureKind(err) != c.kind {
				t.Errorf("error %v of kind %q, want %q", err, failureKind(err), c.kind)
			}
			if status, body, err := exchangeOnce(conn); status != 200 || body != "again" || err != nil {
				t.Errorf("on a new connection got %d %q, error %v", status, body, err)
			}
		})
	}
}

func TestRefusedConnectionIsNotSent(t *testing.T) {
	conn := NewConn(&testTarget, (&script{}).dial)
	_, _, err := exchangeOnce(conn)
	var notSent *NotSentError
	if !errors.As(err, &notSent) || failureKind(err) != failedConnect {
		t.Errorf("error %v of kind %q", err, failureKind(err))
	}
}

// refuser is a connection whose far end answered and closed before it read the body.
type refuser struct {
	net.Conn
	answer *strings.Reader
}

func (r *refuser) Write([]byte) (int, error)   { return 0, syscall.EPIPE }
func (r *refuser) Read(p []byte) (int, error)  { return r.answer.Read(p) }
func (r *refuser) SetDeadline(time.Time) error { return nil }
func (r *refuser) Close() error                { return nil }

func TestAnswerBeforeTheBodyWasRead(t *testing.T) {
	conn := NewConn(&testTarget, func(context.Context, string) (net.Conn, error) {
		return &refuser{answer: strings.NewReader("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")}, nil
	})
	status, body, err := exchangeOnce(conn)
	if status != 413 || body != "big" || err != nil {
		t.Errorf("got %d %q, error %v", status, body, err)
	}
	if conn.nc != nil {
		t.Error("the connection was kept")
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct{ url, addr, host, path string }{
		{"http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080", ""},
		{"http://flowd.example/", "flowd.example:80", "flowd.example", ""},
		{"http://[::1]:8080/api/v1/", "[::1]:8080", "[::1]:8080", "/api/v1"},
		{"https://flowd.example/x?y=z", "flowd.example:443", "flowd.example", "/x?y=z"},
	} {
		got, err := ParseTarget(c.url)
		if err != nil || got.addr != c.addr || got.host != c.host || got.path != c.path {
			t.Errorf("%s: %+v, error %v", c.url, got, err)
		}
		if secure := strings.HasPrefix(c.url, "https"); (got.tls != nil) != secure {
			t.Errorf("%s: TLS is %v", c.url, got.tls != nil)
		}
	}
	for _, url := range []string{"", "127.0.0.1:8080", "ftp://host", "http://", "http://u:p@host", "http://host/#x", "http://ho st"} {
		if got, err := ParseTarget(url); err == nil {
			t.Errorf("%q is taken as %+v", url, got)
		}
	}
}
