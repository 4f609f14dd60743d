package loadtest

import (
	"io"
	"strings"
	"time"

	"flowd/flow"
)

// Options says what load to put on which server.
type Options struct {
	// Target is the address of the server, http or https, with the path that its routes are
	// under, if any.
	Target string
	// Connections is how many connections carry the requests, each with one under way.
	Connections int
	// Workload is the flows.
	Workload
	// Format and Encoding are the form of the bodies.
	Format   flow.Format
	Encoding Encoding
	// Rate is in posts per second. At 0 each connection sends when its last answer came.
	Rate float64
	// Reads is the share of the requests that read an hour, from 0 up to, not including, 1.
	// They come on top of the posts that Rate asks for.
	Reads float64
	// For is how long requests are sent.
	For time.Duration
	// Timeout is how long one request may take from when it is sent.
	Timeout time.Duration
	// Verify reads every hour before and after, and compares. It takes 16 bytes of memory for
	// each tuple and hour.
	Verify bool
	// ServerPID is the process whose CPU and memory are reported. At 0 it is looked for.
	ServerPID int
	// Progress is where a bar is drawn, nil for nowhere.
	Progress io.Writer
}

// Limits of a run.
const (
	MaxConnections = 1 << 16
	// maxVerifiedCells bounds the memory of the account to 4 GiB.
	maxVerifiedCells = 1 << 28
)

func (o *Options) check() (target, error) {
	t, err := parseTarget(o.Target)
	if err != nil {
		return t, invalid("target", "%v", err)
	}
	switch {
	case strings.Contains(t.path, "?"):
		err = invalid("target", "must have no query, as %q has", o.Target)
	case o.Connections < 1 || o.Connections > MaxConnections:
		err = invalid("connections", "must be 1 to %d, not %d", MaxConnections, o.Connections)
	case !(o.Rate >= 0 && o.Rate <= 1e9):
		err = invalid("rate", "must be 0 to 1e9, not %v", o.Rate)
	case !(o.Reads >= 0 && o.Reads < 1):
		err = invalid("reads", "must be from 0 up to, not including, 1, not %v", o.Reads)
	case o.For <= 0:
		err = invalid("for", "must be over 0, not %v", o.For)
	case o.Timeout <= 0:
		err = invalid("timeout", "must be over 0, not %v", o.Timeout)
	case o.Encoding != Plain && o.Encoding != Gzip && o.Encoding != Zstandard:
		err = invalid("encoding", "must be %s, %s or %s, not %q", Plain, Gzip, Zstandard, o.Encoding)
	case o.Format != flow.JSON && o.Format != flow.NDJSON:
		err = invalid("ndjson", "asks for a format with number %d, which does not exist", o.Format)
	case o.Verify && o.cells() > maxVerifiedCells:
		err = invalid("tuples", "times --hours can be verified up to %d, not %d; lower them, or give --no-verify",
			maxVerifiedCells, o.cells())
	default:
		err = o.Workload.check()
	}
	return t, err
}

// contentType is the media type of the bodies.
func (o *Options) contentType() string {
	if o.Format == flow.NDJSON {
		return "application/x-ndjson"
	}
	return "application/json"
}
