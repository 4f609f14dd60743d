package httpapi

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"flowd/logs"
)

const (
	// ushers is how many connections over the limit are turned away with patience at once.
	ushers = 64
	// usherTime is how long each of them may take to send a request, take its answer and go.
	usherTime = time.Second
	// acceptPause is the longest pause after a failed accept.
	acceptPause = time.Second
)

// listener accepts connections within the server's limits. Those beyond them are answered 503.
type listener struct {
	net.Listener
	server *Server

	ushers  chan struct{}
	turning sync.WaitGroup // of connections being turned away

	closing sync.Once
	closed  chan struct{}
}

func newListener(ln net.Listener, s *Server) *listener {
	return &listener{
		Listener: ln,
		server:   s,
		ushers:   make(chan struct{}, ushers),
		closed:   make(chan struct{}),
	}
}

// Accept returns the next connection, and an error only when there will be none any more and all
// that were turned away are gone: what passes, such as a lack of file descriptors, is waited
// out, for fasthttp would give up.
func (l *listener) Accept() (net.Conn, error) {
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
				l.server.lines.Log(slog.LevelWarn, logs.Kind{Message: "cannot accept connections; trying again"}, func() []slog.Attr {
					return []slog.Attr{slog.Any("error", err)}
				})
			}
			pause = min(max(2*pause, 5*time.Millisecond), acceptPause)
			select {
			case <-time.After(pause):
			case <-l.closed:
			}
		default:
			l.turning.Wait()
			return nil, err
		}
	}
}

// Close stops accepting.
func (l *listener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// passing tells an error of accept after which the next one may succeed.
func passing(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) ||
		errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.ECONNRESET)
}

// admit returns the connection on nc, or turns it away and returns nil.
func (l *listener) admit(nc net.Conn) *conn {
	s := l.server
	c := newConn(nc, &s.limits, s.epoch)
	limits := s.current.Load()
	over, ok := s.conns.add(c, limits)
	if ok {
		if s.conns.tls != nil {
			c.secure(s, s.conns.tls)
		}
		return c
	}
	answer := s.crowded
	switch over {
	case reasonAddressShare:
		answer = overloaded(over, fmt.Sprintf("This address has %d connections, which is its share of max-connections (%d); use "+
			"fewer, or set max-connections-per-address to what one address may have.", s.conns.of(c.address), limits.Connections)).raw()
	case reasonAddress:
		answer = overloaded(over, fmt.Sprintf("This address has as many connections as it may, %d; use fewer, or raise "+
			"max-connections-per-address.", limits.ConnectionsPerAddress)).raw()
	}
	s.metrics.rejected[over].Inc()
	l.turnAway(nc, answer)
	return nil
}

// turnAway answers a connection over the limit and closes it. It does not hold up Accept. As long as
// there are ushers, the request is awaited and the client given time to take the answer; in a flood the
// answer is sent blindly. To a client of TLS there is nothing to say without a handshake, which costs
// much more, so in a flood its connection is just closed.
func (l *listener) turnAway(nc net.Conn, answer []byte) {
	select {
	case l.ushers <- struct{}{}:
		l.turning.Go(func() {
			l.usher(nc, answer)
			<-l.ushers
		})
	default:
		if l.server.conns.tls == nil {
			_ = nc.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
			_, _ = nc.Write(answer)
		}
		_ = nc.Close()
	}
}

// usher shows a client the way out. After one of TLS it takes a part of its remaining time, so
// that those who are turned away cannot have more handshakes in a second than there are ushers.
func (l *listener) usher(nc net.Conn, answer []byte) {
	deadline := time.Now().Add(usherTime)
	if l.server.conns.tls == nil {
		showOut(nc, nc, answer, deadline)
		return
	}
	l.showOutSecured(nc, answer, deadline)
	select {
	case <-time.After(time.Until(deadline)):
	case <-l.closed:
	}
}

func (l *listener) showOutSecured(nc net.Conn, answer []byte, deadline time.Time) {
	talk := l.server.conns.tls.over(nc)
	defer talk.Close()
	if nc.SetDeadline(deadline) == nil && talk.Handshake() == nil {
		showOut(nc, talk, answer, deadline)
	}
}

// showOut waits for the beginning of a request on talk, which is nc or goes over it, answers it, waits
// for the client to go, and closes nc. Errors are the client's, who is on the way out.
func showOut(nc, talk net.Conn, answer []byte, deadline time.Time) {
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
