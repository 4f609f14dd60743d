package dedupe

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/bits"
	"slices"

	"flowd/flow"
)

// Windows in a file, with little endian numbers:
//
//	+------------+---------+------+------+--------+----------+-------+-----+--------+
//	| "flowdwin" | version | zero | keys | agents |   key    | agent | ... | CRC32C |
//	|  8 bytes   |    4    |  4   |  8   |   8    | 32 each  |       |     |   4    |
//	+------------+---------+------+------+--------+----------+-------+-----+--------+
//
// A key, from the oldest to the latest:
//
//	+----------+-------------+------+
//	|    id    | fingerprint | time |
//	| 16 bytes |      8      |  8   |
//	+----------+-------------+------+
//
// An agent, from the one whose last new batch is the oldest:
//
//	+----------+------+---------+------+-------------------------------------------+
//	|    id    | time | highest | seen | fingerprint of each sequence that was     |
//	| 16 bytes |  8   |    8    |  8   | seen, from the highest down, 8 bytes each |
//	+----------+------+---------+------+-------------------------------------------+
//
// The checksum is of all before it. The fingerprints are those of a form of flows: when that
// changes, this version has to.
const (
	magic       = "flowdwin"
	version     = 1
	headSize    = 32
	agentHead   = 40
	maxAgent    = agentHead + 8*flow.SeqWindow
	trailerSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Snapshot is what Windows remembered at a moment. It belongs to one goroutine, which may be
// another than that of the Windows.
type Snapshot struct {
	chunks      []*keyChunk
	base        uint64
	first, next uint64

	agentChunks []*agentChunk
	agents      int
}

// Snapshot returns what is remembered now. It takes microseconds, however much that is: it is
// shared, and what changes afterwards is changed in a copy.
func (w *Windows) Snapshot() *Snapshot {
	clear(w.agents.owned)
	return &Snapshot{
		chunks: slices.Clone(w.keys.chunks), base: w.keys.base, first: w.keys.first, next: w.keys.next,
		agentChunks: slices.Clone(w.agents.chunks), agents: w.agents.count,
	}
}

// WriteTo writes s, for Read to read, and returns how many bytes it wrote.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	c := &counter{w: w}
	out := bufio.NewWriterSize(c, 1<<16)
	b := make([]byte, 0, maxAgent)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint64(b, version)
	b = binary.LittleEndian.AppendUint64(b, s.next-s.first)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.agents))
	_, _ = out.Write(b) // a bufio.Writer keeps its first error for Flush
	for n := s.first; n < s.next; n++ {
		e := &s.chunks[(n-s.base)/chunkKeys][(n-s.base)%chunkKeys]
		b = append(b[:0], e.id[:]...)
		b = binary.LittleEndian.AppendUint64(b, e.print)
		b = binary.LittleEndian.AppendUint64(b, uint64(e.time))
		_, _ = out.Write(b)
	}
	for _, u := range s.byUse() {
		_, _ = out.Write(s.at(u.n).append(b[:0]))
	}
	if err := out.Flush(); err != nil {
		return c.n, err
	}
	_, err := c.Write(binary.LittleEndian.AppendUint32(nil, c.sum))
	return c.n, err
}

// byUse returns the numbers of the agents from the one whose last new batch is the oldest.
func (s *Snapshot) byUse() []use {
	all := make([]use, s.agents)
	for n := range all {
		all[n] = use{s.at(n).used, n}
	}
	slices.SortFunc(all, func(a, b use) int { return cmp.Compare(a.used, b.used) })
	return all
}

// use is when an agent was used, which is sorted without a look at the agents.
type use struct {
	used uint64
	n    int
}

func (s *Snapshot) at(n int) *agent { return &s.agentChunks[n/chunkAgents][n%chunkAgents] }

// append appends a as it is written.
func (a *agent) append(b []byte) []byte {
	b = append(b, a.id[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(a.time))
	b = binary.LittleEndian.AppendUint64(b, a.highest)
	b = binary.LittleEndian.AppendUint64(b, a.seen)
	for seen := a.seen; seen != 0; seen &= seen - 1 {
		seq := a.highest - uint64(bits.TrailingZeros64(seen))
		b = binary.LittleEndian.AppendUint64(b, a.prints[seq%flow.SeqWindow])
	}
	return b
}

// counter counts and sums what is written.
type counter struct {
	w   io.Writer
	n   int64
	sum uint32
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.sum = crc32.Update(c.sum, castagnoli, b[:n])
	return n, err
}
