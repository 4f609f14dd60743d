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

	"flowd/flow"
)

// VersionError is a file that another version of this program wrote.
type VersionError struct {
	// Found is the version of the file, Known the one that this program reads.
	Found, Known uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("dedupe: the file has version %d; this program reads version %d", e.Found, e.Known)
}

// FormatError is a file that no Snapshot wrote so.
type FormatError struct {
	// Offset is where it is wrong, in bytes from its start.
	Offset int64
	// What says what is wrong there.
	What string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("dedupe: the file is wrong at byte %d: %s", e.Offset, e.What)
}

// Read returns Windows as they were when the Snapshot was taken that wrote what r has, to its
// end, with the bounds of o: of more keys than those allow, the latest are remembered; of more
// agents, all, and new ones only in place of idle ones. It returns a *VersionError, a
// *FormatError, or an error of r.
func Read(r io.Reader, o Options) (*Windows, error) {
	in := reader{in: bufio.NewReaderSize(r, 1<<16)}
	head := in.read(headSize)
	if in.err != nil {
		return nil, in.err
	}
	if string(head[:8]) != magic {
		return nil, &FormatError{0, fmt.Sprintf("begins with %q, not with %q", head[:8], magic)}
	}
	if found := binary.LittleEndian.Uint32(head[8:]); found != version {
		return nil, &VersionError{found, version}
	}
	keys, agents := binary.LittleEndian.Uint64(head[16:]), binary.LittleEndian.Uint64(head[24:])
	if zero := binary.LittleEndian.Uint32(head[12:]); zero != 0 {
		return nil, &FormatError{12, fmt.Sprintf("has %#x where zero is expected", zero)}
	}
	if agents > math.MaxUint32 {
		return nil, &FormatError{24, fmt.Sprintf("has %d agents; at most %d can be", agents, uint32(math.MaxUint32))}
	}
	w := New(o)
	for ; keys > 0 && in.err == nil; keys-- {
		in.key(&w.keys)
	}
	for ; agents > 0 && in.err == nil; agents-- {
		in.agent(&w.agents)
	}
	if in.trailer(); in.err != nil {
		return nil, in.err
	}
	w.stats.publish(w)
	return w, nil
}

// reader reads the parts of the file in a row. After an error it reads nothing more.
type reader struct {
	in     *bufio.Reader
	offset int64
	sum    uint32
	buffer [maxAgent]byte
	err    error
}

// read returns the next n bytes, at most maxAgent, until it is called again, or nil after an error.
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
	b := r.read(keySize)
	if b == nil {
		return
	}
	e := keyEntry{
		id:    id(b[:len(id{})]),
		print: binary.LittleEndian.Uint64(b[16:]),
		time:  int64(binary.LittleEndian.Uint64(b[24:])),
	}
	if k.next-k.first == k.most {
		k.forgetFirst(e.time)
	}
	k.add(e)
}

// agent reads an agent.
func (r *reader) agent(t *agentTable) {
	at := r.offset
	b := r.read(agentHead)
	if b == nil {
		return
	}
	a := agent{
		id:      id(b[:len(id{})]),
		time:    int64(binary.LittleEndian.Uint64(b[16:])),
		highest: binary.LittleEndian.Uint64(b[24:]),
		seen:    binary.LittleEndian.Uint64(b[32:]),
	}
	// Sequence highest-d has bit d, and there is none before 0.
	if a.seen&1 == 0 || a.highest < flow.SeqWindow && a.seen>>a.highest > 1 {
		r.err = &FormatError{at, fmt.Sprintf("an agent has seen the sequences %#x up to %d, which cannot be", a.seen, a.highest)}
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
		a.prints[seq%flow.SeqWindow] = binary.LittleEndian.Uint64(b)
		b = b[8:]
	}
	t.uses++
	a.used = t.uses
	n := t.add()
	*t.own(n) = a
	t.index[a.id] = n
}

// trailer reads the checksum, and sees to it that nothing follows.
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
