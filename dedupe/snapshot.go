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
//	+------------+---------+---------+------+--------+--------+-----+-----+-------+-----+--------+
//	| "flowdwin" | version | clients | keys | agents | client | ... | key | agent | ... | CRC32C |
//	|  8 bytes   |    4    |    4    |  8   |   8    |        |     |     |       |     |   4    |
//	+------------+---------+---------+------+--------+--------+-----+-----+-------+-----+--------+
//
// The clients are numbered from 1, in ascending order of their names, each of which has its length before it in 2
// bytes. A key, from the oldest of a client to its latest, one client after the other:
//
//	+----------+-------------+------+--------+
//	|    id    | fingerprint | time | client |
//	| 16 bytes |      8      |  8   |   4    |
//	+----------+-------------+------+--------+
//
// An agent, from the one whose last new batch is the oldest:
//
//	+----------+------+---------+------+--------+-------------------------------------------+
//	|    id    | time | highest | seen | client | fingerprint of each sequence that was     |
//	| 16 bytes |  8   |    8    |  8   |   4    | seen, from the highest down, 8 bytes each |
//	+----------+------+---------+------+--------+-------------------------------------------+
//
// Client 0 is that of keys and agents of which a file of version 1 did not say whose they are: it has
// neither clients nor their numbers, and the keys of all from the oldest to the latest. The checksum is of all
// before it. The fingerprints are those of a form of flows: when that changes, this version has to.
const (
	magic       = "flowdwin"
	version     = 2
	unowned     = 1 // the version without clients
	headSize    = 32
	clientField = 4
	keyHead     = keySize + clientField
	agentHead   = 40 + clientField
	maxAgent    = agentHead + 8*flow.SeqWindow
	maxClient   = 1<<16 - 1
	trailerSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Snapshot is what Windows remembered at a moment. It belongs to one goroutine, which may be
// another than that of the Windows.
type Snapshot struct {
	keys []clientLog
	all  uint64 // keys

	agentChunks []*agentChunk
	agents      int
	owners      []string // of the agents, by the number of a client there
}

// clientLog is the keys of a client.
type clientLog struct {
	keyLog
	name    string
	unknown bool
}

// Snapshot returns what is remembered now. It takes microseconds, however much that is, and a few for each
// hundred clients: it is shared, and what changes afterwards is changed in a copy.
func (w *Windows) Snapshot() *Snapshot {
	clear(w.agents.owned)
	s := &Snapshot{all: w.keys.total, agentChunks: slices.Clone(w.agents.chunks), agents: w.agents.count}
	for _, c := range w.keys.byCount.all {
		log := clientLog{c.keyLog, c.name, c == w.keys.unknown}
		log.chunks = slices.Clone(log.chunks)
		s.keys = append(s.keys, log)
	}
	for i := range w.agents.clients {
		s.owners = append(s.owners, w.agents.clients[i].name)
	}
	return s
}

// clients returns the names of all clients but the unknown one, ascending, and the numbers that they have in
// the file.
func (s *Snapshot) clients() (names []string, numbers map[string]uint32) {
	numbers = make(map[string]uint32)
	note := func(name string) {
		if _, known := numbers[name]; !known {
			numbers[name] = 0
			names = append(names, name)
		}
	}
	for i := range s.keys {
		if !s.keys[i].unknown {
			note(s.keys[i].name)
		}
	}
	for n := range s.agents {
		if client := s.at(n).client; client != 0 {
			note(s.owners[client])
		}
	}
	slices.Sort(names)
	for i, name := range names {
		numbers[name] = uint32(i) + 1
	}
	return names, numbers
}

// WriteTo writes s, for Read to read, and returns how many bytes it wrote.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	c := &counter{w: w}
	out := bufio.NewWriterSize(c, 1<<16)
	names, numbers := s.clients()
	b := make([]byte, 0, maxAgent)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(names)))
	b = binary.LittleEndian.AppendUint64(b, s.all)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.agents))
	_, _ = out.Write(b) // a bufio.Writer keeps its first error for Flush
	for _, name := range names {
		_, _ = out.Write(binary.LittleEndian.AppendUint16(b[:0], uint16(len(name))))
		_, _ = out.WriteString(name)
	}
	s.writeKeys(out, numbers)
	for _, u := range s.byUse() {
		a := s.at(u.n)
		client := uint32(0)
		if a.client != 0 {
			client = numbers[s.owners[a.client]]
		}
		_, _ = out.Write(a.append(b[:0], client))
	}
	if err := out.Flush(); err != nil {
		return c.n, err
	}
	_, err := c.Write(binary.LittleEndian.AppendUint32(nil, c.sum))
	return c.n, err
}

// writeKeys writes the keys, those of the unknown client first.
func (s *Snapshot) writeKeys(out *bufio.Writer, numbers map[string]uint32) {
	number := func(l *clientLog) uint32 {
		if l.unknown {
			return 0
		}
		return numbers[l.name]
	}
	slices.SortFunc(s.keys, func(a, b clientLog) int { return cmp.Compare(number(&a), number(&b)) })
	b := make([]byte, 0, keyHead)
	for i := range s.keys {
		log := &s.keys[i]
		for n := log.first; n < log.next; n++ {
			e := log.entry(n)
			b = append(b[:0], e.id[:]...)
			b = binary.LittleEndian.AppendUint64(b, e.print)
			b = binary.LittleEndian.AppendUint64(b, uint64(e.time))
			b = binary.LittleEndian.AppendUint32(b, number(log))
			_, _ = out.Write(b)
		}
	}
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

// append appends a as it is written, with the number of its client.
func (a *agent) append(b []byte, client uint32) []byte {
	b = append(b, a.id[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(a.time))
	b = binary.LittleEndian.AppendUint64(b, a.highest)
	b = binary.LittleEndian.AppendUint64(b, a.seen)
	b = binary.LittleEndian.AppendUint32(b, client)
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
