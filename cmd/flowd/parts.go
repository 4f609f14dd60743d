package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"flowd/config"
	"flowd/httpapi"
	"flowd/httpapi/admin"
	"flowd/httpapi/conn"
	"flowd/limit"
	"flowd/local"
	"flowd/logs"
)

// parts are what a server is made of, in the direction of the data.
type parts struct {
	logger   *slog.Logger
	lines    *logs.Limiter // what clients cause goes through it to logger
	engine   *local.Engine
	server   *httpapi.Server
	admin    *admin.Server
	notifier *notifier
	version  httpapi.Version

	config      *config.Config // as it was at the start
	served      chan error     // what Serve returned
	adminServed chan error     // the same of the admin server, if there is one
}

// assemble makes the parts, and gives r those that it changes. None runs yet.
func (c *serveCommand) assemble(p *process, r *reloader, set *metrics.Set, around func(*local.Engine) httpapi.Engine) (*parts, error) {
	logger := newLogger(p.stderr, r.level, c.LogFormat)
	lines := logs.New(logger)
	// Libraries that log by package log are heard in our format.
	log.SetFlags(0)
	log.SetOutput(lines.Writer(slog.LevelWarn, "said by a library"))
	tokens, err := loadTokens(c.TokensFile)
	if err != nil {
		return nil, err
	}
	r.gate.Replace(tokens)
	if c.TLSCertFile != "" {
		if r.tls, err = conn.LoadTLS(conn.TLSOptions{Files: tlsFiles(&c.Config), Logger: logger, Metrics: set}); err != nil {
			return nil, err
		}
	}
	p.memory.apply(&c.Config, logger)
	if r.engine, err = newEngine(&c.Config, p.memory.Bytes, logger); err != nil {
		return nil, err
	}
	metrics.ExposeMetadata(true)
	set.RegisterMetricsWriter(engineMetrics(r.engine.Stats))
	page, err := newPage()
	if err != nil {
		return nil, err
	}
	version := buildVersion()
	r.server = httpapi.New(httpapi.Options{
		Engine: around(r.engine), Limits: serverLimits(&c.Config, r.engine.Places()), TLS: r.tls, Gate: r.gate,
		Logger: logger, Lines: lines, Metrics: set, Version: version, Durability: string(c.Durability), Page: page,
	})
	r.lines, r.notifier = lines, &notifier{logger: logger}
	return &parts{
		logger: logger, lines: lines, engine: r.engine, server: r.server, notifier: r.notifier, version: version, config: &c.Config,
		admin:  admin.New(c.adminOptions(r)),
		served: make(chan error, 1), adminServed: make(chan error, 1),
	}, nil
}

// adminOptions are those of the admin listener. Within the machine it is in clear, beyond it as the other.
func (c *serveCommand) adminOptions(r *reloader) admin.Options {
	o := admin.Options{API: r.server.AdminAPI(), Reload: r.Reload, AcceptClock: func() (admin.AcceptedClock, error) {
		a, err := r.engine.AcceptClock()
		return admin.AcceptedClock{
			Before: rfc3339(a.Before), After: rfc3339(a.After), Clock: rfc3339(a.Clock), HoursExpired: a.Expired,
		}, err
	}}
	if host, _, err := net.SplitHostPort(string(c.AdminListen)); err == nil && !config.IsLoopback(string(c.AdminListen)) {
		o.Hosts, o.TLS = []string{host}, r.tls
	}
	return o
}

func rfc3339(unixMilli int64) string { return time.UnixMilli(unixMilli).UTC().Format(time.RFC3339) }

// listeners are what the server listens on.
type listeners struct{ api, admin net.Listener } // admin may be nil

// listen listens. Given says that the address of admin was chosen; without that, it is done without
// if its port is taken, as it is by a second server on a machine.
func (c *serveCommand) listen(given bool, logger *slog.Logger) (l listeners, err error) {
	if l.api, err = net.Listen("tcp", string(c.Listen)); err != nil {
		return l, listenError("listen", string(c.Listen), err)
	}
	if c.AdminListen == config.AdminOff {
		return l, nil
	}
	l.admin, err = net.Listen("tcp", string(c.AdminListen))
	switch {
	case err == nil:
		return l, nil
	case given || !errors.Is(err, syscall.EADDRINUSE):
		return l, errors.Join(listenError("admin-listen", string(c.AdminListen), err), l.api.Close())
	}
	logger.Warn("there is no admin listener: another program has its address; choose one with admin-listen, or off",
		"address", string(c.AdminListen))
	return l, nil
}

// serve begins to serve.
func (p *parts) serve(l listeners) {
	go func() { p.served <- p.server.Serve(l.api) }()
	admin := "off"
	if l.admin != nil {
		admin = l.admin.Addr().String()
		go func() { p.adminServed <- p.admin.Serve(l.admin) }()
	} else {
		p.adminServed <- nil
	}
	p.logger.Info("started", "version", p.version.Version, "revision", p.version.Revision, "go", p.version.Go,
		"listen", l.api.Addr().String(), "admin", admin, "data", string(p.config.Data), "durability", p.config.Durability)
	warnOpenFiles(p.logger, p.config.MaxConnections)
	if p.config.TokensFile == "" {
		p.logger.Warn("there is no tokens-file, so any client that reaches this address may do everything",
			"listen", l.api.Addr().String())
	}
}

// announce tells the service manager that the server is ready, and goes on telling it that it lives until
// what it returns is called, once or more often.
func (p *parts) announce(root string) (end func()) {
	p.notifier.Ready()
	p.notifier.Status("serves on " + root)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.notifier.Watchdog(ctx, alive(root, p.engine))
	}()
	return func() {
		cancel()
		<-ended
	}
}

// stop ends the parts in the direction of the data: first load balancers see that the server is
// not ready, then no connection is taken any more and requests under way finish, then the engine
// writes what it has.
func (p *parts) stop(c *config.Config) error {
	begin := time.Now()
	p.notifier.Stopping(c.DrainDelay + c.ShutdownTimeout)
	p.server.Drain()
	if c.DrainDelay > 0 {
		p.logger.Info("draining", "for", c.DrainDelay.String())
		time.Sleep(c.DrainDelay)
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	// The admin server is asked to reload and to look inside, which must not outlive the engine.
	if err := errors.Join(p.admin.Shutdown(ctx), <-p.adminServed); err != nil {
		p.logger.Warn("requests to the admin listener were cut", "error", err)
	}
	if err := p.server.Shutdown(ctx); err != nil {
		// Requests may still hold batches of the engine, so it is left as it is: what was answered is in
		// the log.
		return fmt.Errorf("requests under way were cut, as they had not finished within the shutdown-timeout of %s: %w", c.ShutdownTimeout, err)
	}
	if err := <-p.served; err != nil {
		return err
	}
	if err := p.engine.Close(); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	p.logger.Info("stopped", "after", time.Since(begin).Round(time.Millisecond).String())
	return nil
}

// serverLimits returns the settings that bound what a client may ask of the server, whose engine lends so
// many batches at once.
func serverLimits(c *config.Config, places int) httpapi.Limits {
	return httpapi.Limits{
		BodyBytes: int(c.MaxBodyBytes), DecodedBytes: int(c.MaxDecodedBytes), Flows: c.MaxFlows,
		HeaderBytes: int(c.MaxHeaderBytes), InflightBytes: int64(c.MaxInflightBytes),
		Connections: c.MaxConnections, ConnectionsPerAddress: c.MaxConnectionsPerAddress,
		Rates: clientRates(c), RateClients: c.RateClients, Slots: places,
		Queries: c.MaxQueries, Groups: c.MaxGroups, QueueWait: c.QueueWait,
		ReadTimeout: c.ReadTimeout, WriteTimeout: c.WriteTimeout, IdleTimeout: c.IdleTimeout,
	}
}

// clientRates returns the rates of each client. A burst that was not set is ten seconds of the rate, and
// never less than one batch may have.
func clientRates(c *config.Config) limit.Rates {
	r := limit.Rates{
		Flows: int64(c.RateFlows), FlowsBurst: int64(c.RateFlowsBurst),
		Bytes: int64(c.RateBytes), BytesBurst: int64(c.RateBytesBurst),
	}
	if r.FlowsBurst == 0 {
		r.FlowsBurst = max(10*r.Flows, int64(c.MaxFlows))
	}
	if r.BytesBurst == 0 {
		r.BytesBurst = max(10*r.Bytes, int64(c.MaxBodyBytes))
	}
	return r
}

func tlsFiles(c *config.Config) conn.TLSFiles {
	return conn.TLSFiles{Certificate: c.TLSCertFile, Key: c.TLSKeyFile, ClientCA: c.TLSClientCAFile}
}

func newLogger(w io.Writer, level slog.Leveler, format config.LogFormat) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
