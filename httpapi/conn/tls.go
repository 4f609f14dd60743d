package conn

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"flowd/certs"
)

// checkFiles is how often at most the files of certificates are read to see whether they have
// changed. To read them costs less than one handshake.
const checkFiles = 5 * time.Second

// TLSFiles names files in PEM.
type TLSFiles struct {
	// Certificate is the server's, followed by those between it and its authority (tls-cert-file).
	Certificate string
	// Key belongs to the certificate (tls-key-file).
	Key string
	// ClientCA has the authorities that stand for clients (tls-client-ca-file). If it is "", clients are
	// not asked for a certificate; if not they may show one, which must be good then.
	ClientCA string
}

// TLSOptions are what a TLS is made of. All but Now are required.
type TLSOptions struct {
	Files   TLSFiles
	Logger  *slog.Logger
	Metrics *metrics.Set // the metrics of TLS are registered in it
	// Now is the clock; nil is that of the machine. It may be called by many goroutines at once.
	Now func() time.Time
}

// TLS secures connections, with TLS 1.2 or newer, by certificates in files. What the files
// hold is in force for new connections some seconds after it changed, and if it cannot be used the
// old stays in force. There is no goroutine behind it. All methods may be called at once.
type TLS struct {
	logger  *slog.Logger
	now     func() time.Time
	current atomic.Pointer[identity]
	checked atomic.Int64 // when the files were read last, in nanoseconds since the epoch

	mu      sync.Mutex // of reading files
	files   TLSFiles
	failing string // why they could not be used when they were read last

	full, resumed       *metrics.Counter
	failures            [handshakeFailures]*metrics.Counter
	renewed, notRenewed *metrics.Counter
}

// identity is what the files held.
type identity struct {
	// base is what a handshake begins with, to go on with config. The keys of session tickets belong to
	// it, and Go changes them daily. It stays when the server's certificate changes, so sessions do;
	// with other authorities it is another, for a session would go on without the certificate that its
	// client could show now.
	base        *tls.Config
	config      *tls.Config
	leaf        *x509.Certificate
	authorities *x509.CertPool // nil if clients are not asked
	sums        [3][sha256.Size]byte
}

// LoadTLS reads the files. An error names the file, or the two that disagree.
func LoadTLS(o TLSOptions) (*TLS, error) {
	t := &TLS{logger: o.Logger, now: o.Now, files: o.Files}
	if t.now == nil {
		t.now = time.Now
	}
	id, err := readIdentity(o.Files, nil)
	if err != nil {
		return nil, err
	}
	if err := usable(id.leaf, t.now()); err != nil {
		o.Logger.Warn("clients will not trust the server's certificate", slog.String("file", o.Files.Certificate), slog.Any("error", err))
	}
	t.use(id, nil)
	t.checked.Store(t.now().UnixNano())
	t.register(o.Metrics)
	return t, nil
}

func (t *TLS) register(set *metrics.Set) {
	t.full = set.NewCounter(`flowd_tls_handshakes_total{resumed="no"}`)
	t.resumed = set.NewCounter(`flowd_tls_handshakes_total{resumed="yes"}`)
	for f, name := range handshakeFailureNames {
		t.failures[f] = set.NewCounter(fmt.Sprintf(`flowd_tls_handshake_failures_total{reason=%q}`, name))
	}
	t.renewed = set.NewCounter(`flowd_tls_certificate_reloads_total{result="success"}`)
	t.notRenewed = set.NewCounter(`flowd_tls_certificate_reloads_total{result="failure"}`)
	set.NewGauge(`flowd_tls_certificate_expiry_timestamp_seconds`, func() float64 { return float64(t.Expires().Unix()) })
}

// Expires returns until when the server's certificate is good.
func (t *TLS) Expires() time.Time {
	t.refresh()
	return t.current.Load().leaf.NotAfter
}

// Reload reads these files, which need not be those of before, and puts them in force for new
// connections. If they cannot be used the old ones stay, and the error says why. Connections that are
// open go on, but a client's certificate holds no longer than an authority stands for it.
func (t *TLS) Reload(files TLSFiles) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.read(files)
	if err == nil {
		t.files = files
	}
	return err
}

// refresh reads the files if that was not done for a while. A caller that comes while another does goes on with
// what there is.
func (t *TLS) refresh() {
	if t.now().UnixNano()-t.checked.Load() < int64(checkFiles) || !t.mu.TryLock() {
		return
	}
	defer t.mu.Unlock()
	was := t.failing
	switch changed, err := t.read(t.files); {
	case err != nil && err.Error() != was:
		t.logger.Error("the files of the certificate have changed and cannot be used; the old one stays", slog.Any("error", err))
	case err == nil && (changed || was != ""):
		t.logger.Info("the files of the certificate were read again",
			slog.Bool("changed", changed), slog.Time("expires", t.current.Load().leaf.NotAfter))
	}
}

// read reads the files and puts them in force if they have changed. Its caller holds mu.
func (t *TLS) read(files TLSFiles) (changed bool, err error) {
	t.checked.Store(t.now().UnixNano())
	before := t.current.Load()
	id, err := readIdentity(files, before)
	if err == nil && id != before {
		err = t.wouldDowngrade(id.leaf, before.leaf)
	}
	if err != nil {
		t.failing = err.Error()
		t.notRenewed.Inc()
		return false, err
	}
	t.failing = ""
	if id == before {
		return false, nil
	}
	t.use(id, before)
	t.renewed.Inc()
	return true, nil
}

// use puts id in force, after before.
func (t *TLS) use(id, before *identity) {
	if before != nil && before.authorities == id.authorities {
		id.base = before.base
	} else {
		id.base = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: t.configFor}
	}
	t.current.Store(id)
}

// Server returns the server's end of TLS over nc, before the handshake.
func (t *TLS) Server(nc net.Conn) *tls.Conn { return tls.Server(nc, t.current.Load().base) }

// wouldDowngrade returns an error for a certificate that no client would trust, in place of one that they do.
func (t *TLS) wouldDowngrade(next, before *x509.Certificate) error {
	err := usable(next, t.now())
	if err == nil || usable(before, t.now()) != nil {
		return nil
	}
	return fmt.Errorf("the new certificate would be worse than the old: %w", err)
}

// usable tells why a certificate is not good at a time.
func usable(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate has expired: it was good until %s, and it is %s",
			leaf.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate is not yet good: it will be from %s on, and it is %s",
			leaf.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// configFor is called by each handshake, with the client's first message.
func (t *TLS) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	t.refresh()
	id := t.current.Load()
	if w, ok := hello.Conn.(*wire); ok {
		w.hello, w.old = id, true
		for _, version := range hello.SupportedVersions {
			if version >= id.config.MinVersion {
				w.old = false
			}
		}
	}
	return id.config, nil
}

// countHandshake counts a handshake that was good.
func (t *TLS) countHandshake(resumed bool) {
	if resumed {
		t.resumed.Inc()
		return
	}
	t.full.Inc()
}

// readIdentity returns what the files hold. If that is what before has, it is before itself.
func readIdentity(files TLSFiles, before *identity) (*identity, error) {
	id := &identity{}
	var read [3]certs.File
	for i, name := range []string{files.Certificate, files.Key, files.ClientCA} {
		if name == "" {
			continue
		}
		file, err := certs.Read(name)
		if err != nil {
			return nil, err
		}
		read[i], id.sums[i] = file, sha256.Sum256(file.Text)
	}
	if before != nil && id.sums == before.sums {
		return before, nil
	}
	pair, err := certs.Pair(read[0], read[1])
	if err != nil {
		return nil, err
	}
	id.leaf = pair.Leaf
	id.config = &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Without an agreement clients may take HTTP/2 for spoken, which it is not.
		NextProtos:   []string{"http/1.1"},
		Certificates: []tls.Certificate{pair},
		// Small records at first would make fifty writes of a block of an answer.
		DynamicRecordSizingDisabled: true,
	}
	if files.ClientCA == "" {
		return id, nil
	}
	if before != nil && before.authorities != nil && id.sums[2] == before.sums[2] {
		id.authorities = before.authorities // so that open connections know that they did not change
	} else if id.authorities, err = read[2].Authorities(); err != nil {
		return nil, err
	}
	id.config.ClientAuth, id.config.ClientCAs = tls.VerifyClientCertIfGiven, id.authorities
	return id, nil
}

// Verifies tells whether the authorities in force verify a client with this chain, its own certificate first.
func (t *TLS) Verifies(chain []*x509.Certificate, now time.Time) bool {
	return verifies(t.current.Load().authorities, chain, now)
}
