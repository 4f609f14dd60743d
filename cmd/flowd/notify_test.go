package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowd/flow"
)

// manager is what a service manager has: a socket that it is told by.
type manager struct {
	t      *testing.T
	socket *net.UnixConn
}

// newManager listens, and has the notifiers of this test find it.
func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, socket}
}

// next returns what it was told next.
func (m *manager) next() string {
	m.t.Helper()
	if err := m.socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	text := make([]byte, 4096)
	n, err := m.socket.Read(text)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text[:n])
}

// silentNotifier fails the test if it logs.
func silentNotifier(t *testing.T) *notifier {
	var logged bytes.Buffer
	t.Cleanup(func() {
		if logged.Len() > 0 {
			t.Errorf("logged:\n%s", &logged)
		}
	})
	return &notifier{slog.New(slog.NewTextHandler(&logged, nil))}
}

func TestManagerIsTold(t *testing.T) {
	m, n := newManager(t), silentNotifier(t)
	for _, c := range []struct {
		tell func()
		want string
	}{
		{n.Ready, "READY=1"},
		{func() { n.Stopping(90 * time.Second) }, "STOPPING=1\nEXTEND_TIMEOUT_USEC=150000000"},
		{func() { n.Status("serving on http://127.0.0.1:8080") }, "STATUS=serving on http://127.0.0.1:8080"},
		// An error's text must not say that the server is ready.
		{func() { n.Status("not\nREADY=1\r\nyet") }, "STATUS=not READY=1 yet"},
	} {
		c.tell()
		if got := m.next(); got != c.want {
			t.Errorf("told %q, want %q", got, c.want)
		}
	}
}

func TestManagerIsToldWhenAReloadBegan(t *testing.T) {
	m, n := newManager(t), silentNotifier(t)
	last := uint64(0)
	for range 2 {
		n.Reloading()
		got := m.next()
		digits, ok := strings.CutPrefix(got, "RELOADING=1\nMONOTONIC_USEC=")
		at, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || at <= last {
			t.Errorf("told %q after %d, %v", got, last, err)
		}
		last = at
	}
}

func TestNobodyToTell(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	n := silentNotifier(t)
	n.Ready()
	n.Status("as ever")
	n.Watchdog(t.Context(), func(context.Context) error {
		t.Error("asked without a watchdog")
		return nil
	})
}

func TestManagerThatIsGone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	t.Setenv("WATCHDOG_USEC", "soon")
	var logged bytes.Buffer
	n := &notifier{slog.New(slog.NewTextHandler(&logged, nil))}
	n.Ready()
	n.Watchdog(t.Context(), nil)
	for _, want := range []string{"the service manager cannot be told", "no watchdog"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("logged without %q:\n%s", want, &logged)
		}
	}
}

// watch runs the watchdog, and returns what ends it.
func watch(t *testing.T, n *notifier, healthy func(context.Context) error) (end func()) {
	t.Setenv("WATCHDOG_USEC", "4000") // a check each millisecond
	t.Setenv("WATCHDOG_PID", "")
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { n.Watchdog(ctx, healthy) })
	end = func() { cancel(); running.Wait() }
	t.Cleanup(end)
	return end
}

// discarding is for tests whose checks fail or are late.
func discarding() *notifier { return &notifier{slog.New(slog.DiscardHandler)} }

func TestWatchdogPingsWhileHealthy(t *testing.T) {
	m := newManager(t)
	var checks atomic.Int32
	end := watch(t, discarding(), func(context.Context) error {
		if n := checks.Add(1); n > 1 && n < 5 {
			return errors.New("not now")
		}
		return nil
	})
	for _, least := range []int32{1, 5, 6} { // no ping is of checks 2 to 4
		if got := m.next(); got != "WATCHDOG=1" {
			t.Errorf("told %q", got)
		}
		if n := checks.Load(); n < least {
			t.Errorf("a ping after %d checks, want %d", n, least)
		}
	}
	end()
}

// A check that hangs is asked once, has no ping, and is logged, for as long as it hangs.
func TestWatchdogOfAServerThatHangs(t *testing.T) {
	m := newManager(t)
	warned := make(chan struct{}, 1)
	n := &notifier{slog.New(slog.NewTextHandler(writerFunc(func(line []byte) {
		if bytes.Contains(line, []byte("the server hangs")) {
			select {
			case warned <- struct{}{}:
			default:
			}
		}
	}), nil))}
	var checks atomic.Int32
	hung := make(chan struct{})
	end := watch(t, n, func(ctx context.Context) error {
		if checks.Add(1) == 1 {
			<-ctx.Done()  // its time is over
			for range 2 { // and that was seen
				select {
				case <-warned:
				case <-time.After(patience):
					t.Error("nobody is warned")
				}
			}
			m.none()
			if n := checks.Load(); n != 1 {
				t.Errorf("%d checks at once", n)
			}
			close(hung)
		}
		return nil
	})
	<-hung
	if got := m.next(); got != "WATCHDOG=1" {
		t.Errorf("told %q", got)
	}
	end()
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// none holds that it was told nothing that was not read.
func (m *manager) none() {
	m.t.Helper()
	if err := m.socket.SetReadDeadline(time.Now()); err != nil {
		m.t.Error(err)
	}
	if n, err := m.socket.Read(make([]byte, 1)); err == nil {
		m.t.Errorf("told something (%d bytes) meanwhile", n)
	}
}

// engineStub answers as it is told.
type engineStub struct{ ledger, hours error }

func (e engineStub) Ledger() (flow.Ledger, error)      { return flow.Ledger{}, e.ledger }
func (e engineStub) Hours() ([]flow.HourTotals, error) { return nil, e.hours }

func TestAlive(t *testing.T) {
	status := http.StatusOK
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/livez" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
	})
	plain, encrypted := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer encrypted.Close()
	gone := httptest.NewServer(handler)
	gone.Close()
	failing := errors.New("no")
	for _, c := range []struct {
		name   string
		root   string
		status int
		engine engineStub
		want   bool
	}{
		{"well", plain.URL, http.StatusOK, engineStub{}, true},
		{"over TLS", encrypted.URL, http.StatusOK, engineStub{}, true},
		{"with too many connections", plain.URL, http.StatusServiceUnavailable, engineStub{}, true},
		{"broken", plain.URL, http.StatusInternalServerError, engineStub{}, false},
		{"gone", gone.URL, http.StatusOK, engineStub{}, false},
		{"without its committer", plain.URL, http.StatusOK, engineStub{ledger: failing}, false},
		{"without its shards", plain.URL, http.StatusOK, engineStub{hours: failing}, false},
	} {
		status = c.status
		if err := alive(c.root, c.engine)(t.Context()); (err == nil) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
