package httpapi

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"flowd/flow"
)

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func zstdOf(text string, options ...zstd.EOption) string {
	w, err := zstd.NewWriter(nil, options...)
	if err != nil {
		panic(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

// zstdStream does not tell its size in the frame's header.
func zstdStream(text string) string {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		panic(err)
	}
	for part := []byte(text); len(part) > 0; {
		n := min(len(part), 64<<10)
		_, _ = w.Write(part[:n])
		_ = w.Flush()
		part = part[n:]
	}
	_ = w.Close()
	return b.String()
}

const (
	jsonFlow = `{"src_app":"foo","dest_app":"bar","vpc_id":"vpc-0","bytes_tx":100,"bytes_rx":300,"hour":1}`
	asJSON   = "Content-Type: application/json"
	asNDJSON = "Content-Type: application/x-ndjson"
	asGzip   = "Content-Encoding: gzip"
	asZstd   = "Content-Encoding: zstd"
)

func TestAccepted(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	large := string(flowsBody(30_000)) // 2.6 MB
	for _, c := range []struct {
		name    string
		body    string
		flows   int
		headers []string
	}{
		{"no content type", "[" + jsonFlow + "]", 1, nil},
		{"json", "[" + jsonFlow + "]", 1, []string{asJSON}},
		{"empty array", "[]", 0, []string{asJSON}},
		{"spaces around", " \n[ " + jsonFlow + " , " + jsonFlow + " ]\r\n", 2, []string{asJSON}},
		{"parameters and case", "[" + jsonFlow + "]", 1, []string{"content-type: Application/JSON ; charset=UTF-8"}},
		{"ndjson", jsonFlow + "\n" + jsonFlow + "\n", 2, []string{asNDJSON}},
		{"ndjson without a last newline", jsonFlow + "\n\n" + jsonFlow, 2, []string{asNDJSON}},
		{"jsonl", jsonFlow + "\n", 1, []string{"Content-Type: application/jsonl; charset=utf-8"}},
		{"byte order mark", "\ufeff[" + jsonFlow + "]", 1, []string{asJSON}},
		{"byte order mark before ndjson", "\ufeff" + jsonFlow + "\n" + jsonFlow + "\n", 2, []string{asNDJSON}},
		{"byte order mark within gzip", gzipped("\ufeff[" + jsonFlow + "]"), 1, []string{asGzip}},
		{"identity", "[" + jsonFlow + "]", 1, []string{"Content-Encoding: identity"}},
		{"gzip", gzipped("[" + jsonFlow + "]"), 1, []string{asGzip}},
		{"x-gzip, case", gzipped("[" + jsonFlow + "]"), 1, []string{"content-encoding: X-GZip"}},
		{"gzip in two members", gzipped("["+jsonFlow+",") + gzipped(jsonFlow+"]"), 2, []string{asGzip}},
		{"gzip of ndjson", gzipped(jsonFlow + "\n"), 1, []string{asNDJSON, asGzip}},
		{"zstd", zstdOf("[" + jsonFlow + "]"), 1, []string{asZstd}},
		{"zstd of unknown size", zstdStream("[" + jsonFlow + "]"), 1, []string{asZstd}},
		{"zstd in two frames", zstdOf("["+jsonFlow+",") + zstdStream(jsonFlow+"]"), 2, []string{asZstd}},
		{"large", large, 30_000, nil},
		{"large gzip", gzipped(large), 30_000, []string{asGzip}},
		{"large zstd", zstdOf(large), 30_000, []string{asZstd}},
		{"large zstd of unknown size", zstdStream(large), 30_000, []string{asZstd}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := `{"accepted":` + itoa(c.flows) + `,"duplicate":false}`
			for _, r := range []reply{
				ts.do("POST", "/flows", c.body, c.headers...),
				ts.post(chunks(c.body, 3, 1<<20), c.headers...),
			} {
				if r.StatusCode != 200 || r.body != want {
					t.Fatalf("%d: %.500s", r.StatusCode, r.body)
				}
				if got := r.Header.Get("Flowd-Durability"); got != "none" {
					t.Errorf("Flowd-Durability %q", got)
				}
				if got := r.Header.Get("Content-Type"); got != "application/json" {
					t.Errorf("Content-Type %q", got)
				}
			}
		})
	}
}

// chunks writes text in chunks, first one of each size given and then of the last.
func chunks(text string, sizes ...int) string {
	var b strings.Builder
	for len(text) > 0 {
		n := min(sizes[0], len(text))
		if len(sizes) > 1 {
			sizes = sizes[1:]
		}
		b.WriteString(hex(n) + "\r\n" + text[:n] + "\r\n")
		text = text[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// post sends a body that is in chunks already.
func (ts *testServer) post(chunked string, headers ...string) reply {
	ts.t.Helper()
	c := ts.dial()
	defer c.Close()
	c.write(head("POST", "/flows", append(headers, "Transfer-Encoding: chunked")...) + chunked)
	return c.read("POST")
}

func TestRefused(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, func(l *Limits) { l.BodyBytes, l.DecodedBytes, l.Flows = 40_000, 80_000, 100 })
	batch := "[" + jsonFlow + "]"
	big := string(flowsBody(99))
	spaces := func(n int) string { return strings.Repeat(" ", n-len(batch)) + batch }
	random := strings.Repeat(" ", 100) + batch
	for _, c := range []struct {
		name    string
		body    string
		headers []string
		status  int
		says    string
	}{
		{"empty", "", nil, 400, "errors"},
		{"not JSON", "hello", nil, 400, "errors"},
		{"an object", jsonFlow, nil, 400, "errors"},
		{"truncated", batch[:50], nil, 400, "errors"},
		{"trailing bytes", batch + "x", nil, 400, "errors"},
		{"a bad flow among good ones", "[" + jsonFlow + `,{"src_app":""}]`, nil, 400, "errors"},
		{"deeply nested", "[" + strings.Repeat(`{"x":[`, 500), nil, 400, "errors"},
		{"huge number", strings.Replace(batch, "100", strings.Repeat("9", 400), 1), nil, 400, "errors"},
		{"duplicate name", strings.Replace(batch, `"hour":1`, `"hour":1,"hour":1`, 1), nil, 400, "errors"},
		{"invalid UTF-8", strings.Replace(batch, "foo", "f\xffo", 1), nil, 400, "errors"},
		{"byte order mark alone", "\ufeff", nil, 400, "errors"},
		{"two byte order marks", "\ufeff\ufeff" + batch, nil, 400, "errors"},
		{"byte order mark in a later line", jsonFlow + "\n\ufeff" + jsonFlow, []string{asNDJSON}, 400, "errors"},
		{"a part of a byte order mark", "\xef\xbb" + batch, nil, 400, "errors"},
		{"UTF-16", "\xff\xfe[\x00]\x00", nil, 400, "errors"},
		{"NUL", strings.Replace(batch, "foo", "f\x00o", 1), nil, 400, "errors"},
		{"lone surrogate", strings.Replace(batch, "foo", `f\ud800o`, 1), nil, 400, "errors"},
		{"ndjson with a bad line", jsonFlow + "\n{\n", []string{asNDJSON}, 400, "errors"},
		{"an array as ndjson", batch, []string{asNDJSON}, 400, "errors"},
		{"too many flows", string(flowsBody(101)), nil, 413, "max-flows"},
		{"too large", spaces(40_001), nil, 413, "max-body-bytes"},
		{"far too large", spaces(5 << 20), nil, 413, "max-body-bytes"},
		{"form", batch, []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "Accept-Post"},
		{"multipart", batch, []string{"Content-Type: multipart/form-data; boundary=x"}, 415, "Accept-Post"},
		{"no media type", batch, []string{"Content-Type: ;charset=utf-8"}, 415, "Accept-Post"},
		{"longer media type", batch, []string{"Content-Type: application/jsonx"}, 415, "Accept-Post"},
		{"brotli", batch, []string{"Content-Encoding: br"}, 415, "Accept-Encoding"},
		{"two encodings", batch, []string{"Content-Encoding: gzip, zstd"}, 415, "Accept-Encoding"},
		{"not gzip", batch, []string{asGzip}, 400, "gzip"},
		{"empty gzip", "", []string{asGzip}, 400, "gzip"},
		{"zstd as gzip", zstdOf(batch), []string{asGzip}, 400, "gzip"},
		{"truncated gzip header", gzipped(batch)[:5], []string{asGzip}, 400, "gzip"},
		{"truncated gzip", gzipped(random)[:60], []string{asGzip}, 400, "gzip"},
		{"gzip without its checksum", cut(gzipped(batch), 8), []string{asGzip}, 400, "gzip"},
		{"gzip with a wrong checksum", cut(gzipped(batch), 8) + "12345678", []string{asGzip}, 400, "gzip"},
		{"gzip and garbage", gzipped(batch) + "x", []string{asGzip}, 400, "gzip"},
		{"gzip and zeros", gzipped(batch) + strings.Repeat("\x00", 512), []string{asGzip}, 400, "gzip"},
		{"gzip too large", gzipped(spaces(80_001)), []string{asGzip}, 413, "max-decoded-bytes"},
		{"gzip bomb", gzipped(spaces(30 << 20)), []string{asGzip}, 413, "max-decoded-bytes"},
		{"empty gzip members", strings.Repeat(gzipped(""), 1700), []string{asGzip}, 400, "errors"},
		{"not zstd", batch, []string{asZstd}, 400, "zstd"},
		{"empty zstd", "", []string{asZstd}, 400, "zstd"},
		{"empty zstd frame", zstdStream(""), []string{asZstd}, 400, "errors"},
		{"zstd magic alone", zstdOf(batch)[:4], []string{asZstd}, 400, "zstd"},
		{"truncated zstd", cut(zstdOf(big), 10), []string{asZstd}, 400, "zstd"},
		{"truncated zstd of unknown size", cut(zstdStream(big), 10), []string{asZstd}, 400, "zstd"},
		{"zstd without its checksum", cut(zstdOf(batch), 4), []string{asZstd}, 400, "zstd"},
		{"zstd with a wrong checksum", cut(zstdOf(batch), 4) + "1234", []string{asZstd}, 400, "zstd"},
		{"zstd and one byte", zstdOf(batch) + "x", []string{asZstd}, 400, "zstd"},
		{"zstd and three bytes", zstdOf(batch) + "\x28\xb5\x2f", []string{asZstd}, 400, "zstd"},
		{"zstd and garbage", zstdOf(batch) + "garbage", []string{asZstd}, 400, "zstd"},
		{"zstd too large", zstdOf(spaces(80_001)), []string{asZstd}, 413, "max-decoded-bytes"},
		{"zstd of unknown size too large", zstdStream(spaces(80_001)), []string{asZstd}, 413, "max-decoded-bytes"},
		{"zstd bomb", zstdOf(spaces(60 << 20)), []string{asZstd}, 413, "max-decoded-bytes"},
		{"zstd bomb in frames", strings.Repeat(zstdOf(spaces(60_000)), 20), []string{asZstd}, 413, "max-decoded-bytes"},
		{"zstd that claims an exabyte", "\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x0f\x01\x00\x00", []string{asZstd}, 413, "max-decoded-bytes"},
		{"zstd window of 16 MiB", "\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00", []string{asZstd}, 415, "Accept-Encoding"},
		{"empty key", batch, []string{"Idempotency-Key:"}, 400, "Idempotency-Key"},
		{"agent alone", batch, []string{"flowd-agent: a"}, 400, "Flowd-Agent"},
		{"sequence alone", batch, []string{"FLOWD-SEQ: 1"}, 400, "Flowd-Seq"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range []reply{
				ts.do("POST", "/api/v1/flows", c.body, c.headers...),
				ts.post(chunks(c.body, 7, 3000), c.headers...),
			} {
				p := problemIn(t, r, c.status)
				switch {
				case c.says == "errors":
					if len(p.Errors) == 0 || !strings.Contains(p.Detail, "none of its flows counts") {
						t.Errorf("no errors: %s", r.body)
					}
				case strings.HasPrefix(c.says, "Accept-"):
					if r.Header.Get(c.says) == "" {
						t.Errorf("no %s", c.says)
					}
				case !strings.Contains(p.Detail, c.says):
					t.Errorf("%q does not say %q", p.Detail, c.says)
				}
			}
		})
	}
	if r := ts.do("GET", "/hours", ""); r.body != "[]" {
		t.Errorf("something of the refused batches counts: %s", r.body)
	}
}

func cut(text string, n int) string { return text[:len(text)-n] }

// Bodies and batches of exactly the limits pass.
func TestAtTheLimits(t *testing.T) {
	t.Parallel()
	const size = 40_000
	ts := serve(t, nil, func(l *Limits) { l.BodyBytes, l.DecodedBytes, l.Flows = size, 2*size, 100 })
	wire := strings.Repeat(" ", size-2) + "[]"
	plain := strings.Repeat(" ", 2*size-2) + "[]"
	for name, r := range map[string]reply{
		"body":            ts.do("POST", "/flows", wire),
		"chunked body":    ts.post(chunks(wire, 4096)),
		"gzip":            ts.do("POST", "/flows", gzipped(plain), asGzip),
		"zstd":            ts.do("POST", "/flows", zstdOf(plain), asZstd),
		"unknown zstd":    ts.do("POST", "/flows", zstdStream(plain), asZstd),
		"number of flows": ts.do("POST", "/flows", string(flowsBody(100))),
	} {
		if r.StatusCode != 200 {
			t.Errorf("%s: %d: %s", name, r.StatusCode, r.body)
		}
	}
}

func TestQueueFull(t *testing.T) {
	t.Parallel()
	waited := make(chan time.Duration, 1)
	ts := serve(t, &waitEngine{waited: waited}, func(l *Limits) { l.QueueWait = 123 * time.Millisecond })
	p := problemIn(t, ts.do("POST", "/flows", "["+jsonFlow+"]"), 503)
	if wait := <-waited; wait > 123*time.Millisecond || wait < 100*time.Millisecond || !strings.Contains(p.Detail, "queue-batches") {
		t.Errorf("waited %s: %q", wait, p.Detail)
	}
	if got := ts.metric(`flowd_batches_total{outcome="overloaded"}`); got != "1" {
		t.Errorf("%s batches overloaded, want 1", got)
	}
}

// waitEngine has no batch free.
type waitEngine struct {
	nullEngine
	waited chan time.Duration
}

func (e *waitEngine) Acquire(wait time.Duration) *flow.Batch {
	e.waited <- wait
	return nil
}

// A batch of a refused body goes back, again and again.
func TestBatchesComeBack(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, func(l *Limits) { l.QueueWait = 0 })
	c := ts.dial()
	for range 500 { // more than the table has
		c.write(head("POST", "/flows", "Content-Length: 1") + "x")
		problemIn(t, c.read("POST"), 400)
	}
}

// The rest of the errors is counted when there are more than are listed.
func TestManyErrors(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	p := problemIn(t, ts.do("POST", "/flows", strings.Repeat("{}\n", 10), asNDJSON), 400)
	if len(p.Errors) != flow.MaxFieldErrors || !strings.Contains(p.Detail, "40 more are not listed") {
		t.Errorf("%d errors, %q", len(p.Errors), p.Detail)
	}
	p = problemIn(t, ts.do("POST", "/flows", `[`+jsonFlow+`,{"src_app":"a","dest_app":"b","vpc_id":"<&>","bytes_tx":-1,"bytes_rx":0,"hour":1}]`), 400)
	if len(p.Errors) != 1 || cmp.Diff(p.Errors[0].Pointer, "/1/bytes_tx") != "" {
		t.Errorf("%+v", p.Errors)
	}
}
