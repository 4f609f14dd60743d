package loadtest

import (
	"cmp"
	"io"
	"strings"
	"time"

	"flowd/flow/flowjson"
)

// Options says what load to put on which server.
type Options struct {
	// Target is the address of the server, http or https, with the path that its routes are
	// under, if any.
	Target string
	// Token is what the server knows the sender by, empty for nothing.
	Token string
	// Connections is how many connections carry the requests, each with one under way.
	Connections int
	// Workload is the flows; its Moves follow from HourEvery.
	Workload
	// HourEvery is after what time the hours move on by one, 0 for hours that stay.
	HourEvery time.Duration
	// Format and Encoding are the form of the bodies.
	Format   flowjson.Format
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
	// ServerData is the folder of the server's data, on this machine. If it is given, the report
	// has a row of samples of the server's memory and of the size of the folder.
	ServerData string
	// Progress is where a bar is drawn, nil for nowhere.
	Progress io.Writer
}

// Limits of a run.
const (
	MaxConnections = 1 << 16
	// maxVerifiedCells bounds the memory of the account to 4 GiB.
	maxVerifiedCells = 1 << 28
)

// check returns what is wrong with o, or takes its target apart and completes its Workload.
func (o *Options) check() (target, error) {
	t, err := parseTarget(o.Target)
	if err != nil {
		return t, invalid("target", "%v", err)
	}
	if o.Moves = 0; o.HourEvery > 0 {
		o.Moves = int((o.For - 1) / o.HourEvery)
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
	case o.HourEvery < 0 || o.HourEvery > 0 && o.For/o.HourEvery > MaxHours:
		err = invalid("hour-every", "must be 0, or so long that --for has at most %d, not %v", MaxHours, o.HourEvery)
	case o.Timeout <= 0:
		err = invalid("timeout", "must be over 0, not %v", o.Timeout)
	case o.Verify && o.cells() > maxVerifiedCells:
		err = invalid("tuples", "times --hours can be verified up to %d, not %d; lower them, or give --no-verify",
			maxVerifiedCells, o.cells())
	default:
		err = cmp.Or(t.show(o.Token), o.Workload.check())
	}
	return t, cmp.Or(err, checkForm(o.Format, o.Encoding), checkFolder(o.ServerData))
}

// checkForm returns what is wrong with the form of bodies, or nil.
func checkForm(format flowjson.Format, encoding Encoding) error {
	switch {
	case encoding != Plain && encoding != Gzip && encoding != Zstandard:
		return invalid("encoding", "must be %s, %s or %s, not %q", Plain, Gzip, Zstandard, encoding)
	case format != flowjson.JSON && format != flowjson.NDJSON:
		return invalid("ndjson", "asks for a format with number %d, which does not exist", format)
	}
	return nil
}
