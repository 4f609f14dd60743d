package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"flowd/loadtest"
)

// child is a server under test: a process of its own, so that what it uses can be told from
// what the load uses.
type child struct {
	name   string
	url    string // http://host:port
	cmd    *exec.Cmd
	output tail
	exited chan struct{} // closed when the process has ended
	end    error         // how it ended; set before exited is closed
}

const (
	// startWithin and stopWithin are how long a server may take to begin and to end.
	startWithin = 20 * time.Second
	stopWithin  = 10 * time.Second
)

// startChild starts a server with the address that it is to listen on, and returns when it
// answers healthPath with 200. It must be called from main's goroutine.
func startChild(ctx context.Context, name, healthPath string, command func(addr string) *exec.Cmd) (*child, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	c := &child{name: name, url: "http://" + addr, cmd: command(addr), exited: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	endWithParent(c.cmd)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		c.end = c.cmd.Wait()
		close(c.exited)
	}()
	if err := c.waitHealthy(ctx, healthPath); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// stop ends the server and waits for it.
func (c *child) stop() error {
	c.resume()
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // fails if it ended, which is what is wanted
	select {
	case <-c.exited:
		return nil
	case <-time.After(stopWithin):
	}
	_ = c.cmd.Process.Kill()
	<-c.exited
	return fmt.Errorf("%s did not stop within %v and was killed", c.name, stopWithin)
}

// freeAddr returns an address on loopback that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (c *child) waitHealthy(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := c.get(ctx, path); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.exited:
			return fmt.Errorf("%s ended at its start: %v\n%s", c.name, c.end, c.output.String())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer %s: %w\n%s", c.name, path, ctx.Err(), c.output.String())
		}
	}
}

// pause halts the process, so that what it has left to do takes nothing from the server that
// is measured next, and is counted as its own when its turn comes.
func (c *child) pause() { _ = c.cmd.Process.Signal(syscall.SIGSTOP) }

func (c *child) resume() { _ = c.cmd.Process.Signal(syscall.SIGCONT) }

// cpu returns the processor time that the server used so far.
func (c *child) cpu() (time.Duration, error) {
	usage, err := loadtest.ReadProcess(c.cmd.Process.Pid)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.name, err)
	}
	return usage.CPU, nil
}

// get asks the server for path and returns the body of a 200.
func (c *child) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return readOK(resp)
}

// tail keeps the end of what a server writes, for the case that it fails.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// maxTail is how many bytes of it are kept.
const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - maxTail; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
