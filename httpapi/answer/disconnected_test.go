package answer

import (
	"net"
	"testing"
	"time"

	"flowd/httpapi/reject"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"
)

// openConn is a connection whose client disconnects when closed is set.
type openConn struct {
	net.Conn
	closed bool
	looks  int
}

func (c *openConn) Disconnected() bool  { c.looks++; return c.closed }
func (c *openConn) LimitUnsent(int)     {}
func (c *openConn) Reset()              {}
func (c *openConn) AddressText() string { return "" }

// unobserved counts nothing.
type unobserved struct{}

func (unobserved) Observe(int, time.Duration) {}

// A client is looked after only now and then, and not at all at first.
func TestClientIsLookedAfterRarely(t *testing.T) {
	t.Parallel()
	set := metrics.NewSet()
	s := NewSender(Options{Max: 2, Rejects: reject.NewCounters(set), Metrics: set})
	c := &openConn{}
	a, p := s.open(&fasthttp.RequestCtx{}, Request{Client: "a", Conn: c, Observer: unobserved{}})
	if p != nil {
		t.Fatal(p.Detail)
	}
	defer a.abandon()
	if a.look == 0 {
		t.Fatal("the client would be looked after at once")
	}
	a.look = 0
	if a.Disconnected() || a.look == 0 || c.looks != 1 {
		t.Errorf("gone, or not looked at: %s, %d", a.look, c.looks)
	}
	c.closed = true
	a.look = 1 << 62
	if a.Disconnected() {
		t.Error("looked after before its time")
	}
	a.look = 0
	if !a.Disconnected() {
		t.Error("not gone, though the connection is closed")
	}
}
