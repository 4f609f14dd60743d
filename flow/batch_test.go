package flow

import (
	"testing"
	"unsafe"
)

func TestItemSize(t *testing.T) {
	if got := unsafe.Sizeof(Item{}); got != itemSize {
		t.Errorf("an Item is %d bytes, not %d", got, itemSize)
	}
}
