package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"flowd/flow"
	"flowd/loadtest"
	"flowd/loadtest/load"
)

// The agents that are timed, and the clients beside them that are slow on purpose.
const (
	agents        = 20   // connections
	agentPosts    = 1000 // per second, over all of them
	agentFlows    = 100  // per post
	slowClients   = 2000
	slowEvery     = 2 * time.Second  // between two bytes of one of them
	slowAge       = 14               // bytes after which it is replaced by another, before the server cuts it off
	slowMost      = 2                // times the p99 without them
	slowFor       = 2 * time.Second  // for each measurement
	slowTurns     = 3                // with and without them in each round: a p99 of one turn is much by chance
	slowOpen      = 20 * time.Second // until the server has them all
	slowOpenFiles = slowClients + 1000
)

// slowloris measures how much longer agents wait for their answers while clients hold connections, send
// next to nothing, and come again when they are cut off.
func slowloris(ctx context.Context, b *bench) (err error) {
	if err := allowFiles(slowOpenFiles); err != nil {
		return err
	}
	s, err := b.startMemory(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	o := load.Options{
		Target: s.url, Connections: agents, Timeout: 10 * time.Second, Encoding: loadtest.Plain, ServerPID: s.PID(),
		Workload: loadtest.Workload{
			Tuples: ingestTuples, FirstHour: flow.Hour(time.Now().Unix() / 3600), Hours: 1,
			Skew: loadtest.Uniform, FlowsPerPost: agentFlows, Seed: 1,
		},
		Rate: agentPosts, For: slowFor, Verify: true,
	}
	var without, beside []float64
	for turn := range b.Rounds * slowTurns {
		alone, err := agentP99(ctx, o)
		if err != nil {
			return err
		}
		crowded, err := b.besideSlow(ctx, s, o)
		if err != nil {
			return err
		}
		b.progress("agents beside slow clients, turn %d of %d: p99 %s, without %s", turn+1, b.Rounds*slowTurns,
			figure(crowded, "ms"), figure(alone, "ms"))
		without, beside = append(without, alone), append(beside, crowded)
	}
	b.table.compare(comparison{what: "p99 beside 2,000 slow connections", rivalName: "without",
		flowd: median(beside), rival: median(without), lower: true, unit: "ms", most: slowMost})
	b.table.note("Slow connections: a third send nothing, a third one byte of a head every %v, a third one of a body; each is "+
		"replaced after %v. Beside them %d connections post %d times a second %d flows, timed from when each was due. "+
		"All totals were read back and compared.", slowEvery, slowAge*slowEvery, agents, agentPosts, agentFlows)
	return nil
}

// besideSlow is agentP99 with slow clients, of which the server must have all before and after.
func (b *bench) besideSlow(ctx context.Context, s *server, o load.Options) (p99 float64, err error) {
	slow, err := openSlow(strings.TrimPrefix(s.url, "http://"), slowClients)
	if err != nil {
		return 0, err
	}
	defer func() {
		err = errors.Join(err, slow.close(), s.waitForConnections(ctx, func(n int) bool { return n < agents }))
	}()
	// Some are on their way from one connection to the next.
	all := func(n int) bool { return n >= slowClients*99/100 }
	if err := s.waitForConnections(ctx, all); err != nil {
		return 0, err
	}
	if p99, err = agentP99(ctx, o); err != nil {
		return 0, err
	}
	return p99, s.waitForConnections(ctx, all)
}

// agentP99 returns the p99 of posts in milliseconds.
func agentP99(ctx context.Context, o load.Options) (float64, error) {
	report, err := load.Run(ctx, o)
	switch {
	case err != nil:
		return 0, err
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case !report.Verification.OK || len(report.Writes.Errors) > 0:
		return 0, fmt.Errorf("posts failed, or the totals are wrong: %v", report.Writes.Errors)
	}
	return report.Writes.Latency.P99 * 1000, nil
}

// waitForConnections waits until the number of the server's connections, but the one that asks, is enough.
func (s *server) waitForConnections(ctx context.Context, enough func(int) bool) error {
	ctx, cancel := context.WithTimeout(ctx, slowOpen)
	defer cancel()
	for {
		n, err := s.metric(ctx, "flowd_http_connections")
		switch {
		case err != nil:
			return err
		case enough(int(n) - 1):
			return nil
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return fmt.Errorf("%s has %.0f connections: %w", s.name, n, ctx.Err())
		}
	}
}

// allowFiles makes room for n open files.
func allowFiles(n uint64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the limit of open files: %w", err)
	}
	if limit.Cur >= n {
		return nil
	}
	// Only root may raise the second; without that the first goes up to it.
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: max(n, limit.Max)}); err != nil {
		return fmt.Errorf("%d open files are needed, and %d allowed: %w", n, limit.Max, err)
	}
	return nil
}

// slowHeads are how slow clients begin; what follows byte by byte is slowByte. A space is nothing at
// either place.
var slowHeads = []string{
	"",
	"POST /flows HTTP/1.1\r\nHost: flowd\r\nUser-Agent: ",
	"POST /flows HTTP/1.1\r\nHost: flowd\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n[",
}

const slowByte = " "

// slowCrowd is slow clients.
type slowCrowd struct {
	addr string
	stop chan struct{}
	done sync.WaitGroup
	err  error // what ended the goroutine, if it was not stop
	all  []slowClient
}

type slowClient struct {
	net.Conn
	head string
	age  int // in bytes, or times of one
}

// openSlow opens n connections to addr. They are of all ages from the start.
func openSlow(addr string, n int) (*slowCrowd, error) {
	c := &slowCrowd{addr: addr, stop: make(chan struct{})}
	for i := range n {
		client, err := c.open(slowHeads[i%len(slowHeads)])
		if err != nil {
			c.closeAll()
			return nil, err
		}
		client.age = i % slowAge
		c.all = append(c.all, client)
	}
	c.done.Go(func() { c.err = c.run() })
	return c, nil
}

func (c *slowCrowd) open(head string) (slowClient, error) {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		return slowClient{}, err
	}
	// The server may cut it off at any time; then the next byte says so.
	_, _ = conn.Write([]byte(head))
	return slowClient{Conn: conn, head: head}, nil
}

// run has each client send a byte every slowEvery, one after the other, until stop.
func (c *slowCrowd) run() error {
	tick := time.NewTicker(slowEvery / time.Duration(len(c.all)))
	defer tick.Stop()
	for i := 0; ; i = (i + 1) % len(c.all) {
		select {
		case <-tick.C:
		case <-c.stop:
			return nil
		}
		client := &c.all[i]
		var failed error
		if client.head != "" {
			_, failed = client.Write([]byte(slowByte))
		}
		if client.age++; client.age < slowAge && failed == nil {
			continue
		}
		_ = client.Close() // the server may have done so before
		next, err := c.open(client.head)
		if err != nil {
			return err
		}
		*client = next
	}
}

// close ends all of them, and returns what went wrong in between.
func (c *slowCrowd) close() error {
	close(c.stop)
	c.done.Wait()
	c.closeAll()
	return c.err
}

func (c *slowCrowd) closeAll() {
	for _, client := range c.all {
		_ = client.Close() // as above
	}
}
