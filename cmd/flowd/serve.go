package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/VictoriaMetrics/metrics"

	"flowd/config"
	"flowd/httpapi"
	"flowd/local"
)

// serveCommand is "flowd serve" on one machine:
//
//	clients ── listener ── httpapi.Server ── batches, questions ── local.Engine ── log, blocks
//	                            │                                      │
//	                        GET /metrics ──────── metrics.Set ────── Stats
//
// The server listens before the engine has recovered, and says 503 until then. The parts stop from
// left to right, so that each is asked to stop when nothing comes to it any more.
type serveCommand struct {
	config.Config
}

// Run serves until a signal or the end of p.ctx, then stops gracefully. A second signal ends
// it at once. SIGHUP reloads the settings.
func (c *serveCommand) Run(p *process, loader *config.Loader) error {
	return c.serve(p, loader, func(e *local.Engine) httpapi.Engine { return e })
}

// serve is Run with something around the engine, as tests have.
func (c *serveCommand) serve(p *process, loader *config.Loader, around func(*local.Engine) httpapi.Engine) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	set := metrics.NewSet()
	r := newReloader(&c.Config, loader, set)
	parts, err := c.assemble(p, r, set, around)
	if err != nil {
		return err
	}
	defer parts.lines.Flush()
	listeners, err := c.listen(loader.Given("admin-listen"), parts.logger)
	if err != nil {
		return err
	}
	parts.serve(listeners)
	opened := make(chan error, 1)
	go func() { opened <- parts.engine.Open() }()
	select {
	case err := <-opened:
		if err != nil {
			return err
		}
	case s := <-signals:
		// What recovery has read so far is on disk as it was.
		parts.logger.Info("stopped during recovery", "signal", signalName(s))
		return nil
	}
	root := c.root(listeners.api.Addr())
	fmt.Fprintf(p.stdout, "flowd serves on %s\n", root)
	endWatch := parts.announce(root)
	r.ready.Store(true)
	defer endWatch()

	for stop := false; !stop; {
		select {
		case err := <-parts.served:
			return fmt.Errorf("serving ended by itself: %w", err)
		case <-hangups:
			_, _ = r.Reload() // it is in the log, and in the metrics
		case s := <-signals:
			parts.logger.Info("stopping", "signal", signalName(s))
			stop = true
		case <-p.ctx.Done():
			parts.logger.Info("stopping")
			stop = true
		}
	}
	endWatch()
	stopped := make(chan error, 1)
	go func() { stopped <- parts.stop(r.config.Load()) }()
	select {
	case err := <-stopped:
		return err
	case s := <-signals:
		return fmt.Errorf("second signal (%s): ended at once, requests under way were cut", signalName(s))
	}
}

// root is the server's URL, without a slash at its end.
func (c *serveCommand) root(addr net.Addr) string {
	if c.TLSCertFile != "" {
		return "https://" + addr.String()
	}
	return "http://" + addr.String()
}

// listenError says what an operator can do about the usual reasons.
func listenError(setting, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use by another program: stop that one, or choose another address with --%s", address, setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is no address of this machine: choose another one with --%s", address, setting)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s may not be listened on by this user: choose a port of 1024 or more with --%s", address, setting)
	}
	return err
}

func signalName(s os.Signal) string {
	if s == syscall.SIGTERM {
		return "SIGTERM"
	}
	return "SIGINT"
}
