package disk_test

import (
	"testing"

	"flowd/disk"
)

func TestAligned(t *testing.T) {
	for n := range 3 * disk.DirectBytes {
		b := disk.Aligned(n)
		if len(b) != n || cap(b) != n {
			t.Fatalf("%d bytes of %d for %d", len(b), cap(b), n)
		}
		if n > 0 && n%disk.DirectBytes == 0 && !disk.IsAligned(b, int64(n)) {
			t.Fatalf("%d bytes at %p", n, b)
		}
	}
	b := disk.Aligned(2 * disk.DirectBytes)
	for _, c := range []struct {
		b   []byte
		off int64
	}{{b[1 : 1+disk.DirectBytes], 0}, {b[:disk.DirectBytes+1], 0}, {b, 8}} {
		if disk.IsAligned(c.b, c.off) {
			t.Errorf("%d bytes at %p for offset %d are aligned", len(c.b), c.b, c.off)
		}
	}
}
