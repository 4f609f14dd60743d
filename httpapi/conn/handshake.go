package conn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"

	"github.com/valyala/fasthttp"

	"flowd/httpapi/reject"
	"flowd/logs"
)

// handshakeFailure is why a connection did not become a secure one.
type handshakeFailure uint8

const (
	failureOther handshakeFailure = iota // a malformed message, or nothing in common
	failureTimeout
	failureCutShort
	failurePlainHTTP
	failureNotTLS
	failureVersion
	failureCertificate
	failureByClient
	handshakeFailures
)

var handshakeFailureNames = [handshakeFailures]string{
	failureOther:       "other",
	failureTimeout:     "timeout",
	failureCutShort:    "cut_short",
	failurePlainHTTP:   "plain_http",
	failureNotTLS:      "not_tls",
	failureVersion:     "version",
	failureCertificate: "client_certificate",
	failureByClient:    "refused_by_client", // mostly since it does not trust the server's certificate
}

// methods begin a request in clear. The first record of TLS is looked at as far as its head.
var methods = [][]byte{
	[]byte("GET /"), []byte("HEAD "), []byte("POST "), []byte("PUT /"), []byte("OPTIO"), []byte("DELET"),
	[]byte("PATCH"), []byte("CONNE"), []byte("TRACE"), []byte("PRI *"),
}

// plainHTTPProblem answers a client that speaks HTTP in clear to a listener with TLS.
func plainHTTPProblem() *reject.Problem {
	return &reject.Problem{
		Status: fasthttp.StatusBadRequest, Reason: reject.PlainHTTP,
		Detail: "The client sent an HTTP request to an HTTPS server; use https:// in place of http://.",
	}
}

// failureOf tells why a handshake failed, or false if it is no failure: a connection that is
// closed before anything was sent, as load balancers do to see whether a port is open, or by a stop.
func failureOf(err error, w *wire) (handshakeFailure, bool) {
	var timeout net.Error
	var record tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	var operation *net.OpError
	switch {
	case errors.Is(err, net.ErrClosed):
		return 0, false
	case errors.As(err, &timeout) && timeout.Timeout():
		return failureTimeout, true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return failureCutShort, w.began
	case errors.As(err, &record) && record.Conn != nil:
		for _, method := range methods {
			if bytes.HasPrefix(record.RecordHeader[:], method) {
				return failurePlainHTTP, true
			}
		}
		return failureNotTLS, true
	case errors.As(err, &certificate):
		return failureCertificate, true
	case errors.As(err, &operation) && operation.Op == "remote error":
		return failureByClient, true
	case w.old:
		return failureVersion, true
	}
	return failureOther, true
}

// failed counts and logs a handshake that failed, answers a client that speaks HTTP in clear, and lets
// others take what TLS has told them. What an operator must mend is a warning; of the rest the internet is
// full.
func (c *Conn) failed(err error) {
	failure, ok := failureOf(err, &c.tls.wire)
	if !ok {
		return
	}
	c.tls.tls.failures[failure].Inc()
	level := slog.LevelDebug
	switch failure {
	case failurePlainHTTP:
		c.answerInClear(plainHTTPProblem())
		level = slog.LevelWarn
	case failureVersion, failureCertificate, failureByClient:
		level = slog.LevelWarn
	}
	c.unread.Store(failure != failureTimeout && failure != failureCutShort)
	kind := logs.Kind{Message: "no secure connection", Reason: handshakeFailureNames[failure], Client: AddressText(c.RemoteAddr())}
	c.set.options.Lines.Log(level, kind, func() []slog.Attr {
		return []slog.Attr{logs.Text("error", err.Error()), slog.String("remote", c.RemoteAddr().String())}
	})
}

// answerInClear answers a client that does not speak TLS. An answer that cannot be written is dropped.
func (c *Conn) answerInClear(p *reject.Problem) {
	c.set.options.Rejects.Count(p)
	_, _ = c.Conn.Write(p.Raw())
}
