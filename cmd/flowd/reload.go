package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"flowd/access"
	"flowd/config"
	"flowd/flow"
	"flowd/httpapi"
	"flowd/httpapi/admin"
	"flowd/httpapi/conn"
	"flowd/local"
	"flowd/logs"
)

// reloader changes the settings of a running server to what their sources say now. All of them are
// checked before any is changed, so that a server either has the new ones or goes on with the old.
type reloader struct {
	loader *config.Loader
	lines  *logs.Limiter // a client that may reload may do so often
	level  *slog.LevelVar
	gate   *access.Gate
	tls    *conn.TLS // nil without TLS
	engine *local.Engine
	server *httpapi.Server

	notifier *notifier
	ready    atomic.Bool // the service manager was told that the server is

	mu     sync.Mutex // held while settings are changed
	config atomic.Pointer[config.Config]

	succeeded  atomic.Bool
	since      atomic.Int64 // when settings were taken last, in Unix milliseconds
	good, poor *metrics.Counter
}

// newReloader returns a reloader of settings that were read a moment ago. What it changes is to be set
// before Reload is called.
func newReloader(c *config.Config, loader *config.Loader, set *metrics.Set) *reloader {
	r := &reloader{loader: loader, level: new(slog.LevelVar), gate: access.NewGate(access.Options{})}
	r.level.Set(c.LogLevel.Level())
	r.config.Store(c)
	r.took()
	r.good = set.NewCounter(`flowd_config_reloads_total{result="success"}`)
	r.poor = set.NewCounter(`flowd_config_reloads_total{result="failure"}`)
	set.NewGauge(`flowd_config_last_reload_successful`, func() float64 {
		if r.succeeded.Load() {
			return 1
		}
		return 0
	})
	set.NewGauge(`flowd_config_last_reload_success_timestamp_seconds`, func() float64 { return float64(r.since.Load()) / 1e3 })
	return r
}

// took notes that settings were taken.
func (r *reloader) took() {
	r.succeeded.Store(true)
	r.since.Store(time.Now().UnixMilli())
}

// Reload takes the settings as their sources have them now. It returns what changed, or an error that
// says what is wrong, and then nothing has changed.
func (r *reloader) Reload() (admin.Reloaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ready.Load() { // else the service manager waits for that
		r.notifier.Reloading()
		defer r.notifier.Ready()
	}
	found, err := r.reload()
	if err != nil {
		r.succeeded.Store(false)
		r.poor.Inc()
		r.lines.Log(slog.LevelError, logs.Kind{Message: "the settings cannot be reloaded, so those of before stay"}, func() []slog.Attr {
			return []slog.Attr{slog.Any("error", err)}
		})
		return admin.Reloaded{}, placed(err)
	}
	r.took()
	r.good.Inc()
	r.lines.Log(slog.LevelInfo, logs.Kind{Message: "reloaded the settings"}, func() []slog.Attr {
		return []slog.Attr{slog.Any("changed", changes(found.Changed)), slog.Any("after_restart", changes(found.Restart))}
	})
	return admin.Reloaded{Changed: changesOf(found.Changed), Restart: changesOf(found.Restart)}, nil
}

func (r *reloader) reload() (*config.Reloaded, error) {
	found, err := r.loader.Reload(r.config.Load())
	if err != nil {
		return nil, err
	}
	c := found.Config
	tokens, err := loadTokens(c.TokensFile)
	if err != nil {
		return nil, err
	}
	if r.tls != nil {
		if err := r.tls.Reload(tlsFiles(c)); err != nil {
			return nil, err
		}
	}
	// Nothing can fail from here on.
	r.gate.Replace(tokens)
	r.level.Set(c.LogLevel.Level())
	r.engine.SetLimits(engineLimits(c))
	r.server.SetLimits(serverLimits(c, r.engine.Places()))
	r.config.Store(c)
	return found, nil
}

// loadTokens reads a tokens file; no file is no tokens.
func loadTokens(file string) (*access.List, error) {
	if file == "" {
		return nil, nil
	}
	data, err := readAtMost(file, access.MaxFile)
	if err != nil {
		return nil, err
	}
	return access.Parse(file, data)
}

// placed returns err and, apart, the places of the mistakes, if it has some.
func placed(err error) error {
	found := &admin.ReloadError{}
	var settings *config.Error
	var tokens *access.Error
	switch {
	case errors.As(err, &settings):
		for _, p := range settings.Problems {
			found.Problems = append(found.Problems, flow.FieldError{Pointer: p.Place, Detail: p.Text})
		}
	case errors.As(err, &tokens):
		for _, p := range tokens.Problems {
			found.Problems = append(found.Problems, flow.FieldError{Pointer: p.Place, Detail: p.Text})
		}
	default:
		return err
	}
	return found
}

// cause strips the path off an error, since the place names it already.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// changes are settings as a log line has them.
func changes(all []config.Change) []string {
	words := []string{}
	for _, c := range all {
		words = append(words, fmt.Sprintf("%s: %s -> %s", c.Key, c.From, c.To))
	}
	return words
}

func changesOf(all []config.Change) []admin.Change {
	changed := []admin.Change{}
	for _, c := range all {
		changed = append(changed, admin.Change(c))
	}
	return changed
}
