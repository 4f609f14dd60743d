package reservation

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestBufferSizes(t *testing.T) {
	t.Parallel()
	const zstdBlock = 128<<10 + 16 // what a decoder may write behind a body
	for _, c := range []struct{ n, size int }{
		{0, 4 << 10}, {1, 4 << 10}, {4 << 10, 4 << 10}, {4<<10 + 1, 8 << 10}, {100_000, 128 << 10},
		{4 << 20, 4 << 20}, {1<<30 + zstdBlock, 2 << 30},
	} {
		if got := smallestBuffer << sizeIndex(c.n); got != c.size || sizeIndex(c.n) >= bufferSizes {
			t.Errorf("%d bytes get a buffer of %d, want %d", c.n, got, c.size)
		}
	}
}

// A body takes memory as it comes, not as it declares.
func TestFillGrowsAsItComes(t *testing.T) {
	t.Parallel()
	const declared, firstRead = 4 << 20, 16 << 10
	m := &Memory{Limit: 1 << 30}
	b := m.Acquire(firstRead, nil)
	r := readerFunc(func(p []byte) (int, error) {
		if got, most := int(m.held.Load()), max(firstRead, readAhead*len(b.Data)); got > most {
			t.Fatalf("%d bytes held for %d that came", got, len(b.Data))
		}
		return min(len(p), 1000), nil
	})
	if err := m.Fill(&b, r, declared, declared); err != nil {
		t.Fatal(err)
	}
	if m.held.Load() != declared {
		t.Errorf("%d bytes held for a body of %d", m.held.Load(), declared)
	}
	m.Release(b)
	if m.held.Load() != 0 {
		t.Errorf("%d bytes held", m.held.Load())
	}
}

func TestFillErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, c := range []struct {
		name          string
		sent          int
		after         error
		length, limit int
		memory        int64
		want          error
	}{
		{"whole", 5000, io.EOF, 5000, 5000, 1 << 20, nil},
		{"whole of unknown length", 5000, io.EOF, -1, 5000, 1 << 20, nil},
		{"short", 4999, io.EOF, 5000, 5000, 1 << 20, io.ErrUnexpectedEOF},
		{"longer than declared", 6000, io.EOF, 5000, 5000, 1 << 20, nil},
		{"too long", 5001, io.EOF, -1, 5000, 1 << 20, ErrTooLarge},
		{"no memory", 5000, io.EOF, 5000, 5000, 8 << 10, ErrNoMemory},
		{"broken", 100, broken, 5000, 5000, 1 << 20, broken},
		{"broken at the limit", 5000, broken, -1, 5000, 1 << 20, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &Memory{Limit: c.memory}
			b := m.Acquire(1, nil)
			src := io.MultiReader(strings.NewReader(strings.Repeat("x", c.sent)),
				readerFunc(func([]byte) (int, error) { return 0, c.after }))
			if err := m.Fill(&b, src, c.length, c.limit); err != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
			m.Release(b)
			if m.held.Load() != 0 {
				t.Errorf("%d bytes held", m.held.Load())
			}
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
