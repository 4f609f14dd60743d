package load

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"flowd/loadtest"
	"flowd/loadtest/process"
)

// Footprint is what a server takes at one moment or, where several are merged into one, the most
// that it took.
type Footprint struct {
	// At is in seconds since the load began.
	At float64 `json:"at_seconds"`
	// RSS is the server's memory, 0 where it cannot be seen.
	RSS uint64 `json:"rss_bytes"`
	// Data is the size of all files in the folder of its data.
	Data uint64 `json:"data_bytes"`
}

const (
	// footprintEvery is how often a footprint is taken at first.
	footprintEvery = time.Second
	// maxFootprints is how many are kept: when that number is reached, each two become one, and from
	// then on they are taken half as often.
	maxFootprints = 600
)

// footprints is a row of them of bounded length, however long it is written to.
type footprints struct {
	every time.Duration
	list  []Footprint
}

func (f *footprints) add(next Footprint) {
	f.list = append(f.list, next)
	if len(f.list) < maxFootprints {
		return
	}
	half := f.list[:0]
	for i := 0; i+1 < len(f.list); i += 2 {
		a, b := f.list[i], f.list[i+1]
		half = append(half, Footprint{b.At, max(a.RSS, b.RSS), max(a.Data, b.Data)})
	}
	f.list = half
	f.every *= 2
}

// watchFootprint takes footprints of the server until the returned function is called, which
// returns them; nil if no folder was given.
func (l *load) watchFootprint() (stop func() []Footprint) {
	if l.ServerData == "" {
		return func() []Footprint { return nil }
	}
	f := footprints{every: footprintEvery}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			wait := time.NewTimer(f.every)
			select {
			case <-quit:
				wait.Stop()
				f.add(l.footprint())
				return
			case <-wait.C:
				f.add(l.footprint())
			}
		}
	}()
	return func() []Footprint {
		close(quit)
		<-done
		return f.list
	}
}

func (l *load) footprint() Footprint {
	f := Footprint{At: time.Since(l.start).Seconds(), Data: folderSize(l.ServerData)}
	if pid, err := l.serverPID(); err == nil {
		// A server that ended takes no memory.
		usage, _ := process.Read(pid)
		f.RSS = usage.RSS
	}
	return f
}

// serverPID returns the server's process, as given or as found once.
func (l *load) serverPID() (int, error) {
	if l.ServerPID != 0 {
		return l.ServerPID, nil
	}
	pid, err := process.FindListener(l.target.Addr())
	if err == nil {
		l.ServerPID = pid
	}
	return pid, err
}

// folderSize adds up the files below dir. What vanishes meanwhile has no size.
func folderSize(dir string) uint64 {
	var sum uint64
	// Nothing is returned as an error: what cannot be read is left out.
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			sum += uint64(info.Size())
		}
		return nil
	})
	return sum
}

// checkFolder returns what is wrong with the folder of the server's data, or nil.
func checkFolder(dir string) error {
	if dir == "" {
		return nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return loadtest.Invalid("server-data", "must be a folder on this machine, which %q is not", dir)
	}
	return nil
}
