package reservation

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

// Buffer is memory for a body. Its data is empty at first and grows to the capacity.
type Buffer struct {
	Data []byte
	of   *Client // the client that it counts for; nil if for none
}

// sizeIndex returns the index of the smallest size that holds n bytes.
func sizeIndex(n int) int {
	n = max(n, smallestBuffer)
	return bits.Len(uint(n-1)) - bits.Len(uint(smallestBuffer-1))
}

// Memory lends the memory for bodies, up to a limit over all requests, and no more than the process has
// room for.
type Memory struct {
	held  atomic.Int64
	Limit int64
	Room  func() int64 // bytes for bodies and the batches made of them; nil is no bound
}

// Held returns how many bytes are lent now.
func (m *Memory) Held() int64 { return m.held.Load() }

// bodyFactor is how many times its bytes a body takes, until its flows are added up: itself, the batch that is
// decoded from it, and the tuples that this makes.
const bodyFactor = 3

// most returns how many bytes there may be now, over all requests.
func (m *Memory) most() int64 {
	if m.Room == nil {
		return m.Limit
	}
	return min(m.Limit, m.Room()/bodyFactor)
}

// Short reports whether it is the room of the process that bounds bodies, and not the limit.
func (m *Memory) Short() bool { return m.most() < m.Limit }

// Acquire lends an empty buffer that has room for n bytes to a client, which may be nil; or nil if that
// would pass the limit, the room, or the client's share.
func (m *Memory) Acquire(n int, of *Client) *Buffer {
	i := sizeIndex(n)
	size := int64(smallestBuffer) << i
	held, most := m.held.Add(size), m.most()
	if held > most || of != nil && !of.mayAcquire(size, most-held+size) {
		m.held.Add(-size)
		return nil
	}
	b, ok := bufferPools[i].Get().(*Buffer)
	if !ok {
		b = &Buffer{Data: make([]byte, 0, size)}
	}
	if b.of = of; of != nil {
		of.bytes.Add(size)
	}
	return b
}

// Release takes b back; nil is allowed.
func (m *Memory) Release(b *Buffer) {
	if b == nil {
		return
	}
	size := cap(b.Data)
	if b.of != nil {
		b.of.bytes.Add(-int64(size))
	}
	b.Data, b.of = b.Data[:0], nil
	bufferPools[sizeIndex(size)].Put(b)
	m.held.Add(-int64(size))
}

// Grow exchanges b for a buffer with the same data and room for n bytes. It returns nil if
// that would pass the limit; b stays lent then.
func (m *Memory) Grow(b *Buffer, n int) *Buffer {
	larger := m.Acquire(n, b.of)
	if larger == nil {
		return nil
	}
	larger.Data = append(larger.Data, b.Data...)
	m.Release(b)
	return larger
}

// Growth is how many times larger a buffer of unknown destination becomes when it is full.
const Growth = 4

// readAhead is how many times the memory of the bytes that have arrived a body of declared length gets at
// most, so that to hold much of the server's memory one must send much.
const readAhead = 16

var (
	// ErrTooLarge says that a body has more bytes than the limit of the call.
	ErrTooLarge = errors.New("httpapi: body over the limit")
	// ErrNoMemory says that the memory, or the share of the client, is used up.
	ErrNoMemory = errors.New("httpapi: no memory for bodies left")
)

// Fill reads r to its end, or length bytes of it if that is not negative, and appends them to
// b, which it exchanges as it grows. It returns ErrTooLarge if there is more than limit,
// ErrNoMemory, io.ErrUnexpectedEOF if there is less than length, or an error of r.
func (m *Memory) Fill(b **Buffer, r io.Reader, length, limit int) error {
	for {
		data := (*b).Data
		if len(data) == length {
			return nil
		}
		room := data[len(data):min(cap(data), limit)]
		if len(room) == 0 {
			if len(data) == limit {
				return ended(r)
			}
			want := Growth * cap(data)
			if length >= 0 {
				want = min(length, readAhead*cap(data))
			}
			larger := m.Grow(*b, min(want, limit))
			if larger == nil {
				return ErrNoMemory
			}
			*b = larger
			continue
		}
		n, err := r.Read(room)
		(*b).Data = data[:len(data)+n]
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

// ended returns nil if r ends here, and ErrTooLarge if it does not.
func ended(r io.Reader) error {
	var more [1]byte
	for {
		n, err := r.Read(more[:])
		switch {
		case n > 0:
			return ErrTooLarge
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
