package query

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"flowd/flow"
)

// pass reads the hours of a query, one after the other. Its workers read the scans of an hour in parallel.
// It belongs to one goroutine, which is the first of its workers.
type pass struct {
	source  Source
	match   [flow.FieldCount]Match
	scan    flow.ScanOptions
	tuples  []flow.Key // if not nil, only these are read
	gone    func() bool
	workers int
	stopped atomic.Bool // tells the other workers to stop
}

func newPass(src Source, match [flow.FieldCount]Match, scan flow.ScanOptions, o Options) *pass {
	p := &pass{source: src, match: match, scan: scan, gone: o.Gone, workers: o.Workers}
	if p.workers < 1 {
		p.workers = runtime.GOMAXPROCS(0)
	}
	for f := range match {
		if !match[f].All() {
			p.scan.Names = p.scan.Names.With(flow.Field(f))
		}
	}
	if keys, few := tuples(&match); few {
		p.tuples = keys
	}
	return p
}

// open opens the scans of an hour.
func (p *pass) open(h flow.Hour) ([]flow.Scan, error) {
	if p.gone != nil && p.gone() {
		return nil, ErrGone
	}
	if p.tuples != nil {
		rows, found, err := p.source.Find(h, p.tuples)
		if err != nil {
			return nil, &HourError{h, err}
		}
		if found {
			return []flow.Scan{flow.ScanRows(&rowList{rows: rows})}, nil
		}
	}
	scans, err := p.source.Scan(h, p.scan)
	if err != nil {
		return nil, &HourError{h, err}
	}
	return scans, nil
}

// sink receives the matching rows of a worker, chunk by chunk.
type sink func(h flow.Hour, s flow.Scan, c *flow.Chunk, rows []uint32) error

// worker is the state of one goroutine while it reads.
type worker struct {
	selector *selector
	sink     sink
	group    int // the highest number of a row group so far
}

// hour reads an hour with the workers.
func (p *pass) hour(h flow.Hour, workers []worker) error {
	scans, err := p.open(h)
	if err != nil {
		return err
	}
	defer closeAll(scans)
	var (
		next   atomic.Int64
		others sync.WaitGroup
		cause  atomic.Value // panic of another worker
	)
	errs := make([]error, min(len(workers), len(scans)))
	work := func(i int) {
		for errs[i] == nil && !p.stopped.Load() {
			at := int(next.Add(1)) - 1
			if at >= len(scans) {
				return
			}
			errs[i] = p.read(h, scans[at], &workers[i], i == 0)
		}
		if errs[i] != nil {
			p.stopped.Store(true)
		}
	}
	for i := 1; i < len(errs); i++ {
		others.Go(func() {
			// The caller's goroutine repeats the panic, so that it ends one request and not the process.
			defer func() {
				if r := recover(); r != nil {
					p.stopped.Store(true)
					cause.Store(fmt.Sprintf("%v\n\n%s", r, debug.Stack()))
				}
			}()
			work(i)
		})
	}
	if len(errs) > 0 {
		work(0)
	}
	others.Wait()
	if r := cause.Load(); r != nil {
		panic(r)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func closeAll(scans []flow.Scan) {
	for _, s := range scans {
		s.Close()
	}
}

// read reads a scan to its end. Only the first worker checks whether the client still waits.
func (p *pass) read(h flow.Hour, s flow.Scan, w *worker, first bool) error {
	var given flow.Chunk
	base := w.group
	for s.Next(&given) {
		// The numbers of row groups become unique over all scans that the worker reads.
		c := given
		c.Group += base
		w.group = c.Group
		if p.stopped.Load() {
			return nil
		}
		if first && p.gone != nil && p.gone() {
			return ErrGone
		}
		if rows := w.selector.choose(&c); len(rows) > 0 {
			if err := w.sink(h, s, &c, rows); err != nil {
				return err
			}
		}
	}
	if err := s.Err(); err != nil {
		return &HourError{h, err}
	}
	return nil
}

// rowList implements flow.Rows over rows in memory.
type rowList struct{ rows []flow.Row }

func (r *rowList) Next(dst []flow.Row) int {
	n := copy(dst, r.rows)
	r.rows = r.rows[n:]
	return n
}

func (r *rowList) Err() error { return nil }

func (r *rowList) Close() { r.rows = nil }
