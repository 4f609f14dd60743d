//go:build !linux

package disk

import "os"

// syncData syncs more than it must where there is no fdatasync.
func syncData(f *os.File) error { return f.Sync() }
