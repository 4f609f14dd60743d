package dedupe

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/bits"
	"slices"

	"flowd/flow"
)

// VersionError means that another version of this program wrote the file.
type VersionError struct {
	// Found is the version of the file, Known the one that this program reads.
	Found, Known uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("dedupe: the file has version %d; this program reads version %d", e.Found, e.Known)
}

// FormatError means that no Snapshot can have written the file.
type FormatError struct {
	// Offset is the position of the problem, in bytes from the start of the file.
	Offset int64
	// What describes the problem.
	What string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("dedupe: the file is wrong at byte %d: %s", e.Offset, e.What)
}

// Read returns Windows with the content of the file r, which a Snapshot wrote, and the bounds of o. It
// reads r to its end. Of more keys than o allows, it keeps the latest of each client, in equal parts; of
// more agents it keeps all, and accepts no new ones. A file of version 1 does not record the owners of keys
// and agents. The error is a *VersionError, a *FormatError, or an error of r.
func Read(r io.Reader, o Options) (*Windows, error) {
	in := reader{in: bufio.NewReaderSize(r, 1<<16)}
	head := in.read(headSize)
	if in.err != nil {
		return nil, in.err
	}
	if string(head[:8]) != magic {
		return nil, &FormatError{0, fmt.Sprintf("begins with %q, not with %q", head[:8], magic)}
	}
	found := binary.LittleEndian.Uint32(head[8:])
	if found != version && found != unowned {
		return nil, &VersionError{found, version}
	}
	clients := binary.LittleEndian.Uint32(head[12:])
	keys, agents := binary.LittleEndian.Uint64(head[16:]), binary.LittleEndian.Uint64(head[24:])
	if found == unowned && clients != 0 {
		return nil, &FormatError{12, fmt.Sprintf("has %#x where zero is expected", clients)}
	}
	if agents > math.MaxUint32 {
		return nil, &FormatError{24, fmt.Sprintf("has %d agents; at most %d can be", agents, uint32(math.MaxUint32))}
	}
	in.owned = found != unowned
	in.clients(clients)
	w := New(o)
	for ; keys > 0 && in.err == nil; keys-- {
		in.key(&w.keys)
	}
	for ; agents > 0 && in.err == nil; agents-- {
		in.agent(&w.agents)
	}
	in.allUsed()
	if in.trailer(); in.err != nil {
		return nil, in.err
	}
	w.stats.publish(w)
	return w, nil
}

// reader parses the parts of the file in order. After an error it reads nothing more.
type reader struct {
	in     *bufio.Reader
	offset int64
	sum    uint32
	buffer [max(maxAgent, maxClient)]byte
	err    error

	owned bool     // the file records the owners of keys and agents
	names []string // by client
	used  []bool   // by client: it has a key or an agent
	last  uint32   // number of the last key's client
}

// clients reads the names of the clients.
func (r *reader) clients(n uint32) {
	for ; n > 0 && r.err == nil; n-- {
		at := r.offset
		b := r.read(2)
		if b == nil {
			return
		}
		name := string(r.read(int(binary.LittleEndian.Uint16(b))))
		if last := len(r.names) - 1; r.err == nil && last >= 0 && name <= r.names[last] {
			r.err = &FormatError{at, fmt.Sprintf("client %q stands behind %q", name, r.names[last])}
		}
		r.names, r.used = append(r.names, name), append(r.used, false)
	}
}

// allUsed checks that every named client has a key or an agent.
func (r *reader) allUsed() {
	if unused := slices.Index(r.used, false); r.err == nil && unused >= 0 {
		r.err = &FormatError{r.offset, fmt.Sprintf("has neither a key nor an agent of client %d", unused+1)}
	}
}

// client returns the owner of the key or agent at an offset: the name of a client, or false for the unknown
// one.
func (r *reader) client(at int64, number uint32) (name string, known bool) {
	switch {
	case number == 0 || r.err != nil:
		return "", false
	case uint64(number) > uint64(len(r.names)):
		r.err = &FormatError{at, fmt.Sprintf("is of client %d of %d", number, len(r.names))}
		return "", false
	}
	r.used[number-1] = true
	return r.names[number-1], true
}

// read returns the next n bytes, which are valid until the next call, or nil after an error. n is at most
// the size of the buffer.
func (r *reader) read(n int) []byte {
	if r.err != nil {
		return nil
	}
	b := r.buffer[:n]
	if got, err := io.ReadFull(r.in, b); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = &FormatError{r.offset + int64(got), fmt.Sprintf("ends; %d bytes more are expected", n-got)}
		}
		r.err = err
		return nil
	}
	r.sum = crc32.Update(r.sum, castagnoli, b)
	r.offset += int64(n)
	return b
}

// key reads a key.
func (r *reader) key(k *keyWindow) {
	at, size := r.offset, keySize
	if r.owned {
		size = keyHead
	}
	b := r.read(size)
	if b == nil {
		return
	}
	e := keyEntry{
		id:          id(b[:len(id{})]),
		fingerprint: binary.LittleEndian.Uint64(b[16:]),
		time:        int64(binary.LittleEndian.Uint64(b[24:])),
	}
	number := uint32(0)
	if r.owned {
		number = binary.LittleEndian.Uint32(b[keySize:])
	}
	if number < r.last {
		r.err = &FormatError{at, fmt.Sprintf("a key of client %d stands behind those of client %d", number, r.last)}
		return
	}
	r.last = number
	name, known := r.client(at, number)
	switch {
	case r.err != nil:
	case known:
		k.makeRoom(k.clients[name], e.time)
		k.add(k.client(name), e)
	default:
		k.makeRoom(k.unknown, e.time)
		k.add(k.unknown, e)
	}
}

// agent reads an agent.
func (r *reader) agent(t *agentTable) {
	at := r.offset
	size := agentHead
	if !r.owned {
		size -= clientField
	}
	b := r.read(size)
	if b == nil {
		return
	}
	a := agent{
		id:      id(b[:len(id{})]),
		time:    int64(binary.LittleEndian.Uint64(b[16:])),
		highest: binary.LittleEndian.Uint64(b[24:]),
		seen:    binary.LittleEndian.Uint64(b[32:]),
	}
	// Sequence highest-d has bit d, and sequences begin at 0.
	if a.seen&1 == 0 || a.highest < flow.SeqWindow && a.seen>>a.highest > 1 {
		r.err = &FormatError{at, fmt.Sprintf("an agent has seen the sequences %#x up to %d, which cannot be", a.seen, a.highest)}
		return
	}
	if r.owned {
		if name, known := r.client(at, binary.LittleEndian.Uint32(b[size-clientField:])); known {
			a.client = t.enter(name)
		}
	}
	if r.err != nil {
		return
	}
	if _, known := t.index[a.id]; known {
		r.err = &FormatError{at, fmt.Sprintf("agent %x stands there a second time", a.id)}
		return
	}
	b = r.read(8 * bits.OnesCount64(a.seen))
	if b == nil {
		return
	}
	for seen := a.seen; seen != 0; seen &= seen - 1 {
		seq := a.highest - uint64(bits.TrailingZeros64(seen))
		a.fingerprints[seq%flow.SeqWindow] = binary.LittleEndian.Uint64(b)
		b = b[8:]
	}
	t.uses++
	a.used = t.uses
	n := t.add()
	*t.own(n) = a
	t.index[a.id] = n
}

// trailer verifies the checksum, and that nothing follows it.
func (r *reader) trailer() {
	sum, at := binary.LittleEndian.AppendUint32(nil, r.sum), r.offset
	b := r.read(trailerSize)
	if b == nil {
		return
	}
	if !bytes.Equal(b, sum) {
		r.err = &FormatError{at, fmt.Sprintf("has the checksum %x, but its content has %x", b, sum)}
		return
	}
	switch _, err := r.in.ReadByte(); err {
	case io.EOF:
	case nil:
		r.err = &FormatError{r.offset, "goes on behind its checksum"}
	default:
		r.err = err
	}
}
