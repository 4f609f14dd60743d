package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"flowd/block"
	"flowd/clock"
	"flowd/disk"
	"flowd/flow"
	"flowd/loadtest"
	"flowd/store/manifest"
)

// The data that a server starts with, and how soon it is to be ready.
const (
	startTuples  = 1_000_000
	startHours   = 24
	startSeconds = 2
	// blockBytesMost is the bound for the bytes of a row in a block.
	blockBytesMost = 20
)

// starts measures how long a server with much data takes until it is ready, and the data's size.
func starts(ctx context.Context, b *bench, dir string) (*setup, error) {
	rows, err := startRows(startTuples)
	if err != nil {
		return nil, err
	}
	size, err := writeHours(ctx, dir, firstHour(), rows)
	if err != nil {
		return nil, err
	}
	const seconds = "s of a start"
	return &setup{sides: []side{{flowdName, func(ctx context.Context) (figures, error) {
		began := time.Now()
		s, err := b.startFlowd(ctx, flowdName, "--data="+dir, "--durability=fsync")
		if err != nil {
			return nil, err
		}
		took := time.Since(began).Seconds()
		return figures{seconds: took}, errors.Join(s.checkHours(ctx), s.stop())
	}}}, rows: func(f found) error {
		b.table.limit("start with 24 hours of 1,000,000 tuples on disk", f.median(flowdName, seconds), startSeconds, "s")
		b.table.limit("block, bytes of a row, 1,000,000 tuples", float64(size)/startTuples, blockBytesMost, "B")
		b.table.note("A start: from the start of the process until it answers, median of %d. "+
			"The tuples of an hour are in the order in which their first flows came, as in memory.", b.Rounds)
		return nil
	}}, nil
}

// checkHours holds that the server has all that is on disk.
func (s *server) checkHours(ctx context.Context) error {
	hours, err := s.flowdHours(ctx)
	if err != nil {
		return err
	}
	tuples := uint64(0)
	for _, hour := range hours {
		tuples += hour.Tuples
	}
	if len(hours) != startHours || tuples != startHours*startTuples {
		return fmt.Errorf("%s has %d tuples in %d hours, not %d in %d", s.name, tuples, len(hours), startHours*startTuples, startHours)
	}
	return nil
}

// startRows returns the rows of an hour with that number of tuples, of which some had one flow and some
// more, in the order of their first ones.
func startRows(tuples int) ([]flow.Row, error) {
	g, err := loadtest.NewGenerator(loadtest.Workload{
		// With more tuples to choose from than there will be, the last ones come soon.
		Tuples: tuples * 6 / 5, Hours: 1, Skew: loadtest.Uniform, FlowsPerPost: 1000, Seed: 1,
	})
	if err != nil {
		return nil, err
	}
	rows := make([]flow.Row, 0, tuples)
	places := make(map[string]int, tuples)
	var samples []loadtest.Sample
	var key []byte
	for k := uint64(0); len(rows) < tuples; k++ {
		samples = g.Draw(samples, k)
		for _, sample := range samples {
			f := g.Flow(sample)
			key = flow.AppendKey(key[:0], f.SrcApp, f.DestApp, f.VPCID)
			at, known := places[string(key)]
			if !known {
				if len(rows) == tuples {
					break
				}
				at = len(rows)
				places[string(key)] = at
				rows = append(rows, flow.Row{Key: append(flow.Key(nil), key...)})
			}
			rows[at].Totals.BytesTx += f.BytesTx
			rows[at].Totals.BytesRx += f.BytesRx
		}
	}
	return rows, nil
}

// writeHours makes a folder of data as a checkpoint leaves it: startHours hours from first on, each with rows. It
// returns the size of one block.
func writeHours(ctx context.Context, dir string, first flow.Hour, rows []flow.Row) (int64, error) {
	const generation = 1
	now := time.Now().UnixMilli()
	entries := make([]manifest.Hour, startHours)
	errs := make([]error, startHours)
	write := func(i int) {
		if errs[i] = ctx.Err(); errs[i] != nil {
			return
		}
		hour := first + flow.Hour(i)
		file, sums, err := block.Write(disk.OS, dir, &hourRows{rows, hour}, block.Options{Hour: hour, Generation: generation})
		stored := flow.Tally{Flows: sums.Rows, BytesTx: sums.BytesTx, BytesRx: sums.BytesRx}
		entries[i] = manifest.Hour{
			Hour: hour, Account: flow.Account{Received: stored, Stored: stored},
			Tuples: sums.Rows, LastWrite: now, Block: file,
		}
		errs[i] = err
	}
	var hours atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := hours.Add(1) - 1; i < startHours; i = hours.Add(1) - 1 {
				write(int(i))
			}
		})
	}
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	settled := clock.Settled(now)
	m := manifest.Manifest{Generation: generation, Written: now, Log: manifest.Position(`{"segment":0,"group":0}`), Clock: &settled, Hours: entries}
	for i := range entries {
		m.Ledger.Received.Add(entries[i].Account.Received)
		m.Ledger.Stored.Add(entries[i].Account.Stored)
	}
	return entries[0].Block.Size, manifest.Write(disk.OS, dir, &m)
}

// hourRows is a cursor over rows as those of an hour.
type hourRows struct {
	rows []flow.Row
	hour flow.Hour
}

func (r *hourRows) Next(dst []flow.Row) int {
	n := copy(dst, r.rows)
	for i := range dst[:n] {
		dst[i].Hour = r.hour
	}
	r.rows = r.rows[n:]
	return n
}

func (r *hourRows) Err() error { return nil }
func (r *hourRows) Close()     {}
