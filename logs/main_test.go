package logs

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line is a line of the log, as a script reads it.
type line struct {
	Time    time.Time `json:"time"`
	Level   string    `json:"level"`
	Msg     string    `json:"msg"`
	Status  int       `json:"status"`
	Reason  string    `json:"reason"`
	Client  string    `json:"client"`
	Detail  string    `json:"detail"`
	More    uint64    `json:"more"`
	Seconds float64   `json:"seconds"`
	Clients int       `json:"clients"`
	Kinds   int       `json:"kinds"`
}

// output keeps what is logged.
type output struct {
	t    *testing.T
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// lines returns what was written since the last call.
func (o *output) lines() (all []line) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for read := json.NewDecoder(&o.text); read.More(); {
		var l line
		if err := read.Decode(&l); err != nil {
			o.t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// newLimiter returns a limiter, and what it writes from a level on.
func newLimiter(t *testing.T, level slog.Leveler) (*Limiter, *output) {
	t.Helper()
	o := &output{t: t}
	return New(slog.New(slog.NewJSONHandler(o, &slog.HandlerOptions{Level: level}))), o
}

// count returns how many events lines tell of: themselves, and those that they sum up.
func count(lines []line) (written int, summed uint64) {
	for _, l := range lines {
		if l.More > 0 {
			summed += l.More
		} else {
			written++
		}
	}
	return written, summed
}
