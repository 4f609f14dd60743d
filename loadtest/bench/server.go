package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"flowd/loadtest"
	"flowd/loadtest/child"
	"flowd/loadtest/process"
)

// server is one of those that are measured, as a process of its own, so that what it uses can be told from what the
// load uses.
type server struct {
	*child.Process
	name string
	url  string // http://host:port
	// token authenticates the client; "" sends none.
	token       string
	path        string // of the POST
	contentType string
	status      int // of the answer to a POST that was taken
	encode      func(dst []byte, g *loadtest.Generator, samples []loadtest.Sample) []byte
	// counted returns how many flows the server says it took; nil if it does not say.
	counted func(context.Context) (uint64, error)
	posted  uint64 // flows that were answered with status
	stopped bool
}

const (
	ceilingName  = "ceiling"
	flowdName    = "flowd"
	victoriaName = "VictoriaMetrics"
	// victoriaBinary is what Debian calls it.
	victoriaBinary = "victoria-metrics"

	// startWithin and stopWithin are how long a server may take to begin and to end.
	startWithin = 30 * time.Second
	stopWithin  = 20 * time.Second
	// askEvery is how often a server that starts is asked whether it is ready, and so how exactly it
	// is known when it was.
	askEvery = 5 * time.Millisecond
	// wantedSpares is how many spare segments flowd keeps ready. It makes them when it starts, which
	// keeps the disk busy.
	wantedSpares = 2
)

// build makes the binary of flowd.
func (b *bench) build(ctx context.Context) error {
	b.flowd = filepath.Join(b.dir, "flowd")
	b.progress("building flowd")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", b.flowd, "flowd/cmd/flowd").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build flowd/cmd/flowd: %w\n%s", err, out)
	}
	return nil
}

func (b *bench) startCeiling(ctx context.Context) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return b.startServer(ctx, ceilingName, "/", func(addr string) *exec.Cmd { return exec.Command(self, ceilingMode, addr) })
}

// startMemory starts flowd without a folder of data.
func (b *bench) startMemory(ctx context.Context) (*server, error) {
	return b.startFlowd(ctx, flowdName, "--data=", "--durability=none")
}

// startFlowd starts flowd with these settings. Name is what the figures call it.
func (b *bench) startFlowd(ctx context.Context, name string, settings ...string) (*server, error) {
	// Not /readyz, which early commits lack.
	s, err := b.startServer(ctx, name, "/hours", func(addr string) *exec.Cmd {
		settings = append([]string{"--listen=" + addr, "--admin-listen=off"}, settings...)
		return exec.Command(b.flowd, append([]string{"serve"}, b.known(settings)...)...)
	})
	if err != nil {
		return nil, err
	}
	s.counted = s.flowdCount
	return s, nil
}

// startVictoria starts VictoriaMetrics with its defaults, but for a retention that has room for
// the hours of the load, and a place for its data that is removed afterwards.
func (b *bench) startVictoria(ctx context.Context) (*server, error) {
	binary, err := exec.LookPath(victoriaBinary)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "victoria-")
	if err != nil {
		return nil, err
	}
	s, err := b.startServer(ctx, victoriaName, "/health", func(addr string) *exec.Cmd {
		return exec.Command(binary, "-httpListenAddr="+addr, "-storageDataPath="+dir, "-retentionPeriod=1y")
	})
	if err != nil {
		return nil, err
	}
	s.path, s.contentType, s.status, s.encode, s.counted = "/write", "text/plain", http.StatusNoContent, encodeInflux, s.victoriaCount
	return s, nil
}

// startServer starts a server with the address that it is to listen on, and returns when it answers healthPath with
// 200. It is stopped when the scenario is over. It must be called from main's goroutine.
func (b *bench) startServer(ctx context.Context, name, healthPath string, command func(addr string) *exec.Cmd) (*server, error) {
	addr, err := child.FreeAddr()
	if err != nil {
		return nil, err
	}
	started, err := child.Start(name, command(addr))
	if err != nil {
		return nil, err
	}
	s := &server{Process: started, name: name, url: "http://" + addr, path: "/flows", contentType: "application/json", status: http.StatusOK, encode: encodeJSON}
	if err := s.waitHealthy(ctx, healthPath); err != nil {
		s.kill()
		return nil, err
	}
	b.later(s.stop)
	return s, nil
}

// stop ends the server and waits for it, unless it has been stopped or killed.
func (s *server) stop() error {
	if s.stopped {
		return nil
	}
	s.stopped = true
	s.resume()
	return s.Stop(stopWithin)
}

func (s *server) kill() {
	s.stopped = true
	s.Kill()
}

func (s *server) waitHealthy(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		if resp, err := s.open(ctx, path); err == nil {
			_ = resp.Body.Close() // of no use
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			// A server with tokens refuses the question, and has a route for it that early commits lack.
			if _, err := s.get(ctx, "/readyz"); err == nil && resp.StatusCode == http.StatusUnauthorized {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-s.Exited():
			return errors.Join(fmt.Errorf("%s ended at its start", s.name), s.Failure())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer %s: %w\n%s", s.name, path, ctx.Err(), s.Output())
		}
	}
}

// pause halts the process, so that what it has left to do takes nothing from the server that
// is measured next, and is counted as its own when its turn comes.
func (s *server) pause() { s.signal(syscall.SIGSTOP) }

func (s *server) resume() { s.signal(syscall.SIGCONT) }

// signal fails if the process has ended, which the next request to it will report.
func (s *server) signal(sig syscall.Signal) {
	select {
	case <-s.Exited(): // its number may be another's by now
	default:
		_ = syscall.Kill(s.PID(), sig)
	}
}

// cpu returns the processor time that the server used so far.
func (s *server) cpu() (time.Duration, error) {
	usage, err := process.Read(s.PID())
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.name, err)
	}
	return usage.CPU, nil
}

// get asks the server for path and returns the body of a 200.
func (s *server) get(ctx context.Context, path string) ([]byte, error) {
	resp, err := s.open(ctx, path)
	if err != nil {
		return nil, err
	}
	return readOK(resp)
}

// tag returns the ETag of the answer for path.
func (s *server) tag(ctx context.Context, path string) (string, error) {
	resp, err := s.open(ctx, path)
	if err != nil {
		return "", err
	}
	_, err = readOK(resp)
	return resp.Header.Get("ETag"), err
}

// open asks the server for path on a connection of its own.
func (s *server) open(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return nil, err
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
}
