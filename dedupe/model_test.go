package dedupe

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowd/flow"
)

// model is Windows as one would write it without a thought of speed or memory.
type model struct {
	window       int64
	most, agents int
	keys         []modelKey   // oldest first
	senders      []modelAgent // oldest last new batch first
	byNumber     uint64
	byAge        uint64
	forgotten    uint64
}

type modelKey struct {
	name        [2]string
	fingerprint uint64
	time        int64
}

type modelAgent struct {
	name         [2]string
	time         int64
	highest      uint64
	fingerprints map[uint64]uint64 // of sequences
}

func (m *model) clone() *model {
	c := *m
	c.keys = slices.Clone(m.keys)
	c.senders = slices.Clone(m.senders)
	for i := range c.senders {
		c.senders[i].fingerprints = maps.Clone(c.senders[i].fingerprints)
	}
	return &c
}

func (m *model) in(time, now int64) bool { return max(time-now, now-time) <= m.window }

func (m *model) check(o *flow.Origin, fingerprint uint64, now int64) (duplicate bool, err error) {
	switch {
	case o.Key != "":
		duplicate, err = m.checkKey([2]string{o.Client, o.Key}, fingerprint, now)
	case o.Agent != "":
		duplicate, err = m.checkAgent([2]string{o.Client, o.Agent}, o.Seq, fingerprint, now)
	default:
		return false, nil
	}
	for n := 0; !duplicate && err == nil && n < forgetAtOnce; n++ {
		oldest := "none"
		for i, k := range m.keys {
			if first := m.first(k.name[0]); first == i && (oldest == "none" || k.time < m.keys[m.first(oldest)].time ||
				k.time == m.keys[m.first(oldest)].time && k.name[0] < oldest) {
				oldest = k.name[0]
			}
		}
		if oldest == "none" || m.in(m.keys[m.first(oldest)].time, now) {
			break
		}
		m.forget(oldest, now)
	}
	return duplicate, err
}

// first returns where the oldest key of a client is.
func (m *model) first(client string) int {
	return slices.IndexFunc(m.keys, func(k modelKey) bool { return k.name[0] == client })
}

func (m *model) forget(client string, now int64) {
	at := m.first(client)
	if m.in(m.keys[at].time, now) {
		m.byNumber++
	} else {
		m.byAge++
	}
	m.keys = slices.Delete(m.keys, at, at+1)
}

// largest returns the client with the most keys, if it has more than another.
func (m *model) largest(than string) string {
	count := map[string]int{}
	for _, k := range m.keys {
		count[k.name[0]]++
	}
	most := than
	for _, client := range slices.Sorted(maps.Keys(count)) {
		if count[client] > count[most] {
			most = client
		}
	}
	return most
}

func (m *model) checkKey(name [2]string, fingerprint uint64, now int64) (bool, error) {
	for _, k := range slices.Backward(m.keys) {
		if k.name != name {
			continue
		}
		if !m.in(k.time, now) {
			break
		}
		if k.fingerprint != fingerprint {
			return false, flow.ErrReused
		}
		return true, nil
	}
	if len(m.keys) == m.most {
		m.forget(m.largest(name[0]), now)
	}
	m.keys = append(m.keys, modelKey{name, fingerprint, now})
	return false, nil
}

func (m *model) checkAgent(name [2]string, seq, fingerprint uint64, now int64) (bool, error) {
	i := slices.IndexFunc(m.senders, func(a modelAgent) bool { return a.name == name })
	var a modelAgent
	switch {
	case i >= 0:
		a = m.senders[i]
		if seq+flow.SeqWindow <= a.highest {
			return false, flow.ErrTooOld
		}
		if p, seen := a.fingerprints[seq]; seen {
			if p != fingerprint {
				return false, flow.ErrReused
			}
			return true, nil
		}
	default:
		held, active := m.active(name[0], now)
		switch free := m.agents - active; {
		case free <= 0:
			return false, ErrTooManyAgents
		case held > 0 && held+1 > 4*(free-1):
			return false, ErrAgentShare
		case len(m.senders) == m.agents:
			i = 0
			m.forgotten++
		}
		a = modelAgent{name: name, fingerprints: map[uint64]uint64{}}
	}
	a.time, a.highest, a.fingerprints[seq] = now, max(a.highest, seq), fingerprint
	maps.DeleteFunc(a.fingerprints, func(s, _ uint64) bool { return s+flow.SeqWindow <= a.highest })
	if i >= 0 {
		m.senders = slices.Delete(m.senders, i, i+1)
	}
	m.senders = append(m.senders, a)
	return false, nil
}

// active returns how many agents a client has, and all have, that come behind those that are idle.
func (m *model) active(client string, now int64) (held, all int) {
	for _, a := range m.senders {
		if all == 0 && !m.in(a.time, now) {
			continue
		}
		all++
		if a.name[0] == client {
			held++
		}
	}
	return held, all
}

// walk draws batches one after the other.
type walk struct {
	t     *rapid.T
	now   int64
	highs map[string]uint64
}

func (k *walk) origin() (o flow.Origin) {
	o.Client = rapid.SampledFrom([]string{"", "a", "ab"}).Draw(k.t, "client")
	switch rapid.IntRange(0, 20).Draw(k.t, "kind") {
	case 0:
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
		o.Key = fmt.Sprint("b", rapid.IntRange(0, 20).Draw(k.t, "key"))
	default:
		o.Agent = fmt.Sprint("b", rapid.IntRange(0, 4).Draw(k.t, "agent"))
		high := k.highs[o.Client+" "+o.Agent]
		o.Seq = high + rapid.SampledFrom([]uint64{1, 1, 1, 2, 3, 63, 64, 65, 1000, 1 << 40}).Draw(k.t, "ahead")
		if behind := rapid.Uint64Range(0, 70).Draw(k.t, "behind"); rapid.Bool().Draw(k.t, "back") && behind < high {
			o.Seq = high - behind
		}
		k.highs[o.Client+" "+o.Agent] = max(high, o.Seq)
	}
	return o
}

// step checks one batch with w and m.
func (k *walk) step(w *Windows, m *model) {
	o := k.origin()
	k.now += rapid.SampledFrom([]int64{0, 0, 1, 1, 7, 20, 101, -1, -20, -150, 100_000, -100_000}).Draw(k.t, "passed")
	fingerprint := rapid.SampledFrom([]uint64{1, 1, 1, 2}).Draw(k.t, "fingerprint")
	before := written(k.t, w)
	got, err := w.Check(&o, fingerprint, k.now)
	want, wantErr := m.check(&o, fingerprint, k.now)
	if got != want || !errors.Is(err, wantErr) || err != wantErr {
		k.t.Fatalf("%+v with %d at %d is %v, %v, not %v, %v", o, fingerprint, k.now, got, err, want, wantErr)
	}
	if (got || err != nil || !o.Named()) && !bytes.Equal(before, written(k.t, w)) {
		k.t.Fatalf("%+v with %d at %d is %v, %v, and changed what is remembered", o, fingerprint, k.now, got, err)
	}
	s := w.Stats()
	if s.Keys != uint64(len(m.keys)) || s.Agents != uint64(len(m.senders)) || s.ForgottenByNumber != m.byNumber ||
		s.ForgottenByAge != m.byAge || s.ForgottenAgents != m.forgotten {
		k.t.Fatalf("the figures are %+v, of %d keys, %d agents, %d, %d and %d forgotten",
			s, len(m.keys), len(m.senders), m.byNumber, m.byAge, m.forgotten)
	}
}

func written(t interface{ Fatal(...any) }, w *Windows) []byte { return writtenOf(t, w.Snapshot()) }

func writtenOf(t interface{ Fatal(...any) }, s *Snapshot) []byte {
	var b bytes.Buffer
	n, err := s.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatal("WriteTo of", b.Len(), "bytes:", n, err)
	}
	return b.Bytes()
}

// TestModel holds Windows to the model; and Windows that were read from a snapshot to the model
// as it was when the snapshot was taken, whatever came between that and its writing.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Window: 100 * time.Millisecond, Keys: rapid.IntRange(1, 30).Draw(t, "keys"), Agents: rapid.IntRange(1, 14).Draw(t, "agents")}
		w, m := New(o), &model{window: 100, most: o.Keys, agents: o.Agents}
		k := &walk{t: t, now: 1_000_000, highs: map[string]uint64{}}
		for range rapid.IntRange(0, 60).Draw(t, "before") {
			k.step(w, m)
		}
		snapshot, then := w.Snapshot(), m.clone()
		then.byNumber, then.byAge, then.forgotten = 0, 0, 0
		moment := k.now
		for range rapid.IntRange(0, 60).Draw(t, "after") {
			k.step(w, m)
		}
		file := writtenOf(t, snapshot)
		back, err := Read(bytes.NewReader(file), o)
		if err != nil {
			t.Fatal(err)
		}
		if again := written(t, back); !bytes.Equal(file, again) {
			t.Fatalf("read and written again, %x becomes %x", file, again)
		}
		k.now = moment
		for range rapid.IntRange(0, 60).Draw(t, "again") {
			k.step(back, then)
		}
	})
}
