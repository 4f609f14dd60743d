package client

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOutage holds that in an outage the client makes one attempt at a time, with growing backoffs,
// regardless of the number of pending batches, and then sends all of them.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer()
		begin := time.Now()
		const outage = 10 * time.Minute
		var inFlight, maxInFlight atomic.Int64 // after the first round
		s.fault = func(int, *http.Request) fault {
			failing := time.Since(begin) < outage
			if time.Since(begin) > time.Second && failing {
				maxInFlight.Store(max(maxInFlight.Load(), inFlight.Add(1)))
				defer inFlight.Add(-1)
				time.Sleep(40 * time.Second) // longer than any backoff
			}
			return fault{noConnection: failing}
		}
		var log logBuffer
		o := s.options()
		o.Connections, o.Logger = 8, log.logger()
		c := open(t, o)
		add(t, c, "a", 1000)
		time.Sleep(5 * time.Minute)
		if stats := checkBalance(t, c); stats.Pending != (Count{100, 1000}) || stats.Uncertain.Batches+stats.Deferred.Batches > 0 ||
			!stats.FailingSince.Equal(begin) || stats.Problem == "" || stats.Unsaved != stats.Pending {
			t.Errorf("%+v", stats)
		}
		mustFlush(t, c, 20*time.Minute)
		posts := s.received()
		var rounds []time.Time
		for i, post := range posts {
			switch {
			case post.at.Sub(begin) >= outage:
			case i == 0 || !post.at.Equal(posts[i-1].at):
				rounds = append(rounds, post.at)
			case !post.at.Equal(begin): // when all senders fail as one generation
				t.Errorf("two attempts after %v", post.at.Sub(begin))
			}
		}
		for i := range len(rounds) - 1 {
			gap := rounds[i+1].Sub(rounds[i])
			if rounds[i].Sub(begin) > time.Second {
				gap -= 40 * time.Second
			}
			maxPause := min(defaultMinBackoff<<i, o.MaxBackoff)
			if gap < maxPause/2 || gap > maxPause {
				t.Errorf("backoff %d is %v, want %v to %v", i, gap, maxPause/2, maxPause)
			}
		}
		if len(rounds) < 10 || maxInFlight.Load() != 1 {
			t.Errorf("%d rounds in %v, at most %d attempts at once", len(rounds), outage, maxInFlight.Load())
		}
		if late := posts[len(posts)-1].at.Sub(begin); late > outage+o.MaxBackoff+40*time.Second {
			t.Errorf("the last batch came %v after the start", late)
		}
		mustClose(t, c)
		if diff := cmp.Diff(onceEach("a", 1000), s.counted(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if text := log.String(); strings.Count(text, "does not accept batches") != 1 || strings.Count(text, "accepts batches again") != 1 {
			t.Errorf("logged:\n%s", text)
		}
		if stats := c.Stats(); !stats.FailingSince.IsZero() || stats.Problem != "" {
			t.Errorf("%+v", stats)
		}
	})
}

// mustFlush flushes, within a time.
func mustFlush(t *testing.T, c *Client, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := c.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestWindow holds that a pending batch blocks the sequences 64 above it, and none nearer, and that a
// batch the server fails on does not block the others.
func TestWindow(t *testing.T) {
	for _, test := range []struct {
		name        string
		firstFault  fault
		connections int
	}{
		{"held back", fault{}, 64},
		{"failing", fault{answer: problemAnswer(500, "a fault of its own")}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemoryServer()
				free := make(chan struct{})
				s.fault = func(_ int, r *http.Request) fault {
					select {
					case <-free:
						return fault{}
					default:
					}
					if r.Header.Get("Flowd-Seq") != "1" {
						return fault{}
					}
					if test.firstFault.answer != nil {
						return fault{answer: problemAnswer(500, "a fault of its own")}
					}
					return fault{wait: free}
				}
				o := s.options()
				o.BatchFlows, o.Connections, o.Timeout = 1, test.connections, time.Hour
				c := open(t, o)
				add(t, c, "a", 300)
				time.Sleep(10 * time.Minute)
				stored := 0
				for _, post := range s.received() {
					if post.seq > 64 {
						t.Fatalf("sequence %d was sent while 1 was not answered for", post.seq)
					}
					if post.status == 200 {
						stored++
					}
				}
				if stored != 63 {
					t.Errorf("the server stored %d batches, want 63", stored)
				}
				close(free)
				mustFlush(t, c, time.Hour)
				mustClose(t, c)
				if diff := cmp.Diff(onceEach("a", 300), s.counted(t)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if stats := checkBalance(t, c); stats.InDoubt.Batches > 0 || stats.Refused.Batches > 0 {
					t.Errorf("%+v", stats)
				}
			})
		})
	}
}

// TestTokenIsReplaced holds that the token is read before each attempt, so that a new one takes effect.
func TestTokenIsReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer()
		s.fault = func(_ int, r *http.Request) fault {
			if r.Header.Get("Authorization") != "Bearer flowd_new" {
				return fault{answer: problemAnswer(401, "The token is not known.")}
			}
			return fault{}
		}
		var tries []string
		o := s.options()
		o.Token = FileToken(file)
		o.Retrying = func(a *Attempt) {
			tries = append(tries, a.Reason)
			switch len(tries) {
			case 1:
				write("flowd_old\n")
			case 2:
				write(" \n")
			case 3:
				write("flowd_\x01secret")
			case 4:
				write(strings.Repeat("x", 5000))
			case 5:
				write(" flowd_new \nmore\n")
			}
		}
		c := open(t, o)
		add(t, c, "a", 10)
		mustClose(t, c)
		for i, want := range []string{"no such file", "401: Unauthorized", "has no token on its first line", "not visible ASCII", "longer than 4096 bytes"} {
			if i >= len(tries) || !strings.Contains(tries[i], want) || strings.Contains(tries[i], "secret") {
				t.Errorf("reasons are %q, number %d must contain %q", tries, i, want)
			}
		}
		if len(tries) != 5 || checkBalance(t, c).Stored.Flows != 10 {
			t.Errorf("%d tries", len(tries))
		}
	})
}

// TestHeaders checks the headers of a POST.
func TestHeaders(t *testing.T) {
	s := newMemoryServer()
	o := s.options()
	o.Token, o.Encoding, o.URL = FixedToken("flowd_x"), Zstandard, "http://flowd.test/api/v1/"
	var path string
	s.fault = func(_ int, r *http.Request) fault { path = r.URL.Path; return fault{} }
	c := open(t, o)
	add(t, c, "a", 10)
	mustClose(t, c)
	h := s.received()[0].header
	agent := h.Get("Flowd-Agent")
	if len(agent) != len("web-1.")+randomLength || path != "/api/v1/flows" {
		t.Errorf("agent %q at %s", agent, path)
	}
	h.Del("Flowd-Agent")
	want := http.Header{
		"Authorization": {"Bearer flowd_x"}, "Content-Type": {"application/json"}, "Content-Encoding": {"zstd"},
		"Flowd-Seq": {"1"}, "User-Agent": {"flowd-client"},
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTLS holds that the client verifies the server's certificate, and shows its own.
func TestTLS(t *testing.T) {
	s := newMemoryServer()
	var mu sync.Mutex
	shown := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		shown += len(r.TLS.PeerCertificates)
		mu.Unlock()
		forward(w, r, s)
	}))
	server.Config.ErrorLog = quietLog()
	server.StartTLS()
	defer server.Close()
	server.TLS.ClientAuth = 1 // asks for a certificate
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	o := s.options()
	o.URL, o.HTTP = server.URL, nil
	o.minBackoff = time.Millisecond
	untrusted := make(chan string, 1)
	o.Retrying = func(a *Attempt) {
		select {
		case untrusted <- a.Reason:
		default:
		}
	}
	c := open(t, o)
	add(t, c, "a", 10)
	if reason := <-untrusted; !strings.Contains(reason, "certificate") {
		t.Errorf("reason for a server with an untrusted certificate: %q", reason)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Close(ctx); err == nil {
		t.Error("a batch was sent to a server with an untrusted certificate")
	}
	o.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	o.TLS.RootCAs, o.TLS.Certificates = roots, server.TLS.Certificates
	c = open(t, o)
	add(t, c, "a", 10)
	mustClose(t, c)
	if diff := cmp.Diff(onceEach("a", 10), s.counted(t)); diff != "" || shown == 0 {
		t.Errorf("%d certificates shown; (-want +got):\n%s", shown, diff)
	}
}

// TestSilentServer holds that a server that accepts connections and never answers does not delay Close
// beyond its deadline.
func TestSilentServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			accepted <- conn
		}
	}()
	o := DefaultOptions()
	o.URL, o.BatchFlows = "http://"+listener.Addr().String(), 1
	c := open(t, o)
	add(t, c, "a", 1)
	conn := <-accepted
	defer conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var unsent *UnsentError
	if err := c.Close(ctx); !errors.As(err, &unsent) || unsent.Pending != (Count{1, 1}) {
		t.Errorf("%v", err)
	}
}

func TestBackoff(t *testing.T) {
	for failures := 1; failures < 70; failures++ {
		if d := backoffAfter(defaultMinBackoff, failures, 0, time.Minute); d < defaultMinBackoff/2 || d > time.Minute {
			t.Errorf("after %d failures the backoff is %v", failures, d)
		}
		if d := backoffAfter(defaultMinBackoff, failures, time.Minute, 30*time.Second); d < time.Minute || d > 75*time.Second {
			t.Errorf("after %d failures the backoff is %v with Retry-After of a minute", failures, d)
		}
	}
}
