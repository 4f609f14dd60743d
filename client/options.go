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

// Options say where flows go, and in what portions. DefaultOptions are the ones to begin with.
type Options struct {
	// URL is the server: http or https, a host, and perhaps a path that its routes are under. It is
	// one server, since another one would not know which batches count already.
	URL string
	// Agent is what the names of this sender begin with, as web-1: up to 50 visible ASCII characters.
	// What follows is chance, and stays the same as long as the folder does; so a folder that is lost
	// does not make the server take new batches for old ones. Empty is the name of the host.
	Agent string
	// Token returns what shows the right to send, empty for nothing: FixedToken, FileToken, or a
	// function of the program's own, called before each POST by several goroutines at once. An error
	// is treated as a server that refuses the token: flows wait.
	Token func() (string, error)
	// TLS is for https; nil is the usual, with the certificates that the system trusts. With a
	// certificate in it the client shows that.
	TLS *tls.Config
	// HTTP, if not nil, makes the requests instead of a transport of the client's own; then TLS must
	// be nil. Redirects are not followed, whatever it says.
	HTTP *http.Client

	// Dir is the folder of the spool, made if need be; one client at a time uses it. Empty keeps
	// batches in memory: what is not answered for is lost with the program.
	Dir string
	// FS is where Dir is.
	FS disk.FS
	// NoSync leaves it to the operating system when what is written to the folder reaches the disk:
	// the end of the program loses nothing even so, a power cut does.
	NoSync bool
	// SpoolBytes bounds the batches that wait for their answer, in bytes as they are sent, at least
	// BatchBytes. Close may go beyond it by one batch, so as not to lose that.
	SpoolBytes int64
	// WhenFull says what becomes of flows beyond that.
	WhenFull WhenFull
	// RefusedBytes bounds what is kept of batches that the server refused; beyond it the oldest go. 0
	// keeps none.
	RefusedBytes int64

	// A batch is complete when it has BatchFlows (1 to 50,000) flows, one more might take it over
	// BatchBytes (4 KiB to 16 MiB) of JSON before it is compressed, or its first flow is BatchAge
	// (over 0) old; of the first one that this ends, a part of that by chance. The server has limits of its own for the first two: max-flows, max-body-bytes.
	BatchFlows int
	BatchBytes int
	BatchAge   time.Duration
	// Encoding compresses the batches, in the folder too.
	Encoding Encoding

	// Connections is how many POSTs are under way at most, 1 to 64.
	Connections int
	// Timeout is how long a POST may take, from connecting to the end of the answer; over 0.
	Timeout time.Duration
	// MaxBackoff is the longest pause between two attempts that the client chooses by itself, at
	// least a second. The server may ask for more by Retry-After, up to ten minutes.
	MaxBackoff time.Duration

	// Refused, if not nil, is told of each batch that the server refused for good, after it was put
	// into the folder "refused". Retrying, if not nil, is told of each attempt that failed and will
	// be repeated. Both are called by the goroutine that sent the batch, which sends nothing
	// meanwhile, and must not call Flush or Close.
	Refused  func(*Refusal)
	Retrying func(*Attempt)
	// Logger gets what an operator should know.
	Logger *slog.Logger

	pause time.Duration // the first one; tests are in a hurry
}

// WhenFull is what becomes of flows that find no room.
type WhenFull uint8

const (
	// Refuse makes Add return ErrFull.
	Refuse WhenFull = iota
	// DropOldest drops the oldest batch that is not under way. It is counted as dropped; the server may
	// have counted it if it was sent before without an answer.
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
	// MaxConnections is how many numbers in a row the server can tell apart.
	MaxConnections = flow.SeqWindow
	// MaxAgent is the longest Options.Agent in bytes.
	MaxAgent = flow.MaxAgent - 1 - chanceLength
)

// DefaultOptions are those for an agent on a host, without the server and without a folder.
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

// check returns what is wrong with o, or completes it.
func (o *Options) check() error {
	o.Agent = cmp.Or(o.Agent, hostAgent())
	o.pause = cmp.Or(o.pause, firstPause)
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
		// What it says could have a password in it.
		return errors.New("client: URL is none")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return invalid("URL", "must look like http://host:port")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return invalid("URL", "must have no user, no query and no fragment")
	case !visible(o.Agent) || len(o.Agent) > MaxAgent:
		return invalid("Agent", "must be 1 to %d visible ASCII characters, not %q", MaxAgent, o.Agent)
	case o.TLS != nil && o.HTTP != nil:
		return invalid("TLS", "has no effect on the client in HTTP; give one of the two")
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

// hostAgent makes an agent of the host's name.
func hostAgent() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "agent"
	}
	visible := func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}
	host = strings.Map(visible, host)
	return host[:min(len(host), MaxAgent)]
}

// visible reports whether text is visible ASCII.
func visible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
