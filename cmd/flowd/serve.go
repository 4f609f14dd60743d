package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

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
// it at once.
func (c *serveCommand) Run(p *process) error {
	return c.serve(p, func(e *local.Engine) httpapi.Engine { return e })
}

// serve is Run with something around the engine, as tests have.
func (c *serveCommand) serve(p *process, around func(*local.Engine) httpapi.Engine) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)

	logger := newLogger(p.stderr, c.LogLevel, c.LogFormat)
	// Libraries that log by package log are heard in our format.
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(logger.Handler(), slog.LevelWarn).Writer())
	engine, err := newEngine(&c.Config, logger)
	if err != nil {
		return err
	}
	metrics.ExposeMetadata(true)
	set := metrics.NewSet()
	set.RegisterMetricsWriter(engineMetrics(engine.Stats))
	version := buildVersion()
	page, err := newPage()
	if err != nil {
		return err
	}
	server := httpapi.New(httpapi.Options{
		Engine: around(engine), Limits: c.limits(), Logger: logger, Metrics: set,
		Version: version, Durability: string(c.Durability), Page: page,
	})
	listener, err := net.Listen("tcp", string(c.Listen))
	if err != nil {
		return listenError(string(c.Listen), err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	logger.Info("started", "version", version.Version, "revision", version.Revision, "go", version.Go,
		"listen", listener.Addr().String(), "data", string(c.Data), "durability", c.Durability)
	opened := make(chan error, 1)
	go func() { opened <- engine.Open() }()
	select {
	case err := <-opened:
		if err != nil {
			return err
		}
	case s := <-signals:
		// What recovery has read so far is on disk as it was.
		logger.Info("stopped during recovery", "signal", signalName(s))
		return nil
	}
	fmt.Fprintf(p.stdout, "flowd serves on http://%s\n", listener.Addr())

	select {
	case err := <-served:
		return fmt.Errorf("serving ended by itself: %w", err)
	case s := <-signals:
		logger.Info("stopping", "signal", signalName(s))
	case <-p.ctx.Done():
		logger.Info("stopping")
	}
	stopped := make(chan error, 1)
	go func() { stopped <- c.stop(server, served, engine, logger) }()
	select {
	case err := <-stopped:
		return err
	case s := <-signals:
		return fmt.Errorf("second signal (%s): ended at once, requests under way were cut", signalName(s))
	}
}

// stop ends the parts in the direction of the data: first load balancers see that the server is
// not ready, then no connection is taken any more and requests under way finish, then the engine
// writes what it has.
func (c *serveCommand) stop(server *httpapi.Server, served <-chan error, engine *local.Engine, logger *slog.Logger) error {
	begin := time.Now()
	server.Drain()
	if c.DrainDelay > 0 {
		logger.Info("draining", "for", c.DrainDelay.String())
		time.Sleep(c.DrainDelay)
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		// Requests may still hold batches of the engine, so it is left as it is: what was answered is in
		// the log.
		return fmt.Errorf("requests under way were cut, as they had not finished within the shutdown-timeout of %s: %w", c.ShutdownTimeout, err)
	}
	if err := <-served; err != nil {
		return err
	}
	if err := engine.Close(); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	logger.Info("stopped", "after", time.Since(begin).Round(time.Millisecond).String())
	return nil
}

// limits returns the settings that bound what a client may ask of the server.
func (c *serveCommand) limits() httpapi.Limits {
	return httpapi.Limits{
		BodyBytes: int(c.MaxBodyBytes), DecodedBytes: int(c.MaxDecodedBytes), Flows: c.MaxFlows,
		HeaderBytes: int(c.MaxHeaderBytes), InflightBytes: int64(c.MaxInflightBytes),
		Connections: c.MaxConnections, Queries: c.MaxQueries, Groups: c.MaxGroups, QueueWait: c.QueueWait,
		ReadTimeout: c.ReadTimeout, WriteTimeout: c.WriteTimeout, IdleTimeout: c.IdleTimeout,
	}
}

func newLogger(w io.Writer, level config.LogLevel, format config.LogFormat) *slog.Logger {
	options := &slog.HandlerOptions{Level: level.Level()}
	if format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// listenError says what an operator can do about the usual reasons.
func listenError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use by another program: stop that one, or choose another address with --listen", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is no address of this machine: choose another one with --listen", address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s may not be listened on by this user: choose a port of 1024 or more with --listen", address)
	}
	return err
}

func signalName(s os.Signal) string {
	if s == syscall.SIGTERM {
		return "SIGTERM"
	}
	return "SIGINT"
}
