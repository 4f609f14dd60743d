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

// The file format of Windows. Numbers are little endian:
//
//	+------------+---------+---------+------+--------+--------+-----+-----+-------+-----+--------+
//	| "flowdwin" | version | clients | keys | agents | client | ... | key | agent | ... | CRC32C |
//	|  8 bytes   |    4    |    4    |  8   |   8    |        |     |     |       |     |   4    |
//	+------------+---------+---------+------+--------+--------+-----+-----+-------+-----+--------+
//
// The clients are numbered from 1, in ascending order of their names, each of which is preceded by its
// length in 2 bytes. Keys follow, client by client, from the oldest key of a client to its latest:
//
//	+----------+-------------+------+--------+
//	|    id    | fingerprint | time | client |
//	| 16 bytes |      8      |  8   |   4    |
//	+----------+-------------+------+--------+
//
// The agents follow, from the one whose last new batch is the oldest:
//
//	+----------+------+---------+------+--------+-------------------------------------------+
//	|    id    | time | highest | seen | client | fingerprint of each sequence that was     |
//	| 16 bytes |  8   |    8    |  8   |   4    | seen, from the highest down, 8 bytes each |
//	+----------+------+---------+------+--------+-------------------------------------------+
//
// Client 0 owns the keys and agents of a file of version 1, which does not record owners: it has neither
// clients nor their numbers, and its keys are ordered from the oldest to the latest of all. The checksum
// covers everything before it. The fingerprints depend on an encoding of flows: if that changes, this
// version must change too.
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

// Snapshot is the content of Windows at a moment. It belongs to one goroutine, which may be another one
// than that of the Windows.
type Snapshot struct {
	keys []clientLog
	all  uint64 // number of keys

	agentChunks []*agentChunk
	agents      int
	owners      []string // names of the agents' clients, by number
}

// clientLog holds the keys of a client.
type clientLog struct {
	keyLog
	name    string
	unknown bool
}

// Snapshot returns the current content. It takes microseconds, whatever the size, plus a few for each
// hundred clients: the memory is shared, and later changes are made to copies.
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

// clients returns the names of all clients except the unknown one, ascending, and their numbers in the
// file.
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

// WriteTo writes s in the form that Read parses, and returns the number of bytes written.
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
			b = binary.LittleEndian.AppendUint64(b, e.fingerprint)
			b = binary.LittleEndian.AppendUint64(b, uint64(e.time))
			b = binary.LittleEndian.AppendUint32(b, number(log))
			_, _ = out.Write(b)
		}
	}
}

// byUse returns the agents' numbers, in the order of their last new batches.
func (s *Snapshot) byUse() []use {
	all := make([]use, s.agents)
	for n := range all {
		all[n] = use{s.at(n).used, n}
	}
	slices.SortFunc(all, func(a, b use) int { return cmp.Compare(a.used, b.used) })
	return all
}

// use is the last use of an agent. A slice of it is sorted without access to the agents.
type use struct {
	used uint64
	n    int
}

func (s *Snapshot) at(n int) *agent { return &s.agentChunks[n/chunkAgents][n%chunkAgents] }

// append appends a in the file's form, with the number of its client.
func (a *agent) append(b []byte, client uint32) []byte {
	b = append(b, a.id[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(a.time))
	b = binary.LittleEndian.AppendUint64(b, a.highest)
	b = binary.LittleEndian.AppendUint64(b, a.seen)
	b = binary.LittleEndian.AppendUint32(b, client)
	for seen := a.seen; seen != 0; seen &= seen - 1 {
		seq := a.highest - uint64(bits.TrailingZeros64(seen))
		b = binary.LittleEndian.AppendUint64(b, a.fingerprints[seq%flow.SeqWindow])
	}
	return b
}

// counter counts and sums the bytes written.
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
