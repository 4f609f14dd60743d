package main

import (
	"context"
	"errors"
	"fmt"
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
func oneFlow(ctx context.Context, b *bench, dir string) (err error) {
	s, err := b.startLogged(ctx, flowdName, filepath.Join(dir, "data"), "fsync")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	bodies, err := makeBodies(oneSize, firstHour(), []*server{s})
	if err != nil {
		return err
	}
	page, err := newPageWriter(filepath.Join(dir, "pages"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, page.file.Close()) }()
	client, err := connect(s.instance)
	if err != nil {
		return err
	}
	defer client.close()
	turns := pageTurns{client: client, to: s, page: page, bodies: bodies[0]}
	if err := turns.take(ctx, b.WarmUp); err != nil {
		return err
	}
	var posts, pages []float64
	for round := range b.Rounds {
		turns.posts, turns.pages = nil, nil
		if err := turns.take(ctx, b.For); err != nil {
			return err
		}
		posts, pages = append(posts, median(turns.posts)), append(pages, median(turns.pages))
		b.progress("one flow per POST, round %d of %d: p50 %s, of a write of 4 KiB %s",
			round+1, b.Rounds, figure(posts[round], "µs"), figure(pages[round], "µs"))
	}
	if err := s.checkCount(ctx); err != nil {
		return err
	}
	b.table.compare(comparison{what: "p50 of a POST of one flow, one connection, fsync", rivalName: "4 KiB and fdatasync",
		flowd: median(posts), rival: median(pages), lower: true, unit: "µs", most: oneMost})
	b.table.note("A POST of one flow: in turn with it, a page of 4 KiB is written to a file of zeros in the same folder and "+
		"synced by fdatasync; medians of %d rounds of %s.", b.Rounds, b.For)
	return nil
}

// pageTurns are POSTs and writes of a page in turn.
type pageTurns struct {
	client *client
	to     *server
	page   *pageWriter
	bodies [][]byte
	next   int
	// posts and pages are how long each took, in microseconds.
	posts, pages []float64
}

// take takes turns for d.
func (t *pageTurns) take(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		took, err := t.page.write()
		if err != nil {
			return err
		}
		t.pages = append(t.pages, microseconds(took))
		took, err = t.client.post(t.to, t.bodies[t.next], oneSize.flows)
		if err != nil {
			return fmt.Errorf("one flow per POST: %w", err)
		}
		t.posts = append(t.posts, microseconds(took))
		t.next = (t.next + 1) % len(t.bodies)
	}
	return ctx.Err()
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
