package dedupe

import (
	"bytes"
	"math"
	"sync"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"

	"flowd/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// key and sent make origins in a line.
func key(k string) flow.Origin                { return flow.Origin{Client: "c", Key: k} }
func sent(agent string, s uint64) flow.Origin { return flow.Origin{Client: "c", Agent: agent, Seq: s} }

// asked is one call of Check, and what it must return.
type asked struct {
	o           flow.Origin
	fingerprint uint64
	now         int64
	duplicate   bool
	err         error
}

func TestCheck(t *testing.T) {
	const far = math.MaxInt64
	for _, tt := range []struct {
		name string
		asks []asked
	}{
		{"no name", []asked{{flow.Origin{Client: "c"}, 1, 0, false, nil}, {flow.Origin{Client: "c"}, 1, 0, false, nil}}},
		{"a key twice", []asked{{key("a"), 1, 0, false, nil}, {key("a"), 1, 100, true, nil}}},
		{"other flows", []asked{{key("a"), 1, 0, false, nil}, {key("a"), 2, 1, false, flow.ErrReused}, {key("a"), 1, 1, true, nil}}},
		{"a key after the window", []asked{{key("a"), 1, 0, false, nil}, {key("a"), 2, 101, false, nil}, {key("a"), 2, 102, true, nil}}},
		{"a repeat does not prolong", []asked{{key("a"), 1, 0, false, nil}, {key("a"), 1, 90, true, nil}, {key("a"), 1, 101, false, nil}}},
		{"the clock a step back", []asked{{key("a"), 1, 50, false, nil}, {key("a"), 1, 0, true, nil}}},
		{"the clock far back", []asked{{key("a"), 1, 1000, false, nil}, {key("a"), 1, 0, false, nil}, {key("a"), 1, 1, true, nil}}},
		{"the clock as far as it goes", []asked{{key("a"), 1, -far - 1, false, nil}, {key("a"), 1, far, false, nil}, {key("a"), 1, far, true, nil}}},
		{"a fourth key of three", []asked{{key("a"), 1, 0, false, nil}, {key("b"), 1, 0, false, nil}, {key("c"), 1, 0, false, nil},
			{key("d"), 1, 0, false, nil}, {key("b"), 1, 0, true, nil}, {key("a"), 1, 0, false, nil}, {key("b"), 1, 0, false, nil}}},
		{"clients apart", []asked{{flow.Origin{Client: "a", Key: "bc"}, 1, 0, false, nil}, {flow.Origin{Client: "ab", Key: "c"}, 1, 0, false, nil},
			{flow.Origin{Key: "abc"}, 1, 0, false, nil}, {flow.Origin{Agent: "abc", Seq: 1}, 1, 0, false, nil}}},
		{"a sequence twice", []asked{{sent("a", 1), 1, 0, false, nil}, {sent("a", 2), 2, 0, false, nil}, {sent("a", 1), 1, 0, true, nil}, {sent("a", 2), 2, 0, true, nil}}},
		{"a sequence with other flows", []asked{{sent("a", 1), 1, 0, false, nil}, {sent("a", 1), 2, 0, false, flow.ErrReused}}},
		{"out of order, with gaps", []asked{{sent("a", 9), 1, 0, false, nil}, {sent("a", 4), 2, 0, false, nil}, {sent("a", 6), 3, 0, false, nil},
			{sent("a", 4), 2, 0, true, nil}, {sent("a", 6), 3, 0, true, nil}, {sent("a", 5), 4, 0, false, nil}}},
		{"the last of 64", []asked{{sent("a", 64), 1, 0, false, nil}, {sent("a", 1), 2, 0, false, nil}, {sent("a", 1), 2, 0, true, nil},
			{sent("a", 65), 3, 0, false, nil}, {sent("a", 1), 2, 0, false, flow.ErrTooOld}, {sent("a", 2), 4, 0, false, nil}}},
		{"a leap", []asked{{sent("a", 1), 1, 0, false, nil}, {sent("a", 65), 1, 0, false, nil}, {sent("a", 2), 1, 0, false, nil},
			{sent("a", math.MaxUint64), 1, 0, false, nil}, {sent("a", 65), 1, 0, false, flow.ErrTooOld}, {sent("a", math.MaxUint64), 1, 0, true, nil}}},
		{"an agent does not age", []asked{{sent("a", 1), 1, 0, false, nil}, {sent("a", 1), 1, far, true, nil}}},
		{"a third agent of two", []asked{{sent("a", 1), 1, 0, false, nil}, {sent("b", 1), 1, 10, false, nil}, {sent("c", 1), 1, 100, false, ErrAgentShare},
			{sent("c", 1), 1, 101, false, nil}, {sent("b", 1), 1, 101, true, nil}, {sent("a", 1), 1, 101, true, nil}, {sent("d", 1), 1, 101, false, ErrAgentShare}}},
		{"idle agents count for nobody", []asked{{sent("a", 1), 1, 0, false, nil}, {sent("b", 1), 1, 0, false, nil}, {sent("c", 1), 1, 101, false, nil},
			{sent("d", 1), 1, 101, false, nil}, {sent("b", 1), 1, 101, true, nil}, {sent("b", 2), 1, 101, false, nil}, {sent("e", 1), 1, 101, false, ErrTooManyAgents}}},
		{"the last of three is for others", []asked{{sent("a", 1), 1, 0, false, nil}, {sent("b", 1), 1, 0, false, nil}, {sent("c", 1), 1, 0, false, ErrAgentShare},
			{flow.Origin{Client: "d", Agent: "a", Seq: 1}, 1, 0, false, nil}, {sent("c", 1), 1, 0, false, ErrTooManyAgents},
			{flow.Origin{Client: "e", Agent: "a", Seq: 1}, 1, 0, false, ErrTooManyAgents}}},
		{"keys of others stay", []asked{{key("a"), 1, 0, false, nil}, {flow.Origin{Client: "d", Key: "a"}, 1, 0, false, nil}, {key("b"), 1, 0, false, nil},
			{key("c"), 1, 0, false, nil}, {key("d"), 1, 0, false, nil}, {flow.Origin{Client: "d", Key: "a"}, 1, 0, true, nil}, {key("d"), 1, 0, true, nil},
			{key("c"), 1, 0, true, nil}, {key("b"), 1, 0, false, nil}, {flow.Origin{Client: "d", Key: "a"}, 1, 0, true, nil}}},
		{"the least recent agent goes", []asked{{sent("a", 1), 1, 0, false, nil}, {sent("b", 1), 1, 0, false, nil}, {sent("a", 2), 1, 50, false, nil},
			{sent("c", 1), 1, 120, false, nil}, {sent("a", 1), 1, 120, true, nil}, {sent("b", 1), 1, 120, true, nil}, {sent("d", 1), 1, 140, false, ErrAgentShare},
			{sent("d", 1), 1, 151, false, nil}, {sent("b", 1), 1, 151, false, ErrAgentShare}, {sent("a", 1), 1, 151, true, nil}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// Of three agents a client may have two.
			w := New(Options{Window: 100 * time.Millisecond, Keys: 3, Agents: 3})
			for i, a := range tt.asks {
				if duplicate, err := w.Check(&a.o, a.fingerprint, a.now); duplicate != a.duplicate || err != a.err {
					t.Fatalf("call %d is %v, %v, not %v, %v", i, duplicate, err, a.duplicate, a.err)
				}
			}
		})
	}
}

// TestBounds makes sure that options of nothing still remember the last key and agent.
func TestBounds(t *testing.T) {
	w := New(Options{})
	for _, a := range []asked{{key("a"), 1, 0, false, nil}, {key("a"), 1, 0, true, nil}, {key("b"), 1, 0, false, nil}, {key("a"), 1, 0, false, nil},
		{sent("a", 1), 1, 0, false, nil}, {sent("a", 1), 1, 0, true, nil}, {sent("b", 1), 1, 0, false, ErrTooManyAgents}} {
		if duplicate, err := w.Check(&a.o, a.fingerprint, a.now); duplicate != a.duplicate || err != a.err {
			t.Fatalf("%+v: %v, %v", a, duplicate, err)
		}
	}
}

// TestMemoryLevelsOff notes far more than is remembered.
func TestMemoryLevelsOff(t *testing.T) {
	const keys, agents = 3 * chunkKeys, 4 * chunkAgents
	w := New(Options{Window: time.Second, Keys: keys, Agents: agents})
	for i := range uint64(50_000) {
		for _, o := range []flow.Origin{key(string(binaryName(i))), sent(string(binaryName(i)), i+1)} {
			if duplicate, err := w.Check(&o, i, int64(20*i)); duplicate || err != nil {
				t.Fatalf("%d: %v, %v", i, duplicate, err)
			}
		}
	}
	s := w.Stats()
	// Twenty milliseconds apart, 51 are within a second.
	if s.Keys != 51 || s.ForgottenByAge != 50_000-51 || s.ForgottenByNumber != 0 || s.Agents != agents || s.ForgottenAgents != 50_000-agents {
		t.Errorf("%+v", s)
	}
	if most := uint64(2*chunkKeys*keySize + 4*agents*agentSize); s.Bytes > most || len(w.keys.clients["c"].index) != 51 || len(w.agents.index) != agents {
		t.Errorf("%d bytes, more than %d, or %d keys or %d agents in the indices", s.Bytes, most, len(w.keys.clients["c"].index), len(w.agents.index))
	}
}

func binaryName(i uint64) []byte {
	name := make([]byte, 0, 20)
	for ; i > 0 || len(name) == 0; i /= 10 {
		name = append(name, '0'+byte(i%10))
	}
	return name
}

// TestSnapshotWhileChecking writes snapshots in one goroutine while others are noted: each must
// be as it was when it was taken.
func TestSnapshotWhileChecking(t *testing.T) {
	w := New(Options{Window: time.Hour, Keys: 3000, Agents: 200})
	var writing sync.WaitGroup
	for i := range uint64(20_000) {
		o := key(string(binaryName(i)))
		if i%2 == 0 {
			o = sent(string(binaryName(i%150)), i)
		}
		if _, err := w.Check(&o, i, int64(i)); err != nil && err != ErrTooManyAgents {
			t.Fatal(err)
		}
		if i%500 == 499 {
			want, s := written(t, w), w.Snapshot()
			writing.Go(func() {
				if !bytes.Equal(writtenOf(fatal{t}, s), want) {
					t.Errorf("the snapshot after %d batches changed", i)
				}
			})
		}
	}
	writing.Wait()
}

// fatal lets a goroutine that is not the test's fail it.
type fatal struct{ t *testing.T }

func (f fatal) Fatal(args ...any) { f.t.Error(args...) }

func TestCheckMakesNoGarbage(t *testing.T) {
	w := New(Options{Window: time.Hour, Keys: chunkKeys, Agents: 10})
	agent, seq := sent("agent", 0), uint64(0)
	known, now := key("known"), int64(0)
	if n := testing.AllocsPerRun(100, func() {
		seq++
		agent.Seq = seq
		_, _ = w.Check(&agent, seq, now)
		_, _ = w.Check(&known, 1, now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSizes(t *testing.T) {
	if got := unsafe.Sizeof(keyEntry{}); got != keySize {
		t.Errorf("a keyEntry is %d bytes, not %d", got, keySize)
	}
	if got := unsafe.Sizeof(agent{}); got != agentSize {
		t.Errorf("an agent is %d bytes, not %d", got, agentSize)
	}
}
