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
func slowloris(ctx context.Context, b *bench, _ string) (*setup, error) {
	if err := allowFiles(slowOpenFiles); err != nil {
		return nil, err
	}
	s, err := b.startMemory(ctx)
	if err != nil {
		return nil, err
	}
	const without, beside, p99 = "without", "beside slow clients", "ms p99 of posts"
	o := s.load(agents, ingestTuples, agentFlows)
	o.Rate, o.For, o.Verify = agentPosts, slowFor, true
	alone := func(ctx context.Context) (figures, error) {
		report, err := load.Run(ctx, o)
		if err == nil && ctx.Err() == nil && (!report.Verification.OK || len(report.Writes.Errors) > 0) {
			err = fmt.Errorf("posts failed, or the totals are wrong: %v", report.Writes.Errors)
		}
		if err != nil {
			return nil, err
		}
		return figures{p99: report.Writes.Latency.P99 * 1000}, nil
	}
	return &setup{
		sides: []side{{without, alone}, {beside, func(ctx context.Context) (figures, error) { return besideSlow(ctx, s, alone) }}},
		rows: func(f found) error {
			b.table.compare(comparison{what: "p99 beside 2,000 slow connections", rivalName: without,
				flowd: f.median(beside, p99), rival: f.median(without, p99), lower: true, unit: "ms", most: slowMost})
			b.table.note("Slow connections: a third send nothing, a third one byte of a head every %v, a third one of a body; each is "+
				"replaced after %v. Beside them %d connections post %d times a second %d flows, timed from when each was due. "+
				"All totals were read back and compared.", slowEvery, slowAge*slowEvery, agents, agentPosts, agentFlows)
			return nil
		},
	}, nil
}

// besideSlow measures with slow clients, of which the server must have all before and after.
func besideSlow(ctx context.Context, s *server, measure func(context.Context) (figures, error)) (v figures, err error) {
	slow, err := openSlow(strings.TrimPrefix(s.url, "http://"), slowClients)
	if err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, slow.close(), s.waitForConnections(ctx, func(n int) bool { return n < agents }))
	}()
	// Some are on their way from one connection to the next.
	all := func(n int) bool { return n >= slowClients*99/100 }
	if err := s.waitForConnections(ctx, all); err != nil {
		return nil, err
	}
	if v, err = measure(ctx); err != nil {
		return nil, err
	}
	return v, s.waitForConnections(ctx, all)
}

// waitForConnections waits until the number of the server's connections, but the one that asks, is enough.
func (s *server) waitForConnections(ctx context.Context, enough func(int) bool) error {
	ctx, cancel := context.WithTimeout(ctx, slowOpen)
	defer cancel()
	return s.await(ctx, "flowd_http_connections", func(n float64) bool { return enough(int(n) - 1) })
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

// slowClientSet is slow clients.
type slowClientSet struct {
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
func openSlow(addr string, n int) (*slowClientSet, error) {
	c := &slowClientSet{addr: addr, stop: make(chan struct{})}
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

func (c *slowClientSet) open(head string) (slowClient, error) {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		return slowClient{}, err
	}
	// The server may cut it off at any time; then the next byte says so.
	_, _ = conn.Write([]byte(head))
	return slowClient{Conn: conn, head: head}, nil
}

// run has each client send a byte every slowEvery, one after the other, until stop.
func (c *slowClientSet) run() error {
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
func (c *slowClientSet) close() error {
	close(c.stop)
	c.done.Wait()
	c.closeAll()
	return c.err
}

func (c *slowClientSet) closeAll() {
	for _, client := range c.all {
		_ = client.Close() // as above
	}
}
