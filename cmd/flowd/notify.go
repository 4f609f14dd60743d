package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"flowd/flow"
)

// notifier tells the service manager that started the program how it does, as systemd's Type=notify
// asks for: by datagrams to the socket that $NOTIFY_SOCKET names. Without that variable no supervisor asked,
// and the methods do nothing. They may be called from any goroutine.
type notifier struct {
	logger *slog.Logger
}

// Ready says that the server takes requests: it has recovered, or a reload is over.
func (n *notifier) Ready() { n.tell(daemon.SdNotifyReady) }

// Reloading says that a reload has begun. Ready must follow, also if the old settings stay. A manager that
// knows Type=notify-reload compares the time with its own, to know which of several reloads is meant.
func (n *notifier) Reloading() {
	n.tell(daemon.SdNotifyReloading + "\n" + strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
}

// lastCheckpoint is longer than any last checkpoint takes on a disk that works.
const lastCheckpoint = time.Minute

// Stopping says that a stop has begun, and how long requests may take by the settings: whatever the manager
// would allow, it must not kill the server before they and the last checkpoint are done.
func (n *notifier) Stopping(requests time.Duration) {
	n.tell(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, (requests + lastCheckpoint).Microseconds()))
}

// Status says in one line what the server does, for systemctl status.
func (n *notifier) Status(text string) {
	// Lines are variables of their own.
	n.tell("STATUS=" + strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " "))
}

func (n *notifier) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.logger.Warn("the service manager cannot be told", "error", err)
	}
}

// watchdogShare is how many times healthy is asked within the manager's patience. Each check has as long as
// there is between two, so that one that fails or is slow costs nothing yet.
const watchdogShare = 4

// Watchdog pings the manager for as long as healthy returns nil in time, so that one that hangs is ended and
// started anew, and returns when ctx ends. Without WatchdogSec= it returns at once.
//
// The context of a check ends when its time is over. A check that goes on all the same is not joined by
// another, and there is no ping until it returns.
func (n *notifier) Watchdog(ctx context.Context, healthy func(context.Context) error) {
	patience, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.logger.Warn("no watchdog: the service manager's time for it cannot be read", "error", err)
		return
	}
	if patience == 0 {
		return
	}
	interval := patience / watchdogShare
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	results := make(chan error, 1)
	for asking := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if asking {
				n.logger.Warn("the server hangs: it does not answer its watchdog", "ended_after", patience)
				continue
			}
			asking = true
			go func() {
				check, cancel := context.WithTimeout(ctx, interval)
				defer cancel()
				results <- healthy(check)
			}()
		case err := <-results:
			asking = false
			if err == nil {
				n.tell(daemon.SdNotifyWatchdog)
			} else if ctx.Err() == nil {
				n.logger.Warn("the server does not answer its watchdog", "ended_after", patience, "error", err)
			}
		}
	}
}

// guarded is the engine, as far as the watchdog asks it.
type guarded interface {
	Ledger() (flow.Ledger, error)      // needs the committer
	Hours() ([]flow.HourTotals, error) // needs every shard
}

// alive returns a check whether the server at root, its own URL, answers /livez, and the goroutines of the
// engine, which has recovered, do. A question to the engine goes on when the context has ended.
func alive(root string, engine guarded) func(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // so that it is accepted as any other
		// It asks this process, whatever names its certificate has, and sends no secret.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, root+"/livez", nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		response.Body.Close()
		// With as many connections as there may be, it says 503, and that is an answer.
		if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusServiceUnavailable {
			return fmt.Errorf("GET /livez is answered %s", response.Status)
		}
		if _, err := engine.Ledger(); err != nil {
			return err
		}
		_, err = engine.Hours()
		return err
	}
}
