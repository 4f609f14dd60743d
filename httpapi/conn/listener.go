package conn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"flowd/httpapi/reject"
	"flowd/logs"
)

const (
	// rejectLimit is how many connections over the limit are rejected with patience at once.
	rejectLimit = 64
	// patientTime is how long each of them may take to send a request, take its answer and go.
	patientTime = time.Second
	// acceptPause is the longest pause after a failed accept.
	acceptPause = time.Second
)

// Listener accepts connections within the server's limits. Those beyond them are answered 503.
type Listener struct {
	net.Listener
	conns *Set

	rejectors chan struct{}
	rejected  sync.WaitGroup // of connections that are being rejected

	closing sync.Once
	closed  chan struct{}
}

// Listen returns a listener for the connections of ln, which it owns from now on.
func (s *Set) Listen(ln net.Listener) *Listener {
	return &Listener{
		Listener:  ln,
		conns:     s,
		rejectors: make(chan struct{}, rejectLimit),
		closed:    make(chan struct{}),
	}
}

// Accept returns the next connection, and an error only when there will be none any more and all
// that were rejected are closed: what passes, such as a lack of file descriptors, is waited
// out, for fasthttp would give up.
func (l *Listener) Accept() (net.Conn, error) {
	for pause := time.Duration(0); ; {
		nc, err := l.Listener.Accept()
		switch {
		case err == nil:
			pause = 0
			if c := l.admit(nc); c != nil {
				return c, nil
			}
		case passing(err):
			if pause == 0 {
				l.conns.options.Lines.Log(slog.LevelWarn, logs.Kind{Message: "cannot accept connections; trying again"}, func() []slog.Attr {
					return []slog.Attr{slog.Any("error", err)}
				})
			}
			pause = min(max(2*pause, 5*time.Millisecond), acceptPause)
			select {
			case <-time.After(pause):
			case <-l.closed:
			}
		default:
			l.rejected.Wait()
			return nil, err
		}
	}
}

// Close stops accepting.
func (l *Listener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// Rejecting returns how many connections over the limit are being answered.
func (l *Listener) Rejecting() int { return len(l.rejectors) }

// passing tells an error of accept after which the next one may succeed.
func passing(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) ||
		errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.ECONNRESET)
}

// admit returns the connection on nc, or turns it away and returns nil.
func (l *Listener) admit(nc net.Conn) *Conn {
	s := l.conns
	c := s.serve(nc)
	over, ok := s.add(c)
	if ok {
		if s.options.TLS != nil {
			c.secure(s.options.TLS)
		}
		return c
	}
	answer := s.crowded
	switch over {
	case reject.AddressShare:
		answer = reject.Overloaded(over, fmt.Sprintf("This address has %d connections, which is its share of max-connections (%d); use "+
			"fewer, or set max-connections-per-address to what one address may have.", s.ofAddress(c.address), s.options.Max)).Raw()
	case reject.AddressConnections:
		answer = reject.Overloaded(over, fmt.Sprintf("This address has as many connections as it may, %d; use fewer, or raise "+
			"max-connections-per-address.", s.perAddress.Load())).Raw()
	}
	s.options.Rejects.CountReason(over)
	l.rejectOver(nc, answer)
	return nil
}

// rejectOver answers a connection over the limit and closes it. It does not hold up Accept. As long as
// a rejector is free, the request is awaited and the client given time to take the answer; in a flood the
// answer is sent blindly. To a client of TLS there is nothing to say without a handshake, which costs
// much more, so in a flood its connection is just closed.
func (l *Listener) rejectOver(nc net.Conn, answer []byte) {
	select {
	case l.rejectors <- struct{}{}:
		l.rejected.Go(func() {
			l.rejectPatiently(nc, answer)
			<-l.rejectors
		})
	default:
		if l.conns.options.TLS == nil {
			_ = nc.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
			_, _ = nc.Write(answer)
		}
		_ = nc.Close()
	}
}

// rejectPatiently answers a client over the limit. After one of TLS it takes a part of its remaining time, so
// that rejected clients cannot have more handshakes in a second than there are rejectors.
func (l *Listener) rejectPatiently(nc net.Conn, answer []byte) {
	deadline := time.Now().Add(patientTime)
	if l.conns.options.TLS == nil {
		answerAndClose(nc, nc, answer, deadline)
		return
	}
	l.rejectSecured(nc, answer, deadline)
	select {
	case <-time.After(time.Until(deadline)):
	case <-l.closed:
	}
}

func (l *Listener) rejectSecured(nc net.Conn, answer []byte, deadline time.Time) {
	talk := l.conns.options.TLS.Server(nc)
	defer talk.Close()
	if nc.SetDeadline(deadline) == nil && talk.Handshake() == nil {
		answerAndClose(nc, talk, answer, deadline)
	}
}

// answerAndClose waits for the beginning of a request on talk, which is nc or goes over it, answers it, waits
// for the client to go, and closes nc. Errors are the client's; it is about to be closed anyway.
func answerAndClose(nc, talk net.Conn, answer []byte, deadline time.Time) {
	defer nc.Close()
	if nc.SetDeadline(deadline) != nil {
		return
	}
	var request [1024]byte
	if _, err := talk.Read(request[:]); err != nil {
		return
	}
	if _, err := talk.Write(answer); err != nil {
		return
	}
	if secured, ok := talk.(*tls.Conn); ok && secured.CloseWrite() != nil {
		return
	}
	linger(nc, deadline)
}
