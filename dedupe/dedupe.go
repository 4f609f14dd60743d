// Package dedupe recognises batches that already count, so that a batch that is sent again is not added
// again. It remembers two kinds of names: keys, each for a window of time and up to a maximum number, and
// agents, which number their batches and take a fixed amount of memory each.
//
// Its decisions depend only on its arguments, and only new batches change its memory. So a caller that
// repeats the new batches in their order, as the replay of a log does, gets the same memory, regardless of
// duplicates between them.
package dedupe

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"flowd/flow"
)

// Options bound the memory of Windows.
type Options struct {
	// Window is how long a key is remembered, and how long after its last new batch an agent becomes idle.
	// It is counted in whole milliseconds.
	Window time.Duration
	// Keys is the most keys remembered: beyond it, a new key replaces the oldest one of the client that has
	// the most. Less than one counts as one.
	Keys int
	// Agents is the most agents remembered, of which each client may have its share (limit.MayHold). Less
	// than one counts as one.
	Agents int
}

// ErrTooManyAgents rejects the first batch of an agent while the most agents allowed have been active
// within the window.
var ErrTooManyAgents = errors.New("dedupe: as many agents as can be remembered are in use")

// ErrAgentShare rejects the first batch of an agent although there is room, because its client has its
// share of the agents.
var ErrAgentShare = errors.New("dedupe: the client has its share of the agents that can be remembered")

// Windows remembers keys and agents. It belongs to one goroutine, except for Stats.
type Windows struct {
	keys   keyWindow
	agents agentTable
	name   []byte // buffer for the input of id's hash
	stats  stats
}

// New returns empty Windows.
func New(o Options) *Windows {
	window := uint64(max(o.Window.Milliseconds(), 0))
	return &Windows{
		keys:   newKeyWindow(window, max(o.Keys, 1)),
		agents: newAgentTable(window, max(o.Agents, 1)),
	}
}

// Check reports whether the batch that o names already counts. fingerprint is that of its flows, now the
// time in milliseconds since 1970. A new batch is recorded, so that it counts the next time; a batch
// without a name is always new. The clock may go backwards: a name recorded at a time further from now than
// the window, in either direction, is outside the window.
//
// The error is flow.ErrReused, flow.ErrTooOld, ErrTooManyAgents or ErrAgentShare. After an error nothing
// has changed.
func (w *Windows) Check(o *flow.Origin, fingerprint uint64, now int64) (duplicate bool, err error) {
	switch {
	case o.Key != "":
		duplicate, err = w.keys.check(o.Client, w.id('k', o.Client, o.Key), fingerprint, now)
	case o.Agent != "":
		duplicate, err = w.agents.check(o.Client, w.id('a', o.Client, o.Agent), o.Seq, fingerprint, now)
	default:
		return false, nil
	}
	if err != nil || duplicate {
		return duplicate, err
	}
	w.keys.forget(now)
	w.stats.publish(w)
	return false, nil
}

// Known reports whether a batch already counts, as Check does, but records nothing. It is for batches that
// are about to be rejected for another reason.
func (w *Windows) Known(o *flow.Origin, fingerprint uint64, now int64) (duplicate bool, err error) {
	switch {
	case o.Key != "":
		return w.keys.known(o.Client, w.id('k', o.Client, o.Key), fingerprint, now)
	case o.Agent != "":
		return w.agents.known(w.id('a', o.Client, o.Agent), o.Seq, fingerprint)
	}
	return false, nil
}

// Agents returns the number of a client's agents that are not idle, that of all clients, and the most
// agents allowed.
func (w *Windows) Agents(client string) (held, all, most int) { return w.agents.held(client) }

// id identifies a name of a client. It is the first half of a SHA-256, so that no client can find two names
// with the same id.
type id [16]byte

// id returns the id of a name. The length of the client's name separates it from name.
func (w *Windows) id(kind byte, client, name string) id {
	b := append(w.name[:0], kind)
	b = binary.AppendUvarint(b, uint64(len(client)))
	b = append(b, client...)
	b = append(b, name...)
	w.name = b
	sum := sha256.Sum256(b)
	return id(sum[:len(id{})])
}

// within reports whether two times are at most window milliseconds apart. It is right for all times,
// without overflow.
func within(window uint64, a, b int64) bool {
	return uint64(max(a, b))-uint64(min(a, b)) <= window
}

// Stats are the figures of Windows for metrics.
type Stats struct {
	// Keys and Agents are the numbers remembered. Some of the keys may be outside the window.
	Keys, Agents uint64
	// ForgottenByNumber counts the keys evicted within their window to make room for others: a repeat of
	// such a batch would have counted again. ForgottenByAge counts those that left the window.
	ForgottenByNumber, ForgottenByAge uint64
	// ForgottenAgents counts the idle agents evicted to make room for others.
	ForgottenAgents uint64
	// Bytes is the approximate memory of all.
	Bytes uint64
}

// Stats returns the current figures, which may be one batch apart from each other. Any goroutine may call
// it.
func (w *Windows) Stats() Stats {
	s := &w.stats
	return Stats{
		Keys: s.keys.Load(), Agents: s.agents.Load(), Bytes: s.bytes.Load(),
		ForgottenByNumber: s.byNumber.Load(), ForgottenByAge: s.byAge.Load(),
		ForgottenAgents: s.forgottenAgents.Load(),
	}
}

// stats holds Stats for other goroutines.
type stats struct{ keys, agents, byNumber, byAge, forgottenAgents, bytes atomic.Uint64 }

func (s *stats) publish(w *Windows) {
	s.keys.Store(w.keys.total)
	s.agents.Store(uint64(w.agents.count))
	s.byNumber.Store(w.keys.byNumber)
	s.byAge.Store(w.keys.byAge)
	s.forgottenAgents.Store(w.agents.forgotten)
	s.bytes.Store(w.keys.bytes() + w.agents.bytes())
}
