package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// The load under which the kinds of durability are compared: so many connections that a group of
// the log holds the batches of many.
var syncsSize = size{flows: 100, bodies: 160, connections: 64}

const (
	syncsGoal = 0.60
	// logBytesMost is the bound for the bytes of the log per flow.
	logBytesMost = 40
)

// syncs measures how fast flowd takes flows when each answer waits for the disk, beside a flowd that
// writes no log.
func syncs(ctx context.Context, b *bench, dir string) (err error) {
	const fsync, interval, none = "fsync", "interval", "none"
	var servers []*server
	defer func() { err = errors.Join(err, stopAll(servers)) }()
	for _, durability := range []string{fsync, interval, none} {
		start := b.startLogged
		if durability == none {
			start = b.startUnlogged
		}
		s, err := start(ctx, durability, filepath.Join(dir, durability), durability)
		if err != nil {
			return err
		}
		s.pause()
		servers = append(servers, s)
	}
	found, err := b.measureInTurns(ctx, servers, syncsSize)
	if err != nil {
		return err
	}
	perFlow, err := servers[0].logBytes(ctx)
	if err != nil {
		return err
	}
	rate := func(name string) float64 { return median(each(found[name], flowsOf)) }
	what := fmt.Sprintf("taking flows, %d per POST, %d connections, ", syncsSize.flows, syncsSize.connections)
	b.table.compare(comparison{what: what + fsync, rivalName: none, flowd: rate(fsync), rival: rate(none), unit: "flows/s", goal: syncsGoal})
	b.table.compare(comparison{what: what + interval, rivalName: none, flowd: rate(interval), rival: rate(none), unit: "flows/s"})
	b.table.limit(logBytesRow(syncsSize), perFlow, logBytesMost, "B")
	b.table.note("Taking flows by durability: flowd with its defaults and a folder of data, closed loop, the load on the same "+
		"machine; medians of %d rounds of %s, in which fsync, interval and none take turns.", b.Rounds, b.For)
	return nil
}

// startUnlogged is startLogged for a flowd that writes checkpoints alone.
func (b *bench) startUnlogged(ctx context.Context, name, dir, durability string, settings ...string) (*server, error) {
	return b.startFlowd(ctx, name, append([]string{"--data=" + dir, "--durability=" + durability}, settings...)...)
}

func logBytesRow(s size) string {
	return fmt.Sprintf("log, bytes of a flow, %d per POST", s.flows)
}
