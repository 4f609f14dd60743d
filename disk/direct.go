package disk

import "unsafe"

// DirectBytes is the number that offset, length and address of File.WriteDirect are multiples of: the
// largest block of a disk, in bytes.
const DirectBytes = 4096

// Aligned returns n zero bytes whose address is a multiple of DirectBytes, for File.WriteDirect. They
// are the caller's, and have no capacity beyond n: an append would move them to any address.
func Aligned(n int) []byte {
	b := make([]byte, n+DirectBytes-1)
	from := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % DirectBytes)
	return b[from : from+n : from+n]
}

// IsAligned tells whether the address of b, its length and off are multiples of DirectBytes.
func IsAligned(b []byte, off int64) bool {
	return off%DirectBytes == 0 && len(b)%DirectBytes == 0 &&
		uintptr(unsafe.Pointer(unsafe.SliceData(b)))%DirectBytes == 0
}
