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

// server is the server that is killed. It belongs to the goroutine that starts it.
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

func (v *server) start() error {
	process, err := child.Start("the server", v.command(v.addr))
	if err != nil {
		return err
	}
	v.process, v.began, v.ready = process, time.Now(), false
	v.starts++
	return nil
}

// kill ends the server by SIGKILL; there need not be one.
func (v *server) kill() {
	v.conn.Close()
	if v.process != nil {
		v.process.Kill()
		v.process = nil
	}
}

// stop ends the server by SIGTERM.
func (v *server) stop() error {
	v.conn.Close()
	process := v.process
	v.process = nil
	return process.Stop(v.within)
}

// errNotReady is the end of the patience for a server that is not ready.
var errNotReady = errors.New("the server is not ready")

// waitReady returns when the server is ready, or at until with errNotReady.
func (v *server) waitReady(ctx context.Context, until time.Time) error {
	head := loadtest.AppendGet(nil, v.target, "/readyz")
	if v.ready {
		return nil
	}
	for time.Now().Before(until) {
		a, err := v.conn.RoundTrip(head, nil, until)
		if err == nil {
			status := a.Status
			if _, err = v.conn.Finish(); err == nil && status == http.StatusOK {
				v.ready = true
				v.recoveries = append(v.recoveries, time.Since(v.began))
				return nil
			}
		}
		if err := v.rest(ctx, min(readyEvery, time.Until(until))); err != nil {
			return err
		}
	}
	return errNotReady
}

// mustBeReady is waitReady with all the patience there is.
func (v *server) mustBeReady(ctx context.Context) error {
	err := v.waitReady(ctx, v.began.Add(v.within))
	if errors.Is(err, errNotReady) {
		return fmt.Errorf("%w %v after its start; it printed:\n%s", err, v.within, v.process.Output())
	}
	return err
}

// rest lets the server alone for d. It returns an error early when the server ends by itself or
// ctx ends.
func (v *server) rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-v.process.Exited():
		return v.died()
	}
}

// died returns how the server ended by itself.
func (v *server) died() error {
	if err := v.process.Failure(); err != nil {
		return err
	}
	return fmt.Errorf("the server ended by itself with exit code 0, and printed:\n%s", v.process.Output())
}
