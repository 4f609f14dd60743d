package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowd/httpapi/certtest"
	"flowd/httpapi/conn"
)

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// shown returns the certificate that a new connection is shown.
func (ss *secureServer) shown() *x509.Certificate {
	ss.t.Helper()
	c := ss.open()
	defer c.Close()
	return c.tls.ConnectionState().PeerCertificates[0]
}

// clock gives the server a clock that stands, at the time that is returned in nanoseconds. When it moves,
// the server looks after its files again.
func (ss *secureServer) clock() *atomic.Int64 {
	ss.now.Store(time.Now().UnixNano())
	return &ss.now
}

// A new certificate is for new connections; those that are open go on.
func TestReloadTLS(t *testing.T) {
	t.Parallel()
	ss := serveSecured(t, nil, nil, nil)
	before := ss.open()
	next := ss.ca.Issue("next", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(30 * time.Minute) })
	writeFiles(t, ss.files, next)
	if ss.shown().Equal(next.Leaf) {
		t.Error("the files are read at every handshake")
	}
	if err := ss.tls.Reload(ss.files); err != nil {
		t.Fatal(err)
	}
	if !ss.shown().Equal(next.Leaf) || ss.expiry() != next.Leaf.NotAfter.Unix() {
		t.Errorf("%s is shown, until %d", ss.shown().Subject, ss.expiry())
	}
	if r := before.ask("GET", "/livez"); r.StatusCode != 200 {
		t.Errorf("%d on the open connection", r.StatusCode)
	}
	elsewhere := newFiles(t, ss.ca.Issue("elsewhere", nil), nil)
	if err := ss.tls.Reload(elsewhere); err != nil || ss.shown().Subject.CommonName != "elsewhere" {
		t.Errorf("%v, and %s is shown", err, ss.shown().Subject)
	}
	if err := ss.tls.Reload(elsewhere); err != nil {
		t.Error(err)
	}
	if got := ss.metric(`flowd_tls_certificate_reloads_total{result="success"}`); got != "2" {
		t.Errorf("%s reloads counted", got)
	}
}

// What cannot be used leaves the old in force, and the paths of it too.
func TestReloadTLSFails(t *testing.T) {
	t.Parallel()
	ss := serveSecured(t, nil, nil, nil)
	now := ss.clock()
	good := ss.shown()
	expired := ss.ca.Issue("expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	future := ss.ca.Issue("future", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) })
	foreign := newFiles(t, ss.ca.Issue("mixed", nil), nil)
	certtest.Put(t, foreign.Key, ss.ca.Issue("other", nil).KeyPEM(t))
	for _, c := range []struct {
		files conn.TLSFiles
		want  string
	}{
		{newFiles(t, expired, nil), "has expired"},
		{newFiles(t, future, nil), "not yet good"},
		{foreign, "does not match"},
		{conn.TLSFiles{Certificate: "none", Key: "none"}, "no such file"},
	} {
		err := ss.tls.Reload(c.files)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q: %v", c.want, err)
		}
		now.Add(int64(2 * filesPause))
		if !ss.shown().Equal(good) {
			t.Errorf("after %q %s is shown", c.want, ss.shown().Subject)
		}
	}
	if got := ss.metric(`flowd_tls_certificate_reloads_total{result="failure"}`); got != "4" {
		t.Errorf("%s failures counted", got)
	}
	next := ss.ca.Issue("next", nil)
	writeFiles(t, ss.files, next)
	now.Add(int64(filesPause))
	if !ss.shown().Equal(next.Leaf) {
		t.Error("the files of before are not followed any more")
	}
}

// The files are followed: a certificate without its key yet is waited out, and told once.
func TestTLSFollowsFiles(t *testing.T) {
	t.Parallel()
	ss := serveSecured(t, nil, nil, nil)
	now := ss.clock()
	first, next := ss.shown(), ss.ca.Issue("next", nil)

	certtest.Put(t, ss.files.Certificate, certtest.PemOf(next.Chain...))
	for range 3 {
		now.Add(int64(filesPause))
		if !ss.shown().Equal(first) {
			t.Fatal("a certificate without its key is shown")
		}
	}
	if n := strings.Count(ss.log.String(), "have changed and"); n != 1 {
		t.Errorf("told %d times: %s", n, ss.log.String())
	}
	certtest.Put(t, ss.files.Key, next.KeyPEM(t))
	now.Add(int64(filesPause) - 1)
	if !ss.shown().Equal(first) {
		t.Error("looked at before its time")
	}
	now.Add(1)
	if !ss.shown().Equal(next.Leaf) || !strings.Contains(ss.log.String(), "were read again") {
		t.Errorf("%s is shown: %s", ss.shown().Subject, ss.log.String())
	}

	// The gauge follows too, where nobody connects; and files that are replaced by rename are found.
	third := ss.ca.Issue("third", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(20 * time.Minute) })
	fresh := newFiles(t, third, nil)
	for from, to := range map[string]string{fresh.Certificate: ss.files.Certificate, fresh.Key: ss.files.Key} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	now.Add(int64(filesPause))
	if got := ss.expiry(); got != third.Leaf.NotAfter.Unix() {
		t.Errorf("expires at %d", got)
	}
}

// Certificates change under connections that come and go, and nobody notices.
func TestReloadTLSUnderLoad(t *testing.T) {
	t.Parallel()
	ss := serveSecured(t, nil, nil, nil)
	kept := ss.open()
	stop := make(chan struct{})
	var turns atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if r := ss.secureDo("GET", "/livez", ""); r.StatusCode != 200 {
					t.Errorf("%d", r.StatusCode)
				}
				turns.Add(1)
			}
		})
	}
	for range 20 {
		next := turns.Load() + 4
		writeFiles(t, ss.files, ss.ca.Issue("next", nil))
		if err := ss.tls.Reload(ss.files); err != nil {
			t.Error(err)
		}
		eventually(t, "connections come and go", func() bool { return turns.Load() >= next })
		if r := kept.ask("GET", "/livez"); r.StatusCode != 200 {
			t.Errorf("%d on the open connection", r.StatusCode)
		}
	}
	close(stop)
	clients.Wait()
}

// An expired certificate serves those who take it: a server with one is better than none.
func TestExpiredServerCertificate(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t, "servers")
	files := newFiles(t, ca.Issue("old", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), nil)
	ss := &secureServer{testServer: newServerOver(t, newTable(t), nil, &files), ca: ca, files: files}
	if !strings.Contains(ss.log.String(), "has expired: it was good until") {
		t.Fatal(ss.log.String())
	}
	ss.listen()
	defer func() { <-ss.stop(t.Context()); <-ss.served }()
	_, err := ss.shake(ss.config())
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Errorf("%v", err)
	}
	eventually(t, "the refusal is counted", func() bool {
		return ss.metric(`flowd_tls_handshake_failures_total{reason="refused_by_client"}`) == "1"
	})
	config := ss.config()
	config.InsecureSkipVerify = true
	if c, err := ss.shake(config); err != nil || c.ask("GET", "/livez").StatusCode != 200 {
		t.Errorf("%v", err)
	}
	// From bad to bad is no loss.
	writeFiles(t, ss.files, ss.ca.Issue("older", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-2 * time.Minute) }))
	if err := ss.tls.Reload(ss.files); err != nil {
		t.Error(err)
	}
}

// Sessions are resumed, also when the certificate has changed in between.
func TestTLSResumption(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		ss := serveSecured(t, nil, nil, nil)
		config := ss.config()
		config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(4)
		visit := func() bool {
			c, err := ss.shake(config)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.ask("GET", "/livez") // the ticket comes before the answer
			return c.tls.ConnectionState().DidResume
		}
		if visit() || !visit() {
			t.Errorf("%x: the second connection is not a resumed one", version)
		}
		writeFiles(t, ss.files, ss.ca.Issue("next", nil))
		if err := ss.tls.Reload(ss.files); err != nil {
			t.Fatal(err)
		}
		if !visit() {
			t.Errorf("%x: not resumed after a reload", version)
		}
		if got := ss.metric(`flowd_tls_handshakes_total{resumed="yes"}`); got != "2" {
			t.Errorf("%s resumed counted", got)
		}
	}
}
