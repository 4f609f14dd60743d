package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// durabilityParts are what the part "durability" measures. Each gets a folder of its own on the disk.
var durabilityParts = []struct {
	name    string
	measure func(ctx context.Context, b *bench, dir string) error
}{
	{"syncs", syncs},
	{"one", oneFlow},
	{"replay", replay},
	{"blocks", blocks},
	{"checkpoints", checkpoints},
	{"starts", starts},
}

// durability measures what it costs to keep flows on a disk, and how fast they are back from it.
func durability(ctx context.Context, b *bench) (err error) {
	if err := os.MkdirAll(b.Dir, 0o777); err != nil {
		return err
	}
	kind, err := fileSystem(b.Dir)
	if err != nil {
		return err
	}
	if kind == inMemory {
		return fmt.Errorf("%s is in memory, which says nothing about a disk: choose another folder by --dir", b.Dir)
	}
	data, err := os.MkdirTemp(b.Dir, "flowd-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	for _, p := range durabilityParts {
		dir := filepath.Join(data, p.name)
		if err := os.Mkdir(dir, 0o777); err != nil {
			return err
		}
		// What a part leaves is not removed before the next runs: giving back its space would keep
		// the disk busy.
		if err := p.measure(ctx, b, dir); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	b.table.note("Durability: the data is on %s; what is read from it is in the page cache.", kind)
	return nil
}

// inMemory is what fileSystem returns for one that is on no disk.
const inMemory = "memory"

// wantedSpares is how many spare segments flowd keeps ready. It makes them when it starts, which
// keeps the disk busy.
const wantedSpares = 2

// startLogged starts flowd with a log in dir, and returns when it is as it is after a while.
func (b *bench) startLogged(ctx context.Context, name, dir, durability string, settings ...string) (*server, error) {
	s, err := b.startFlowd(ctx, name, append([]string{"--data=" + dir, "--durability=" + durability}, settings...)...)
	if err != nil {
		return nil, err
	}
	if err := s.awaitSpares(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *server) awaitSpares(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return s.await(ctx, "flowd_log_spare_segments", func(spares float64) bool { return spares >= wantedSpares })
}

// await returns when one of the server's metrics has a value that it waits for.
func (s *server) await(ctx context.Context, name string, is func(float64) bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		value, err := s.metric(ctx, name)
		if err != nil {
			return err
		}
		if is(value) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %s stays at %v: %w", s.name, name, value, ctx.Err())
		}
	}
}

// logBytes returns how many bytes the log took for each flow since the server started. All that
// was posted must have been posted to this server.
func (s *server) logBytes(ctx context.Context) (float64, error) {
	written, err := s.metric(ctx, "flowd_log_written_bytes_total")
	if err != nil {
		return 0, err
	}
	return written / float64(s.posted), nil
}

// stopAll stops what runs of servers.
func stopAll(servers []*server) (err error) {
	for _, s := range servers {
		err = errors.Join(err, s.stop())
	}
	return err
}
