package query

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"flowd/flow"
)

// pass reads hours for a question: the parts of an hour beside each other, each by one of the workers,
// one hour after the other. It belongs to one goroutine, which is the first of its workers.
type pass struct {
	source  Source
	match   [flow.FieldCount]Match
	scan    flow.ScanOptions
	tuples  []flow.Key // if not nil, these alone are asked for
	gone    func() bool
	workers int
	stopped atomic.Bool // the other workers need not go on
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

// open begins to read an hour.
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

// sink takes the rows of a worker that are kept, chunk by chunk.
type sink func(h flow.Hour, s flow.Scan, c *flow.Chunk, rows []uint32) error

// worker is what a goroutine has to itself while it reads.
type worker struct {
	selector *selector
	sink     sink
	group    int // the last of the chunks so far
}

// hour has the workers read an hour.
func (p *pass) hour(h flow.Hour, workers []worker) error {
	scans, err := p.open(h)
	if err != nil {
		return err
	}
	defer closeAll(scans)
	var (
		next   atomic.Int64
		others sync.WaitGroup
		cause  atomic.Value // of a panic of another worker
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
			// It is for the caller's goroutine, where it ends one request and not the process.
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

// read has a worker read a scan to its end. Only the first asks whether anybody still waits.
func (p *pass) read(h flow.Hour, s flow.Scan, w *worker, first bool) error {
	var given flow.Chunk
	base := w.group
	for s.Next(&given) {
		// Numbers of row groups are made unique over all that the worker reads.
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

// rowList is rows in memory, as flow.Rows.
type rowList struct{ rows []flow.Row }

func (r *rowList) Next(dst []flow.Row) int {
	n := copy(dst, r.rows)
	r.rows = r.rows[n:]
	return n
}

func (r *rowList) Err() error { return nil }

func (r *rowList) Close() { r.rows = nil }
