package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"flowd/disk"
)

// The client that waits for the disk alone: one connection, one flow per POST.
var oneSize = size{flows: 1, bodies: 16_000}

// oneMost is how many times as long as the disk's own write a POST may take.
const oneMost = 1.6

// oneFlow measures how long one client waits for its one flow to be on disk. In turn with each POST it
// does the least that any log must do for that, so that both see the same disk, whatever else uses it.
func oneFlow(ctx context.Context, b *bench, dir string) (*setup, error) {
	s, err := b.startFlowd(ctx, flowdName, "--data="+filepath.Join(dir, "data"), "--durability=fsync")
	if err != nil {
		return nil, err
	}
	if err := s.awaitSpares(ctx); err != nil {
		return nil, err
	}
	bodies, err := makeBodies(oneSize, []*server{s})
	if err != nil {
		return nil, err
	}
	page, err := newPageWriter(filepath.Join(dir, "pages"))
	if err != nil {
		return nil, err
	}
	b.later(page.file.Close)
	c, err := connect(s)
	if err != nil {
		return nil, err
	}
	b.later(c.close)
	next := 0
	const posts, pages = "µs of a POST", "µs of a page"
	take := func(ctx context.Context, d time.Duration) (figures, error) {
		var ofPosts, ofPages []float64
		for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; next = (next + 1) % oneSize.bodies {
			written, err := page.write()
			if err != nil {
				return nil, err
			}
			answered, err := c.post(s, bodies[0][next], oneSize.flows)
			if err != nil {
				return nil, err
			}
			ofPages, ofPosts = append(ofPages, microseconds(written)), append(ofPosts, microseconds(answered))
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return figures{posts: median(ofPosts), pages: median(ofPages)}, nil
	}
	if _, err := take(ctx, b.WarmUp); err != nil {
		return nil, err
	}
	return &setup{
		sides: []side{{flowdName, func(ctx context.Context) (figures, error) { return take(ctx, b.For) }}},
		check: func(ctx context.Context) error { return checkCounts(ctx, []*server{s}) },
		rows: func(f found) error {
			b.table.compare(comparison{what: "p50 of a POST of one flow, one connection, fsync", rivalName: "4 KiB and fdatasync",
				flowd: f.median(flowdName, posts), rival: f.median(flowdName, pages), lower: true, unit: "µs", most: oneMost})
			b.table.note("A POST of one flow: in turn with it, a page of 4 KiB is written to a file of zeros in the same folder and "+
				"synced by fdatasync; medians of %d rounds of %s.", b.Rounds, b.For)
			return nil
		},
	}, nil
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// pageWriter writes pages durably to a file of zeros, from its start to its end and again.
type pageWriter struct {
	file disk.File
	page []byte
	at   int64
}

const (
	pageBytes  = 4 << 10
	pagesBytes = 64 << 20
)

func newPageWriter(name string) (*pageWriter, error) {
	file, err := disk.OS.Create(name)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < pagesBytes && err == nil; at += int64(len(zeros)) {
		_, err = file.WriteAt(zeros, at)
	}
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	w := &pageWriter{file: file, page: make([]byte, pageBytes)}
	for i := range w.page {
		w.page[i] = byte(i*7 + 1)
	}
	return w, nil
}

// write writes the next page and returns how long it took until it was durable.
func (w *pageWriter) write() (time.Duration, error) {
	began := time.Now()
	if _, err := w.file.WriteAt(w.page, w.at); err != nil {
		return 0, err
	}
	if err := w.file.SyncData(); err != nil {
		return 0, err
	}
	w.at = (w.at + pageBytes) % pagesBytes
	return time.Since(began), nil
}
