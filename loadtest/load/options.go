package load

import (
	"cmp"
	"io"
	"time"

	"flowd/flow/flowjson"
	"flowd/loadtest"
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
	loadtest.Workload
	// HourEvery is after what time the hours move on by one, 0 for hours that stay.
	HourEvery time.Duration
	// Format and Encoding are the form of the bodies.
	Format   flowjson.Format
	Encoding loadtest.Encoding
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
func (o *Options) check() (loadtest.Target, error) {
	t, err := loadtest.ParseServer(o.Target, o.Token)
	if err != nil {
		return t, err
	}
	if o.Moves = 0; o.HourEvery > 0 {
		o.Moves = int((o.For - 1) / o.HourEvery)
	}
	switch {
	case o.Connections < 1 || o.Connections > MaxConnections:
		err = loadtest.Invalid("connections", "must be 1 to %d, not %d", MaxConnections, o.Connections)
	case !(o.Rate >= 0 && o.Rate <= 1e9):
		err = loadtest.Invalid("rate", "must be 0 to 1e9, not %v", o.Rate)
	case !(o.Reads >= 0 && o.Reads < 1):
		err = loadtest.Invalid("reads", "must be from 0 up to, not including, 1, not %v", o.Reads)
	case o.For <= 0:
		err = loadtest.Invalid("for", "must be over 0, not %v", o.For)
	case o.HourEvery < 0 || o.HourEvery > 0 && o.For/o.HourEvery > loadtest.MaxHours:
		err = loadtest.Invalid("hour-every", "must be 0, or so long that --for has at most %d, not %v", loadtest.MaxHours, o.HourEvery)
	case o.Timeout <= 0:
		err = loadtest.Invalid("timeout", "must be over 0, not %v", o.Timeout)
	case o.Verify && o.Cells() > maxVerifiedCells:
		err = loadtest.Invalid("tuples", "times --hours can be verified up to %d, not %d; lower them, or give --no-verify",
			maxVerifiedCells, o.Cells())
	default:
		err = o.Workload.Check()
	}
	return t, cmp.Or(err, loadtest.CheckForm(o.Format, o.Encoding), checkFolder(o.ServerData))
}
