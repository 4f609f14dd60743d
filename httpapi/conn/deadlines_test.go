package conn

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
)

// The deadlines themselves come when they should, a sixteenth of the shortest early at most.
func TestDeadlines(t *testing.T) {
	timeouts := Timeouts{Read: 16 * time.Second, Write: 32 * time.Second, Idle: 48 * time.Second}
	for _, c := range []struct {
		name string
		run  func(*Conn, net.Conn) error
		want time.Duration
	}{
		{"nothing sent", func(c *Conn, _ net.Conn) error { return read(c) }, 16 * time.Second},
		{"request begun", func(c *Conn, peer net.Conn) error {
			go func() { _, _ = peer.Write([]byte("xyz")) }()
			_ = read(c)
			time.Sleep(9 * time.Second)
			c.state(fasthttp.StateActive)
			return errors.Join(read(c), read(c), read(c))
		}, 9*time.Second + 16*time.Second},
		{"idle", func(c *Conn, _ net.Conn) error {
			c.state(fasthttp.StateActive)
			c.state(fasthttp.StateIdle)
			return read(c)
		}, 48 * time.Second},
		{"idle again", func(c *Conn, peer net.Conn) error {
			for range 20 {
				c.state(fasthttp.StateIdle)
				go func() { _, _ = peer.Write([]byte("x")) }()
				_ = read(c)
				time.Sleep(time.Second / 10)
				c.state(fasthttp.StateActive)
			}
			c.state(fasthttp.StateIdle)
			return read(c)
		}, 2*time.Second + 48*time.Second},
		{"blocks of an answer", func(c *Conn, peer net.Conn) error {
			buf := make([]byte, 1)
			for range 10 {
				go func() { time.Sleep(20 * time.Second); _, _ = peer.Read(buf) }()
				if _, err := c.Write([]byte("x")); err != nil {
					return err
				}
			}
			_, err := c.Write([]byte("x"))
			return err
		}, 10*20*time.Second + 32*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer near.Close()
				defer far.Close()
				began := time.Now()
				set := NewSet(Options{Timeouts: timeouts})
				set.epoch = began.Add(-time.Hour)
				err := c.run(set.serve(near), far)
				var timeout net.Error
				if !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took > c.want || took < c.want-time.Second {
					t.Errorf("ended after %s, want %s", took, c.want)
				}
			})
		})
	}
}

func read(c *Conn) error {
	_, err := c.Read(make([]byte, 1))
	return err
}
