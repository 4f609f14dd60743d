// Package logs bounds the lines that events write to the operator's log, whoever causes them and however
// many there are: the first few of each kind are written, the others are counted and summed up. It is for
// what clients cause; what an operator or the clock causes goes to a *slog.Logger as it is.
package logs

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Window is the time after whose end the lines that were not written are summed up. It begins with the
// first line after a quiet time or after the window before.
const Window = 10 * time.Second

const (
	// maxKinds is how many kinds of a level are told apart in a window. Beyond it lines are told apart
	// without their clients, up to maxGroups, and beyond that not at all. A kind takes about 200 bytes.
	maxKinds  = 1000
	maxGroups = 100
	// maxClient is how many bytes of a client's name tell it from others.
	maxClient = 128
)

// Kind tells lines from each other that are summed up apart. Message, Status and Reason must be the
// program's own words, so that a client cannot make new ones; Client is cut after 128 bytes.
type Kind struct {
	Message string // what happened
	Status  int    // of the answer; 0 if there is none
	Reason  string // why, as metrics name it; of a panic its place; may be empty
	Client  string // the name of a token, or an address; empty if the event is not a client's
}

// key is what a table has a tally of.
type key struct {
	Kind
	others bool // all clients that found the table full; Client is empty
}

// tally counts the lines of a kind within a window.
type tally struct {
	seen int    // all lines
	more uint64 // those that were not written
}

// Limiter writes lines to a logger, and no more than 98 in any second. Each level has a budget of its
// own, so that lines of a low level do not displace those of a high one. A Limiter has no goroutine; its
// memory is bounded by the number of kinds that are told apart. All methods may be called from any
// goroutine.
type Limiter struct {
	logger     *slog.Logger
	handler    slog.Handler // of logger
	suppressed atomic.Uint64
	flushing   sync.Mutex // held while summaries are written, so that those of one window come first

	mu     sync.Mutex // never held while a line is written
	tables [levels]table
	since  time.Time   // when the window began
	timer  *time.Timer // ends the window; nil while there is none
}

// New returns a Limiter that writes to logger, whose level decides which lines there are at all.
func New(logger *slog.Logger) *Limiter {
	l := &Limiter{logger: logger, handler: logger.Handler()}
	for level := range l.tables {
		l.tables[level].init(budgets[level])
	}
	return l
}

// Enabled tells whether lines of a level are written or counted at all. It costs no lock.
func (l *Limiter) Enabled(level slog.Level) bool {
	return l.handler.Enabled(context.Background(), level)
}

// Suppressed returns how many lines were not written but counted since the start.
func (l *Limiter) Suppressed() uint64 { return l.suppressed.Load() }

// Log writes a line with k's fields and these attributes, or counts it, to be summed up later. It calls
// attrs, which may be nil, only if it writes. To count takes a lock for less than a microsecond; to write
// takes as long as the logger does.
func (l *Limiter) Log(level slog.Level, k Kind, attrs func() []slog.Attr) {
	if len(k.Client) > maxClient {
		k.Client = k.Client[:maxClient]
	}
	if !l.Enabled(level) || !l.passes(level, k) {
		return
	}
	line := k.attrs()
	if attrs != nil {
		line = append(line, attrs()...)
	}
	l.logger.LogAttrs(context.Background(), level, k.Message, line...)
}

// passes counts a line, and tells whether it is to be written.
func (l *Limiter) passes(level slog.Level, k Kind) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.timer == nil {
		l.since, l.timer = now, time.AfterFunc(Window, l.Flush)
	}
	if l.tables[indexOf(level)].passes(k, now) {
		return true
	}
	l.suppressed.Add(1)
	return false
}

// Flush ends the window, and writes a line for what was not written in it. It is called at the end of each
// window by itself, and is to be called when the last line is written, or what was counted since would not
// be told.
func (l *Limiter) Flush() {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	for level, sums := range l.end() {
		for _, s := range sums {
			l.logger.LogAttrs(context.Background(), budgets[level].level, s.message, s.attrs...)
		}
	}
}

// end ends the window, and returns the lines that sum it up.
func (l *Limiter) end() (sums [levels][]summary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil {
		return sums
	}
	l.timer.Stop()
	l.timer = nil
	took := time.Since(l.since)
	for level := range l.tables {
		sums[level] = l.tables[level].end(took)
	}
	return sums
}

// attrs returns those fields of k that there are.
func (k Kind) attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 12)
	if k.Status != 0 {
		attrs = append(attrs, slog.Int("status", k.Status))
	}
	if k.Reason != "" {
		attrs = append(attrs, slog.String("reason", k.Reason))
	}
	if k.Client != "" {
		attrs = append(attrs, slog.String("client", k.Client))
	}
	return attrs
}
