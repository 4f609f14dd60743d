package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"time"

	"flowd/loadtest"
	"flowd/loadtest/child"
)

// server is the server under test, which is killed. It belongs to the goroutine that starts it.
type server struct {
	command func(addr string) *exec.Cmd
	addr    string
	target  *loadtest.Target
	conn    *loadtest.Conn // for the questions whether it is ready
	within  time.Duration

	process *child.Process // nil while none runs
	began   time.Time
	ready   bool // as far as is known
	starts  int
	// recoveries are how long it took from a start until the server was ready.
	recoveries []time.Duration
}

// readyEvery is how often the server is asked whether it is ready.
const readyEvery = 2 * time.Millisecond

func newServer(o *Options) (*server, error) {
	addr, err := child.FreeAddr()
	if err != nil {
		return nil, err
	}
	t, err := loadtest.ParseServer("http://"+addr, o.Token)
	if err != nil {
		return nil, err
	}
	return &server{command: o.Server, addr: addr, target: &t, conn: loadtest.NewConn(&t, loadtest.DialTCP), within: o.StartWithin}, nil
}

func (s *server) start() error {
	process, err := child.Start("the server", s.command(s.addr))
	if err != nil {
		return err
	}
	s.process, s.began, s.ready = process, time.Now(), false
	s.starts++
	return nil
}

// kill ends the server by SIGKILL; there need not be one.
func (s *server) kill() {
	s.conn.Close()
	if s.process != nil {
		s.process.Kill()
		s.process = nil
	}
}

// stop ends the server by SIGTERM.
func (s *server) stop() error {
	s.conn.Close()
	process := s.process
	s.process = nil
	return process.Stop(s.within)
}

// errNotReady is returned when the server was not ready in time.
var errNotReady = errors.New("the server is not ready")

// waitReady returns when the server is ready, or at until with errNotReady.
func (s *server) waitReady(ctx context.Context, until time.Time) error {
	head := loadtest.AppendGet(nil, s.target, "/readyz")
	if s.ready {
		return nil
	}
	for time.Now().Before(until) {
		a, err := s.conn.RoundTrip(head, nil, until)
		if err == nil {
			status := a.Status
			if _, err = s.conn.Finish(); err == nil && status == http.StatusOK {
				s.ready = true
				s.recoveries = append(s.recoveries, time.Since(s.began))
				return nil
			}
		}
		if err := s.rest(ctx, min(readyEvery, time.Until(until))); err != nil {
			return err
		}
	}
	return errNotReady
}

// mustBeReady is waitReady for as long as a start may take. It returns an error if the server is not ready then.
func (s *server) mustBeReady(ctx context.Context) error {
	err := s.waitReady(ctx, s.began.Add(s.within))
	if errors.Is(err, errNotReady) {
		return fmt.Errorf("%w %v after its start; it printed:\n%s", err, s.within, s.process.Output())
	}
	return err
}

// rest lets the server alone for d. It returns an error early when the server ends by itself or
// ctx ends.
func (s *server) rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.process.Exited():
		return s.died()
	}
}

// died returns how the server ended by itself.
func (s *server) died() error {
	if err := s.process.Failure(); err != nil {
		return err
	}
	return fmt.Errorf("the server ended by itself with exit code 0, and printed:\n%s", s.process.Output())
}
