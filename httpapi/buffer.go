package httpapi

import (
	"errors"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"
)

const (
	// Buffers come in sizes that are powers of two, from smallestBuffer.
	smallestBuffer = 4 << 10
	// bufferSizes is the number of sizes. The largest is 2 GiB, for a body of 1 GiB must fit it
	// even while zstd needs more.
	bufferSizes = 20
)

// bufferPools hold buffers not in use, by size, so that a large body's memory is never kept
// for small ones. What is not taken goes at the second garbage collection.
var bufferPools [bufferSizes]sync.Pool

// buffer is memory for a body. Its data is empty at first and grows to the capacity.
type buffer struct {
	data []byte
	of   *clientState // the client that it counts for; nil if for none
}

// sizeIndex returns the index of the smallest size that holds n bytes.
func sizeIndex(n int) int {
	n = max(n, smallestBuffer)
	return bits.Len(uint(n-1)) - bits.Len(uint(smallestBuffer-1))
}

// bodyMemory lends the memory for bodies, up to a limit over all requests, and no more than the process has
// room for.
type bodyMemory struct {
	held  atomic.Int64
	limit int64
	room  func() int64 // bytes for bodies and what comes of them; nil is no bound
}

// bodyFactor is how many times its bytes a body takes, until its flows are added up: itself, the batch that is
// decoded from it, and the tuples that this makes.
const bodyFactor = 3

// most returns how many bytes there may be now, over all requests.
func (m *bodyMemory) most() int64 {
	if m.room == nil {
		return m.limit
	}
	return min(m.limit, m.room()/bodyFactor)
}

// short reports whether it is the room of the process that bounds bodies, and not the limit.
func (m *bodyMemory) short() bool { return m.most() < m.limit }

// take lends an empty buffer that has room for n bytes to a client, which may be nil; or nil if that
// would pass the limit, the room, or the client's share.
func (m *bodyMemory) take(n int, of *clientState) *buffer {
	i := sizeIndex(n)
	size := int64(smallestBuffer) << i
	held, most := m.held.Add(size), m.most()
	if held > most || of != nil && !of.mayTake(size, most-held+size) {
		m.held.Add(-size)
		return nil
	}
	b, ok := bufferPools[i].Get().(*buffer)
	if !ok {
		b = &buffer{data: make([]byte, 0, size)}
	}
	if b.of = of; of != nil {
		of.bytes.Add(size)
	}
	return b
}

// give takes b back; nil is allowed.
func (m *bodyMemory) give(b *buffer) {
	if b == nil {
		return
	}
	size := cap(b.data)
	if b.of != nil {
		b.of.bytes.Add(-int64(size))
	}
	b.data, b.of = b.data[:0], nil
	bufferPools[sizeIndex(size)].Put(b)
	m.held.Add(-int64(size))
}

// grow exchanges b for a buffer with the same data and room for n bytes. It returns nil if
// that would pass the limit; b stays lent then.
func (m *bodyMemory) grow(b *buffer, n int) *buffer {
	larger := m.take(n, b.of)
	if larger == nil {
		return nil
	}
	larger.data = append(larger.data, b.data...)
	m.give(b)
	return larger
}

// growth is how many times larger a buffer of unknown destination becomes when it is full.
const growth = 4

// readAhead is how many times the memory of the bytes that have arrived a body of declared length gets at
// most, so that to hold much of the server's memory one must send much.
const readAhead = 16

var (
	errTooLarge = errors.New("httpapi: body over the limit")
	errNoMemory = errors.New("httpapi: no memory for bodies left")
)

// fill reads r to its end, or length bytes of it if that is not negative, and appends them to
// b, which it exchanges as it grows. It returns errTooLarge if there is more than limit,
// errNoMemory, io.ErrUnexpectedEOF if there is less than length, or an error of r.
func (m *bodyMemory) fill(b **buffer, r io.Reader, length, limit int) error {
	for {
		data := (*b).data
		if len(data) == length {
			return nil
		}
		room := data[len(data):min(cap(data), limit)]
		if len(room) == 0 {
			if len(data) == limit {
				return ended(r)
			}
			want := growth * cap(data)
			if length >= 0 {
				want = min(length, readAhead*cap(data))
			}
			larger := m.grow(*b, min(want, limit))
			if larger == nil {
				return errNoMemory
			}
			*b = larger
			continue
		}
		n, err := r.Read(room)
		(*b).data = data[:len(data)+n]
		switch {
		case err == nil || len(data)+n == length:
		case err != io.EOF:
			return err
		case length >= 0:
			return io.ErrUnexpectedEOF
		default:
			return nil
		}
	}
}

// ended returns nil if r ends here, and errTooLarge if it does not.
func ended(r io.Reader) error {
	var more [1]byte
	for {
		n, err := r.Read(more[:])
		switch {
		case n > 0:
			return errTooLarge
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
