package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowd/flow"
	"flowd/limit"
)

// retrySeconds returns the seconds of Retry-After.
func retrySeconds(t *testing.T, r reply) int {
	t.Helper()
	n, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
	return n
}

func TestFlowRate(t *testing.T) {
	t.Parallel()
	rates := limit.Rates{Flows: 1, FlowsBurst: 100}
	ts := newServer(t, newTable(t), func(l *Limits) { l.Rates = rates })
	ts.gate = gateOf(t)
	ts.run()
	post := func(token string, flows int) reply {
		t.Helper()
		return ts.do("POST", "/flows", string(flowsBody(flows)), bearing(token))
	}
	if r := post(writeToken, 101); r.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(r.body, "rate-flows-burst") {
		t.Errorf("more than the burst: %d: %s", r.StatusCode, r.body)
	}
	if r := post(writeToken, 100); r.StatusCode != http.StatusOK {
		t.Fatalf("the burst: %d: %s", r.StatusCode, r.body)
	}
	r := post(writeToken, 50)
	// 50 flows take 50 s; some pass while the test runs, and up to half is added.
	if seconds := retrySeconds(t, r); r.StatusCode != http.StatusTooManyRequests || seconds < 30 || seconds > 60 {
		t.Errorf("over the rate: %d, Retry-After %d: %s", r.StatusCode, seconds, r.body)
	}
	if r := post(everyToken, 100); r.StatusCode != http.StatusOK {
		t.Errorf("another client: %d: %s", r.StatusCode, r.body)
	}
	if r := ts.do("GET", "/flows?hour=1", "", bearing(everyToken)); r.StatusCode != http.StatusOK {
		t.Errorf("a read: %d", r.StatusCode)
	}
	if got := ts.metric(`flowd_rate_limited_total{what="flows"}`); got != "2" {
		t.Errorf("%s requests limited, want 2", got)
	}
	more := ts.limits
	more.Rates = limit.Rates{}
	ts.SetLimits(more)
	if r := post(writeToken, 1000); r.StatusCode != http.StatusOK {
		t.Errorf("without a rate: %d: %s", r.StatusCode, r.body)
	}
}

func TestByteRate(t *testing.T) {
	t.Parallel()
	body := string(flowsBody(10))
	ts := serve(t, nil, func(l *Limits) {
		l.Rates = limit.Rates{Bytes: 1, BytesBurst: int64(2*len(body) + len(body)/2), Flows: 1, FlowsBurst: 10}
	})
	if r := ts.do("POST", "/flows", body); r.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", r.StatusCode, r.body)
	}
	// Its bytes pass, its flows do not: the bytes are given back.
	for range 3 {
		if r := ts.do("POST", "/flows", body); r.StatusCode != http.StatusTooManyRequests || !strings.Contains(r.body, "rate-flows") {
			t.Errorf("over the rate of flows: %d: %s", r.StatusCode, r.body)
		}
	}
	if r := ts.do("POST", "/flows", body+body); r.StatusCode != http.StatusTooManyRequests || !strings.Contains(r.body, "rate-bytes") {
		t.Errorf("over the rate of bytes: %d: %s", r.StatusCode, r.body)
	}
	if r := ts.do("POST", "/flows", body+body+body); r.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(r.body, "rate-bytes-burst") {
		t.Errorf("over the burst: %d: %s", r.StatusCode, r.body)
	}
	ledger := ts.do("GET", "/ledger", "")
	if !strings.Contains(ledger.body, `"stored":{"flows":10,`) {
		t.Errorf("what was refused counts: %s", ledger.body)
	}
}

// slowEngine holds every batch until it is let go, and tells of one of hour 9 when it comes.
type slowEngine struct {
	*tableEngine
	held, marked chan struct{}
}

func (e *slowEngine) Append(b *flow.Batch, o flow.Origin) (flow.Receipt, error) {
	if b.Items[0].Hour == 9 {
		e.marked <- struct{}{}
	}
	<-e.held
	return e.tableEngine.Append(b, o)
}

// A client that has all places waits behind others: they get the next ones that come free.
func TestFloodedServerTakesOthers(t *testing.T) {
	t.Parallel()
	const places = 4
	e := &slowEngine{newTable(t), make(chan struct{}), make(chan struct{})}
	ts := newServer(t, e, func(l *Limits) { l.Slots, l.QueueWait = places, patience })
	ts.gate = gateOf(t)
	ts.run()
	answers := make(chan int, 4*places)
	send := func(token string) {
		c := ts.dial()
		c.write(head("POST", "/flows", bearing(token), "Content-Length: "+itoa(len(jsonFlow)+2)) + "[" + jsonFlow + "]")
		go func() {
			res, err := http.ReadResponse(c.r, nil)
			if err != nil {
				answers <- 0
				return
			}
			res.Body.Close()
			answers <- res.StatusCode
		}()
	}
	for range 3 * places {
		send(writeToken)
	}
	eventually(t, "the flood waits", func() bool { return ts.number("flowd_queue_waiting") == 2*places })
	c, body := ts.dial(), oneFlow("a", 9)
	c.write(head("POST", "/flows", bearing(everyToken), "Content-Length: "+itoa(len(body))) + body)
	eventually(t, "the other waits too", func() bool { return ts.number("flowd_queue_waiting") == 2*places+1 })
	e.held <- struct{}{} // one of the flood is done, and the next place is the other's
	select {
	case <-e.marked:
	case <-time.After(patience):
		t.Fatal("the other has no place")
	}
	if n := ts.number("flowd_queue_waiting"); n != 2*places {
		t.Errorf("%d of the flood wait when the other has its place, want %d", n, 2*places)
	}
	close(e.held)
	if r := c.read("POST"); r.StatusCode != http.StatusOK {
		t.Errorf("the other client: %d: %s", r.StatusCode, r.body)
	}
	for range 3 * places {
		select {
		case status := <-answers:
			if status != http.StatusOK {
				t.Errorf("a request of the flood: %d", status)
			}
		case <-time.After(patience):
			t.Fatal("a request of the flood has no answer")
		}
	}
}
