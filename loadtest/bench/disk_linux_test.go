package main

import (
	"os"
	"strings"
	"testing"
)

func TestFileSystem(t *testing.T) {
	for dir, want := range map[string]string{"/proc": "a file system of type 0x9fa0", "/dev/shm": inMemory} {
		if _, err := os.Stat(dir); err != nil {
			continue // not every container has both
		}
		if kind, err := fileSystem(dir); err != nil || kind != want {
			t.Errorf("%s is on %q, error %v; want %q", dir, kind, err, want)
		}
	}
	if _, err := fileSystem("/no/such/folder"); err == nil || !strings.Contains(err.Error(), "statfs /no/such/folder") {
		t.Errorf("error %v of no folder", err)
	}
}

// TestDurabilityNeedsADisk holds that figures of a memory file system are never printed as those
// of a disk.
func TestDurabilityNeedsADisk(t *testing.T) {
	if kind, err := fileSystem("/dev/shm"); err != nil || kind != inMemory {
		return
	}
	b := bench{options: options{Dir: "/dev/shm"}}
	if _, err := b.diskFolder("x"); err == nil || !strings.Contains(err.Error(), "/dev/shm is in memory") {
		t.Errorf("error %v", err)
	}
}
