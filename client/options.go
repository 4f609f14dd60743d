package client

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"flowd/disk"
	"flowd/flow"
)

// Options say where flows go, and how they are batched. Start from DefaultOptions.
type Options struct {
	// URL is the server: http or https, a host, and optionally a path prefix of its routes. It must
	// always be the same server, since another one does not know which batches already count.
	URL string
	// Agent is the prefix of this sender's name, such as web-1: up to 50 visible ASCII characters. A
	// random suffix follows, which stays the same while the folder exists; so losing the folder does not
	// make the server mistake new batches for old ones. Empty means the host's name.
	Agent string
	// Token returns the bearer token, or "" for none: FixedToken, FileToken, or a function of the
	// caller's. Several goroutines call it, once before each POST. An error is handled like a token that
	// the server refuses: flows wait.
	Token func() (string, error)
	// TLS configures https; nil means the system's trusted certificates. A certificate in it is shown to
	// the server.
	TLS *tls.Config
	// HTTP, if not nil, makes the requests instead of a transport of the client's own; then TLS must be
	// nil. Redirects are never followed, even if HTTP would.
	HTTP *http.Client

	// Dir is the folder of the spool, created if missing. Only one client at a time may use it. Empty
	// keeps batches in memory: those not answered for are lost when the program ends.
	Dir string
	// FS is the file system of Dir.
	FS disk.FS
	// NoSync does not sync the folder's files. A crash of the program loses nothing, but a power cut
	// may.
	NoSync bool
	// SpoolBytes bounds the bytes, as sent, of batches that are not answered for; at least BatchBytes.
	// Close may exceed it by one batch rather than lose that batch.
	SpoolBytes int64
	// WhenFull says what happens to flows beyond SpoolBytes.
	WhenFull WhenFull
	// RefusedBytes bounds the stored batches that the server refused; beyond it the oldest are removed.
	// 0 stores none.
	RefusedBytes int64

	// A batch is complete when it has BatchFlows (1 to 50,000) flows, when one more flow might exceed
	// BatchBytes (4 KiB to 16 MiB) of JSON before compression, or when its first flow is BatchAge (over
	// 0) old. The first batch that age completes uses a random part of BatchAge, to spread agents. The
	// server has its own limits: max-flows, max-body-bytes.
	BatchFlows int
	BatchBytes int
	BatchAge   time.Duration
	// Encoding compresses batches, both on the wire and in the folder.
	Encoding Encoding

	// Connections is the maximum number of POSTs in flight, 1 to 64.
	Connections int
	// Timeout bounds one POST, from connecting to the end of the answer; over 0.
	Timeout time.Duration
	// MaxBackoff is the longest backoff that the client chooses itself, at least a second. The server
	// may ask for up to ten minutes by Retry-After.
	MaxBackoff time.Duration

	// Refused, if not nil, is called for each batch that the server refused for good, after the batch
	// was moved to the folder "refused". Retrying, if not nil, is called for each failed attempt that
	// will be repeated. The sender of the batch calls them and sends nothing meanwhile. They must not
	// call Flush or Close.
	Refused  func(*RefusedBatch)
	Retrying func(*Attempt)
	// Logger receives the events that matter to an operator.
	Logger *slog.Logger

	minBackoff time.Duration // tests shorten it
}

// WhenFull says what happens to flows when the spool is full.
type WhenFull uint8

const (
	// Refuse makes Add return ErrFull.
	Refuse WhenFull = iota
	// DropOldest drops the oldest batch that is not in flight. Stats counts it as dropped, though the
	// server may have counted it if an earlier attempt had no answer.
	DropOldest
	// Wait makes Add wait for room.
	Wait
)

// Encoding is the Content-Encoding of the batches.
type Encoding string

const (
	Plain     Encoding = ""
	Gzip      Encoding = "gzip"
	Zstandard Encoding = "zstd"
)

// Limits of options.
const (
	MaxBatchFlows = 50_000
	MinBatchBytes = 4 << 10
	MaxBatchBytes = 16 << 20
	// MaxConnections is the number of sequences in a row that the server can tell apart.
	MaxConnections = flow.SeqWindow
	// MaxAgent is the maximum length of Options.Agent in bytes.
	MaxAgent = flow.MaxAgent - 1 - randomLength
)

// DefaultOptions returns options for an agent on a host, without a server and without a folder.
func DefaultOptions() Options {
	return Options{
		FS:           disk.OS,
		SpoolBytes:   256 << 20,
		RefusedBytes: 64 << 20,
		BatchFlows:   1000,
		BatchBytes:   1 << 20,
		BatchAge:     10 * time.Second,
		Connections:  4,
		Timeout:      30 * time.Second,
		MaxBackoff:   30 * time.Second,
		Logger:       slog.New(slog.DiscardHandler),
	}
}

// check validates o and fills in defaults.
func (o *Options) check() error {
	o.Agent = cmp.Or(o.Agent, hostAgent())
	o.minBackoff = cmp.Or(o.minBackoff, defaultMinBackoff)
	if o.Token == nil {
		o.Token = FixedToken("")
	}
	if o.Dir != "" {
		o.Dir = filepath.ToSlash(filepath.Clean(o.Dir))
	}
	return cmp.Or(o.checkServer(), o.checkSpool(), o.checkBatches())
}

func (o *Options) checkServer() error {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		// The error quotes the URL, which may contain a password.
		return errors.New("client: URL is not valid")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return invalid("URL", "must look like http://host:port")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return invalid("URL", "must have no user, no query and no fragment")
	case !isVisibleASCII(o.Agent) || len(o.Agent) > MaxAgent:
		return invalid("Agent", "must be 1 to %d visible ASCII characters, not %q", MaxAgent, o.Agent)
	case o.TLS != nil && o.HTTP != nil:
		return invalid("TLS", "has no effect with HTTP; set only one of them")
	case o.Connections < 1 || o.Connections > MaxConnections:
		return invalid("Connections", "must be 1 to %d, not %d", MaxConnections, o.Connections)
	case o.Timeout <= 0:
		return invalid("Timeout", "must be over 0, not %v", o.Timeout)
	case o.MaxBackoff < time.Second:
		return invalid("MaxBackoff", "must be at least 1s, not %v", o.MaxBackoff)
	case o.Logger == nil:
		return invalid("Logger", "must not be nil")
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	return nil
}

func (o *Options) checkSpool() error {
	switch {
	case o.Dir != "" && o.FS == nil:
		return invalid("FS", "must not be nil with a Dir")
	case o.SpoolBytes < int64(o.BatchBytes):
		return invalid("SpoolBytes", "must be at least BatchBytes, %d, not %d", o.BatchBytes, o.SpoolBytes)
	case o.WhenFull > Wait:
		return invalid("WhenFull", "must be Refuse, DropOldest or Wait, not %d", o.WhenFull)
	case o.RefusedBytes < 0:
		return invalid("RefusedBytes", "must be 0 or more, not %d", o.RefusedBytes)
	}
	return nil
}

func (o *Options) checkBatches() error {
	switch {
	case o.BatchFlows < 1 || o.BatchFlows > MaxBatchFlows:
		return invalid("BatchFlows", "must be 1 to %d, not %d", MaxBatchFlows, o.BatchFlows)
	case o.BatchBytes < MinBatchBytes || o.BatchBytes > MaxBatchBytes:
		return invalid("BatchBytes", "must be %d to %d, not %d", MinBatchBytes, MaxBatchBytes, o.BatchBytes)
	case o.BatchAge <= 0:
		return invalid("BatchAge", "must be over 0, not %v", o.BatchAge)
	case o.Encoding != Plain && o.Encoding != Gzip && o.Encoding != Zstandard:
		return invalid("Encoding", "must be %q, %q or %q, not %q", Plain, Gzip, Zstandard, o.Encoding)
	}
	return nil
}

func invalid(option, format string, args ...any) error {
	return fmt.Errorf("client: "+option+" "+format, args...)
}

// hostAgent derives Options.Agent from the host's name.
func hostAgent() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "agent"
	}
	replace := func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}
	host = strings.Map(replace, host)
	return host[:min(len(host), MaxAgent)]
}

// isVisibleASCII reports whether text has only visible ASCII characters.
func isVisibleASCII(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
