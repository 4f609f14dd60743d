package httpapi

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-json"

	"flowd/flow"
	"flowd/httpapi/answer"
)

// wantRows checks that body is the answer of a manyEngine with this number of rows.
func wantRows(t *testing.T, body string, n int) {
	t.Helper()
	var rows []struct {
		SrcApp  string `json:"src_app"`
		BytesTx int    `json:"bytes_tx"`
		Hour    int    `json:"hour"`
	}
	if err := json.Unmarshal([]byte(body), &rows); err != nil {
		t.Fatalf("%v in %.100q…", err, body)
	}
	if len(rows) != n {
		t.Fatalf("%d rows, want %d", len(rows), n)
	}
	for i, row := range rows {
		if row.BytesTx != n-i || row.Hour != 5 || row.SrcApp != "frontend-service-17" {
			t.Fatalf("row %d is %+v", i, row)
		}
	}
}

// Answers of every length are whole, whatever the client's HTTP version, and around the sizes
// of a block and of what is asked of the engine at once.
func TestAnswerLengths(t *testing.T) {
	t.Parallel()
	e := newMany(0)
	ts := serve(t, e, nil)
	c := ts.dial()
	perBlock := answer.BlockBytes / len(`{"src_app":"frontend-service-17","dest_app":"pay\"ments","vpc_id":"vpc-0a1b2c3d","bytes_tx":500,"bytes_rx":1099511627776,"hour":5},`)
	for _, n := range []int{0, 1, 63, 64, 65, 128, perBlock - 3, perBlock - 1, perBlock, perBlock + 1, perBlock + 3, 2 * perBlock, 10_000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			e.rows.Store(int64(n))
			c.write(head("GET", "/flows?hour=5"))
			r := c.read("GET")
			wantRows(t, r.body, n)
			one := len(r.body) <= answer.BlockBytes
			if (r.ContentLength == int64(len(r.body))) != one || (len(r.TransferEncoding) == 0) != one {
				t.Errorf("%d bytes with Content-Length %d, Transfer-Encoding %q", len(r.body), r.ContentLength, r.TransferEncoding)
			}
			c.write(head("HEAD", "/flows?hour=5"))
			h := c.read("HEAD")
			if h.StatusCode != 200 || h.ContentLength != r.ContentLength || len(h.TransferEncoding) != len(r.TransferEncoding) {
				t.Errorf("HEAD: %d, Content-Length %d, Transfer-Encoding %q", h.StatusCode, h.ContentLength, h.TransferEncoding)
			}

			old := ts.dial()
			old.write("GET /flows?hour=5 HTTP/1.0\r\n\r\n")
			r = old.read("GET")
			wantRows(t, r.body, n)
			if len(r.TransferEncoding) > 0 || !r.Close {
				t.Errorf("HTTP/1.0: Transfer-Encoding %q, close %t", r.TransferEncoding, r.Close)
			}
			old.ends()

			old = ts.dial()
			old.write("GET /flows?hour=5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
			r = old.read("GET")
			wantRows(t, r.body, n)
			if r.Close == one {
				t.Errorf("HTTP/1.0 with keep-alive: close %t", r.Close)
			}
		})
	}
	if e.open.Load() != 0 {
		t.Errorf("%d readings were not closed", e.open.Load())
	}
}

// Read gives the same text as WriteTo.
func TestAnswerRead(t *testing.T) {
	for _, accept := range []string{"", "gzip", "zstd"} {
		e := newMany(3000)
		ts := newServer(t, e, nil)
		s := ts.Server
		ctx := onConn(s)
		ctx.Request.SetRequestURI("/flows?hour=5")
		ctx.Request.Header.Set("Accept-Encoding", accept)
		s.http.Handler(ctx)
		text, err := io.ReadAll(ctx.Response.BodyStream())
		if err != nil {
			t.Fatal(err)
		}
		wantRows(t, unpacked(t, accept, string(text)), 3000)
		if err := ctx.Response.CloseBodyStream(); err != nil {
			t.Fatal(err)
		}
		if ts.queries() != 0 || e.open.Load() != 0 {
			t.Errorf("%d queries, %d readings left", ts.queries(), e.open.Load())
		}
	}
}

func TestHoursAnswer(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	ts := serve(t, table, nil)
	if r := ts.do("GET", "/hours", ""); r.body != "[]" {
		t.Errorf("%s", r.body)
	}
	const hours = 2000 // more than a block
	var body strings.Builder
	for h := range hours {
		body.WriteString(cut(oneFlow("a", h), 1)[1:] + "\n" + cut(oneFlow("b", h), 1)[1:] + "\n" + cut(oneFlow("a", h), 1)[1:] + "\n")
	}
	if r := ts.do("POST", "/flows", body.String(), asNDJSON); r.StatusCode != 200 {
		t.Fatalf("%d: %s", r.StatusCode, r.body)
	}
	var got []map[string]int
	if err := json.Unmarshal([]byte(ts.do("GET", "/hours", "").body), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != hours {
		t.Fatalf("%d hours, want %d", len(got), hours)
	}
	for i, h := range got {
		if len(h) != 5 || h["hour"] != i || h["tuples"] != 2 || h["flows"] != 3 || h["bytes_tx"] != 3 || h["bytes_rx"] != 6 {
			t.Fatalf("hour %d: %v", i, h)
		}
	}
}

// A client that does not read its answer does not hold up others, and is cut off in the end.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	many := newMany(50_000) // 6.7 MB, more than the socket buffers
	e := &hookEngine{Engine: table, rows: func(h flow.Hour) (flow.Rows, error) {
		if h == 5 {
			return many.Rows(h)
		}
		return table.Rows(h)
	}}
	// Far longer than those who do read their answers may take to be written to.
	ts := serve(t, e, func(l *Limits) { l.WriteTimeout = 4 * time.Second })
	stalled := ts.dial()
	stalled.write(head("GET", "/flows?hour=5"))
	eventually(t, "the answer is under way", func() bool { return ts.metric("flowd_http_queries") == "1" })
	for i := range 20 {
		if r := ts.do("POST", "/flows", oneFlow("a", 1)); r.StatusCode != 200 {
			t.Fatalf("%d: %s", r.StatusCode, r.body)
		}
		if r := ts.do("GET", "/flows?hour=1", ""); !strings.Contains(r.body, `"bytes_tx":`+itoa(i+1)+`,`) {
			t.Fatalf("after %d batches: %s", i+1, r.body)
		}
	}
	eventually(t, "the stalled reader is cut off", func() bool { return ts.metric("flowd_http_answers_cut_total") == "1" })
	res, err := http.ReadResponse(stalled.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Errorf("the stalled reader was told of a whole answer after %d bytes", n)
	}
	if !strings.Contains(ts.log.String(), `msg="answer cut off" status=200 client=127.0.0.1 target="/flows?hour=5"`) {
		t.Errorf("not in the log: %s", ts.log.String())
	}
}

// A client that reads slowly, but reads, gets all of its answer, longer as that takes than any timeout.
func TestSlowReader(t *testing.T) {
	// fasthttp has a clock that never ends, and is not to begin with the time of this test.
	_ = newServer(t, &nullEngine{}, nil).http.ServeConn(&recordedConn{feed: feed{request: []byte(head("GET", "/livez")), left: 1}})
	synctest.Test(t, func(t *testing.T) {
		const n = 20_000
		s := newServer(t, newMany(n), nil).Server
		near, far := net.Pipe()
		defer far.Close()
		served := make(chan error, 1)
		go func() { served <- s.http.ServeConn(accepted(s, near)) }()
		if _, err := io.WriteString(far, "GET /flows?hour=5 HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		rest := s.limits.WriteTimeout * 3 / 4 // for each block, as all of one is read at once
		res, err := http.ReadResponse(bufio.NewReaderSize(pausing{far, rest}, 2*answer.BlockBytes), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Errorf("after %d bytes and %s: %v", len(text), time.Since(began), err)
		}
		wantRows(t, string(text), n)
		if took := time.Since(began); took < 10*s.limits.WriteTimeout {
			t.Errorf("it took only %s", took)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// pausing rests before each time that it reads.
type pausing struct {
	io.Reader
	rest time.Duration
}

func (p pausing) Read(b []byte) (int, error) {
	time.Sleep(p.rest)
	return p.Reader.Read(b)
}

// The kernel takes more of an answer soon after the client has read something: who reads slowly is not
// taken for one who does not read.
func TestSlowReaderIsSeenToRead(t *testing.T) {
	t.Parallel()
	many := newMany(200_000) // 27 MB, more than the kernel could hold
	var asked atomic.Int64
	ts := serve(t, &hookEngine{Engine: many, rows: func(h flow.Hour) (flow.Rows, error) {
		return &countedRows{many.many(h), &asked}, nil
	}}, func(l *Limits) { l.WriteTimeout = 5 * patience })
	c := ts.dial()
	c.write(head("GET", "/flows?hour=5"))
	// What is written until nothing moves any more is what the kernel holds of the answer.
	still := func() (rows int64) {
		for rows = -1; rows != asked.Load(); time.Sleep(300 * time.Millisecond) {
			rows = asked.Load()
		}
		return rows
	}
	eventually(t, "the answer is begun", func() bool { return asked.Load() > 0 })
	for range 5 {
		before := still()
		if _, err := io.CopyN(io.Discard, c.r, 8*answer.BlockBytes); err != nil {
			t.Fatal(err)
		}
		eventually(t, "more is written", func() bool { return asked.Load() > before })
	}
}

// countedRows count the rows that were asked for.
type countedRows struct {
	flow.Rows
	asked *atomic.Int64
}

func (r *countedRows) Next(dst []flow.Row) int {
	n := r.Rows.Next(dst)
	r.asked.Add(int64(n))
	return n
}

// A client that goes away in the middle of its answer gives its place back.
func TestReaderGoesAway(t *testing.T) {
	t.Parallel()
	ts := serve(t, newMany(1_000_000), nil)
	c := ts.dial()
	c.write(head("GET", "/flows?hour=5"))
	if _, err := c.r.Peek(1); err != nil {
		t.Fatal(err)
	}
	c.Close()
	eventually(t, "the answer is given up", func() bool {
		return ts.metric("flowd_http_queries") == "0" && ts.metric("flowd_http_answers_cut_total") == "1"
	})
}

func TestTooManyQueries(t *testing.T) {
	t.Parallel()
	ts := serve(t, newMany(20_000), func(l *Limits) { l.Queries = 3 }) // of which one client may have two
	readers := []*client{ts.dial(), ts.dial()}
	for _, c := range readers {
		c.write(head("GET", "/flows?hour=5"))
		if _, err := c.r.Peek(1); err != nil { // it is under way
			t.Fatal(err)
		}
	}
	for _, target := range []string{"/flows?hour=5", "/hours"} {
		if p := problemIn(t, ts.do("GET", target, ""), 503); !strings.Contains(p.Detail, "max-queries") {
			t.Errorf("%s: %q", target, p.Detail)
		}
	}
	wantRows(t, readers[0].read("GET").body, 20_000)
	eventually(t, "a place is free", func() bool { return ts.metric("flowd_http_queries") == "1" })
	if r := ts.do("HEAD", "/flows?hour=5", ""); r.StatusCode != 200 {
		t.Errorf("%d with a place free", r.StatusCode)
	}
	wantRows(t, readers[1].read("GET").body, 20_000)
}

// One token that asks for all it can leaves room for others, and is told what stands in its way.
func TestQueryShares(t *testing.T) {
	t.Parallel()
	ts := newServer(t, newMany(20_000), func(l *Limits) { l.Queries = 10 })
	ts.gate = gateOf(t)
	ts.run()
	begin := func(token string) (*client, int) {
		c := ts.dial()
		c.write(head("GET", "/flows?hour=5", bearing(token)))
		line, err := c.r.Peek(len("HTTP/1.1 200"))
		if err != nil {
			t.Fatal(err)
		}
		status, _ := strconv.Atoi(string(line[9:]))
		return c, status
	}
	var greedy []*client
	for {
		c, status := begin(readToken)
		if status != 200 {
			p := problemIn(t, c.read("GET"), 503)
			if len(greedy) != 8 || !strings.Contains(p.Detail, "8 answers to this client") || !strings.Contains(p.Detail, "max-queries (10) while 2 are left") {
				t.Errorf("with %d under way: %q", len(greedy), p.Detail)
			}
			break
		}
		greedy = append(greedy, c)
	}
	another, status := begin(everyToken)
	if status != 200 {
		t.Errorf("%d for another client", status)
	}
	if got := ts.metric(`flowd_http_requests_rejected_total{reason="query_share"}`); got != "1" {
		t.Errorf("%s refused for their share", got)
	}
	for _, c := range append(greedy, another) {
		c.Close()
	}
	eventually(t, "no answer is under way", func() bool { return ts.queries() == 0 })
}

// The memory of an answer does not grow with its length.
func TestAnswerMemory(t *testing.T) {
	ts := serve(t, newMany(500_000), nil) // 66 MB
	measure := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	c := ts.dial()
	buf := make([]byte, 1<<16)
	before := measure()
	c.write(head("GET", "/flows?hour=5"))
	size := 0
	for r := bufio.NewReaderSize(c, 1<<16); ; {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		size += n
		if strings.HasSuffix(string(buf[max(0, n-5):n]), "0\r\n\r\n") {
			break
		}
	}
	if grown := measure() - before; grown > 2<<20 || size < 60<<20 {
		t.Errorf("an answer of %d bytes allocated %d", size, grown)
	}
}
