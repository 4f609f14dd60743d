package httpapi

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// ushers is how many connections over the limit are turned away with patience at once.
	ushers = 64
	// usherTime is how long each of them may take to send a request, take its answer and go.
	usherTime = time.Second
	// acceptPause is the longest pause after a failed accept.
	acceptPause = time.Second
)

// listener accepts connections within the server's limit. Those beyond it are answered 503.
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
			c := newConn(nc, &l.server.limits, l.server.epoch)
			if l.server.conns.add(c, l.server.limits.Connections) {
				return c, nil
			}
			l.turnAway(nc)
		case passing(err):
			if pause == 0 {
				l.server.logger.Warn("cannot accept connections; trying again", slog.Any("error", err))
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

// turnAway answers 503 to a connection over the limit and closes it. It does not hold up
// Accept. As long as there are ushers, the request is awaited and the client given time to take
// the answer; in a flood the answer is sent blindly.
func (l *listener) turnAway(nc net.Conn) {
	l.server.metrics.rejected[reasonConnections].Inc()
	select {
	case l.ushers <- struct{}{}:
		l.turning.Go(func() {
			l.usher(nc)
			<-l.ushers
		})
	default:
		_ = nc.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		_, _ = nc.Write(l.server.crowded)
		_ = nc.Close()
	}
}

// usher waits for the beginning of a request, answers it, and waits for the client to go. Its
// errors are the client's, who is on the way out.
func (l *listener) usher(nc net.Conn) {
	defer nc.Close()
	deadline := time.Now().Add(usherTime)
	if nc.SetDeadline(deadline) != nil {
		return
	}
	var request [1024]byte
	if _, err := nc.Read(request[:]); err != nil {
		return
	}
	if _, err := nc.Write(l.server.crowded); err == nil {
		linger(nc, deadline)
	}
}
