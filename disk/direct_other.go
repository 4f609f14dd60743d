//go:build !linux

package disk

// direct is nothing where files are always written through the page cache.
type direct struct{}

// WriteDirect implements File.
func (f *osFile) WriteDirect(b []byte, off int64) (int, error) { return f.WriteAt(b, off) }
