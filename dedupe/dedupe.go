// Package dedupe tells which batches count already, so that one that is sent again is not added
// again. It remembers two kinds of names for a while: keys, each for a window of time and up to a
// number, and agents, which number their batches and take a fixed memory each.
//
// What it decides depends on its arguments alone, and only a batch that is new changes what it
// remembers. So a caller that repeats the new batches in their order, as the replay of a log does,
// comes to the same memory, whatever else was asked between them.
package dedupe

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"flowd/flow"
)

// Options bound what is remembered.
type Options struct {
	// Window is for how long a key is known, and after how long without a new batch an agent may
	// be forgotten. It is counted in whole milliseconds.
	Window time.Duration
	// Keys is how many keys are known at most: a new one is noted in place of the oldest of the client
	// that has the most. Less than one counts as one.
	Keys int
	// Agents is how many agents are known at most, of which each client may have its share
	// (limit.MayHold). Less than one counts as one.
	Agents int
}

// ErrTooManyAgents refuses the first batch of an agent while as many as can be remembered were
// heard of within the window.
var ErrTooManyAgents = errors.New("dedupe: as many agents as can be remembered are in use")

// ErrAgentShare refuses the same though there is room, for the client has its share of it.
var ErrAgentShare = errors.New("dedupe: the client has its share of the agents that can be remembered")

// Windows is what is remembered. It belongs to one goroutine, but for Stats.
type Windows struct {
	keys   keyWindow
	agents agentTable
	name   []byte // memory to hash an id in
	stats  stats
}

// New returns windows that remember nothing yet.
func New(o Options) *Windows {
	window := uint64(max(o.Window.Milliseconds(), 0))
	return &Windows{
		keys:   newKeyWindow(window, max(o.Keys, 1)),
		agents: newAgentTable(window, max(o.Agents, 1)),
	}
}

// Check tells whether the batch that o names, with the flows that have this fingerprint, counts
// already, as of now, in milliseconds since 1970. One that does not is noted, and will the next
// time; one without a name never counts already. The clock may go backwards: what was noted at a
// time that is further from now than the window, in either direction, is out of it.
//
// Errors are flow.ErrReused, flow.ErrTooOld, ErrTooManyAgents and ErrAgentShare; after one nothing has
// changed.
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

// Known tells of a batch that is about to be refused for another reason whether it counts already, as
// Check does, but notes nothing.
func (w *Windows) Known(o *flow.Origin, fingerprint uint64, now int64) (duplicate bool, err error) {
	switch {
	case o.Key != "":
		return w.keys.known(o.Client, w.id('k', o.Client, o.Key), fingerprint, now)
	case o.Agent != "":
		return w.agents.known(w.id('a', o.Client, o.Agent), o.Seq, fingerprint)
	}
	return false, nil
}

// Agents returns how many agents a client has that are not idle, of how many, and how many there may be.
func (w *Windows) Agents(client string) (held, all, most int) { return w.agents.held(client) }

// id stands for a name of a client: the first half of a SHA-256, so that no client finds two names
// with the same.
type id [16]byte

// id returns the id of a name. The length of the client's keeps apart what would run together.
func (w *Windows) id(kind byte, client, name string) id {
	b := append(w.name[:0], kind)
	b = binary.AppendUvarint(b, uint64(len(client)))
	b = append(b, client...)
	b = append(b, name...)
	w.name = b
	sum := sha256.Sum256(b)
	return id(sum[:len(id{})])
}

// within reports whether two times are at most window milliseconds apart. Any two are, or are
// not, without overflow.
func within(window uint64, a, b int64) bool {
	return uint64(max(a, b))-uint64(min(a, b)) <= window
}

// Stats is what Windows looks like from outside, for metrics.
type Stats struct {
	// Keys and Agents are how many are remembered. Some of the keys may be out of the window.
	Keys, Agents uint64
	// ForgottenByNumber counts the keys that made room for others within their window: a repeat of
	// such a batch would have counted again. ForgottenByAge counts those that left the window.
	ForgottenByNumber, ForgottenByAge uint64
	// ForgottenAgents counts the idle agents that made room for others.
	ForgottenAgents uint64
	// Bytes is the memory of all, about.
	Bytes uint64
}

// Stats may be called from any goroutine. The figures may lag a batch behind each other.
func (w *Windows) Stats() Stats {
	s := &w.stats
	return Stats{
		Keys: s.keys.Load(), Agents: s.agents.Load(), Bytes: s.bytes.Load(),
		ForgottenByNumber: s.byNumber.Load(), ForgottenByAge: s.byAge.Load(),
		ForgottenAgents: s.forgottenAgents.Load(),
	}
}

// stats is Stats for other goroutines.
type stats struct{ keys, agents, byNumber, byAge, forgottenAgents, bytes atomic.Uint64 }

func (s *stats) publish(w *Windows) {
	s.keys.Store(w.keys.total)
	s.agents.Store(uint64(w.agents.count))
	s.byNumber.Store(w.keys.byNumber)
	s.byAge.Store(w.keys.byAge)
	s.forgottenAgents.Store(w.agents.forgotten)
	s.bytes.Store(w.keys.bytes() + w.agents.bytes())
}
