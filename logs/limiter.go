// Package logs bounds the lines that events write to the operator's log, whatever causes them and however
// many there are: the first few of each kind are written, and the others are counted and summarised. It is
// for events that clients cause. Events that an operator or the clock causes go directly to a *slog.Logger.
package logs

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Window is the time after which suppressed lines are summarised. It begins with the first line after a
// quiet time or after the previous window.
const Window = 10 * time.Second

const (
	// maxKinds is the most kinds of a level that are distinguished in a window. Beyond it lines are
	// distinguished without their clients, up to maxGroups, and beyond that not at all. A kind takes about
	// 200 bytes.
	maxKinds  = 1000
	maxGroups = 100
	// maxClient is the number of bytes of a client's name that distinguish it from others.
	maxClient = 128
)

// Kind identifies lines that share a summary. Message, Status and Reason must be the program's own words,
// so that a client cannot create new kinds; Client is truncated to 128 bytes.
type Kind struct {
	Message string // what happened
	Status  int    // of the answer; 0 without one
	Reason  string // why, as metrics name it; of a panic its place; may be empty
	Client  string // the name of a token, or an address; empty if the event is not a client's
}

// key identifies a tally in a table.
type key struct {
	Kind
	others bool // stands for all clients that came after the table was full; Client is empty
}

// tally counts the lines of a kind within a window.
type tally struct {
	seen int    // all lines
	more uint64 // suppressed lines
}

// Limiter writes lines to a logger, at most 98 in any second. Each level has its own budget, so that lines
// of a low level do not displace those of a high one. A Limiter has no goroutine. Its memory is bounded by
// the number of kinds that are distinguished. All methods may be called from any goroutine.
type Limiter struct {
	logger     *slog.Logger
	handler    slog.Handler // of logger
	suppressed atomic.Uint64
	flushing   sync.Mutex // held while summaries are written, so that those of one window come first

	mu     sync.Mutex // never held while a line is written
	tables [levels]table
	since  time.Time   // when the window began
	timer  *time.Timer // ends the window; nil without a window
}

// New returns a Limiter that writes to logger. The level of logger decides which lines exist at all.
func New(logger *slog.Logger) *Limiter {
	l := &Limiter{logger: logger, handler: logger.Handler()}
	for level := range l.tables {
		l.tables[level].init(budgets[level])
	}
	return l
}

// Enabled reports whether lines of a level are written or counted at all. It takes no lock.
func (l *Limiter) Enabled(level slog.Level) bool {
	return l.handler.Enabled(context.Background(), level)
}

// Suppressed returns the number of lines that were counted instead of written since the start.
func (l *Limiter) Suppressed() uint64 { return l.suppressed.Load() }

// Log writes a line with the fields of k and these attributes, or counts it for a later summary. It calls
// attrs, which may be nil, only if it writes. Counting holds a lock for less than a microsecond; writing
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

// passes counts a line, and reports whether it must be written.
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

// Flush ends the window, and writes a summary of the suppressed lines. A timer calls it at the end of each
// window. The caller must call it after the last line, or the lines counted since then are not reported.
func (l *Limiter) Flush() {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	for level, sums := range l.end() {
		for _, s := range sums {
			l.logger.LogAttrs(context.Background(), budgets[level].level, s.message, s.attrs...)
		}
	}
}

// end ends the window, and returns its summaries.
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

// attrs returns the fields of k that are set.
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
