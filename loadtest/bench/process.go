package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"syscall"
	"time"

	"flowd/loadtest/child"
	"flowd/loadtest/process"
)

// instance is a server under test: a process of its own, so that what it uses can be told from
// what the load uses.
type instance struct {
	*child.Process
	name string
	url  string // http://host:port
	// token authenticates the client; "" sends none.
	token string
}

const (
	// startWithin and stopWithin are how long a server may take to begin and to end.
	startWithin = 30 * time.Second
	stopWithin  = 20 * time.Second
	// askEvery is how often a server that starts is asked whether it is ready, and so how exactly it
	// is known when it was.
	askEvery = 5 * time.Millisecond
)

// startProcess starts a server with the address that it is to listen on, and returns when it
// answers healthPath with 200. It must be called from main's goroutine.
func startProcess(ctx context.Context, name, healthPath string, command func(addr string) *exec.Cmd) (*instance, error) {
	addr, err := child.FreeAddr()
	if err != nil {
		return nil, err
	}
	started, err := child.Start(name, command(addr))
	if err != nil {
		return nil, err
	}
	p := &instance{Process: started, name: name, url: "http://" + addr}
	if err := p.waitHealthy(ctx, healthPath); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// stop ends the server and waits for it.
func (p *instance) stop() error {
	p.resume()
	return p.Stop(stopWithin)
}

func (p *instance) waitHealthy(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		if _, err := p.get(ctx, path); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.Exited():
			return errors.Join(fmt.Errorf("%s ended at its start", p.name), p.Failure())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer %s: %w\n%s", p.name, path, ctx.Err(), p.Output())
		}
	}
}

// pause halts the process, so that what it has left to do takes nothing from the server that
// is measured next, and is counted as its own when its turn comes.
func (p *instance) pause() { p.signal(syscall.SIGSTOP) }

func (p *instance) resume() { p.signal(syscall.SIGCONT) }

// signal fails if the process has ended, which the next request to it will report.
func (p *instance) signal(s syscall.Signal) {
	select {
	case <-p.Exited(): // its number may be another's by now
	default:
		_ = syscall.Kill(p.PID(), s)
	}
}

// cpu returns the processor time that the server used so far.
func (p *instance) cpu() (time.Duration, error) {
	usage, err := process.Read(p.PID())
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.name, err)
	}
	return usage.CPU, nil
}

// get asks the server for path and returns the body of a 200.
func (p *instance) get(ctx context.Context, path string) ([]byte, error) {
	resp, err := p.open(ctx, path)
	if err != nil {
		return nil, err
	}
	return readOK(resp)
}

// tag returns the ETag of the answer for path.
func (p *instance) tag(ctx context.Context, path string) (string, error) {
	resp, err := p.open(ctx, path)
	if err != nil {
		return "", err
	}
	_, err = readOK(resp)
	return resp.Header.Get("ETag"), err
}

// open asks the server for path on a connection of its own.
func (p *instance) open(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return nil, err
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
}
