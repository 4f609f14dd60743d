package httpapi

import (
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/flow"
)

// someFlows are flows of three hours.
const someFlows = `
{"src_app":"web","dest_app":"db","vpc_id":"v1","bytes_tx":10,"bytes_rx":1000,"hour":1}
{"src_app":"web","dest_app":"db","vpc_id":"v2","bytes_tx":20,"bytes_rx":0,"hour":1}
{"src_app":"web","dest_app":"cache","vpc_id":"v1","bytes_tx":30,"bytes_rx":5,"hour":1}
{"src_app":"worker","dest_app":"db","vpc_id":"v1","bytes_tx":40,"bytes_rx":6,"hour":1}
{"src_app":"web","dest_app":"db","vpc_id":"v1","bytes_tx":50,"bytes_rx":7,"hour":2}
{"src_app":"we\"b,\\","dest_app":"d*","vpc_id":"v3","bytes_tx":60,"bytes_rx":8,"hour":2}
{"src_app":"worker","dest_app":"db","vpc_id":"v1","bytes_tx":70,"bytes_rx":9,"hour":482673}
`

// serveSome serves a table with someFlows.
func serveSome(t *testing.T, change func(*Limits)) *testServer {
	t.Helper()
	ts := serve(t, nil, change)
	if r := ts.do("POST", "/flows", someFlows, asNDJSON); r.StatusCode != 200 {
		t.Fatalf("%d: %s", r.StatusCode, r.body)
	}
	return ts
}

// rows makes the body that has these lines of NDJSON as a JSON array.
func rows(lines ...string) string { return "[" + strings.Join(lines, ",") + "]" }

func TestFlows(t *testing.T) {
	t.Parallel()
	ts := serveSome(t, nil)
	line := strings.Split(strings.TrimSpace(someFlows), "\n")
	for _, c := range []struct {
		query string
		want  string
		cut   bool
	}{
		{"hour=1&order_by=bytes_tx", rows(line[0], line[1], line[2], line[3]), false},
		{"hour=1&order_by=-bytes_tx", rows(line[3], line[2], line[1], line[0]), false},
		{"hour=1&order_by=bytes_rx", rows(line[1], line[2], line[3], line[0]), false},
		{"hour=1&order_by=-bytes_total", rows(line[0], line[3], line[2], line[1]), false},
		{"hour=1&order_by=src_app", rows(line[2], line[0], line[1], line[3]), false},
		{"hour=1&order_by=-vpc_id", rows(line[1], line[2], line[0], line[3]), false},
		{"hour=1&order_by=-bytes_tx&limit=2", rows(line[3], line[2]), true},
		{"hour=1&order_by=-bytes_tx&limit=4", rows(line[3], line[2], line[1], line[0]), false},
		{"from=1&to=3&order_by=-hour&src_app=web", rows(line[4], line[2], line[0], line[1]), false},
		{"from=1&to=3&order_by=-hour&src_app=web&limit=1", rows(line[4]), true},
		{"from=2&order_by=hour", rows(line[5], line[4], line[6]), false},
		{"to=2&order_by=hour&limit=1", rows(line[2]), true},
		{"from=1&to=1", "[]", false},
		{"hour=3", "[]", false},
		{"from=2025-01-23T09:15:00Z&to=2025-01-23T09:16:00Z", rows(line[6]), false},
		{"from=2025-01-23T11:30:00%2B02:30&to=2025-01-23T10:00:00Z", "[" + line[6] + "]", false},
		{"from=2025-01-23T10:00:00Z", "[]", false},

		{"hour=1&vpc_id=v2", rows(line[1]), false},
		{"hour=1&dest_app=cache&dest_app=nope", rows(line[2]), false},
		{"hour=1&src_app=wo*", rows(line[3]), false},
		{"hour=1&src_app=w*&dest_app=db&vpc_id=v2&vpc_id=v3", rows(line[1]), false},
		{"hour=2&dest_app=d*&vpc_id=v3", rows(line[5]), false},
		{"hour=2&dest_app=d**", rows(line[5]), false},
		{"hour=2&src_app=we%22b%2C%5C", rows(line[5]), false},
		{"hour=2&src_app=*&src_app=nope&vpc_id=v1", rows(line[4]), false},

		{"hour=1&group_by=src_app&order_by=src_app",
			`[{"src_app":"web","bytes_tx":60,"bytes_rx":1005},{"src_app":"worker","bytes_tx":40,"bytes_rx":6}]`, false},
		{"hour=1&group_by=vpc_id,dest_app&order_by=-bytes_tx",
			`[{"dest_app":"db","vpc_id":"v1","bytes_tx":50,"bytes_rx":1006},{"dest_app":"cache","vpc_id":"v1","bytes_tx":30,"bytes_rx":5},` +
				`{"dest_app":"db","vpc_id":"v2","bytes_tx":20,"bytes_rx":0}]`, false},
		{"from=1&to=3&group_by=hour&order_by=hour", `[{"bytes_tx":100,"bytes_rx":1011,"hour":1},{"bytes_tx":110,"bytes_rx":15,"hour":2}]`, false},
		{"from=1&to=3&group_by=hour,vpc_id&order_by=vpc_id&limit=2",
			`[{"vpc_id":"v1","bytes_tx":80,"bytes_rx":1011,"hour":1},{"vpc_id":"v1","bytes_tx":50,"bytes_rx":7,"hour":2}]`, true},
		{"from=1&group_by=src_app,dest_app,vpc_id&order_by=-bytes_total&limit=1",
			`[{"src_app":"web","dest_app":"db","vpc_id":"v1","bytes_tx":60,"bytes_rx":1007}]`, true},
		{"hour=1&src_app=worker&group_by=src_app,dest_app,vpc_id,hour", rows(line[3]), false},
		{"hour=2&vpc_id=v3&group_by=src_app", `[{"src_app":"we\"b,\\","bytes_tx":60,"bytes_rx":8}]`, false},
	} {
		r := ts.do("GET", "/flows?"+c.query, "")
		if r.StatusCode != 200 || r.body != c.want {
			t.Errorf("%s: %d\n got %s\nwant %s", c.query, r.StatusCode, r.body, c.want)
		}
		if cut := r.Header.Get("Flowd-Truncated"); (cut == "true") != c.cut || cut != "" && cut != "true" {
			t.Errorf("%s: Flowd-Truncated %q", c.query, cut)
		}
	}
}

// Each format has the same rows, and says what it is.
func TestFormats(t *testing.T) {
	t.Parallel()
	ts := serveSome(t, nil)
	line := strings.Split(strings.TrimSpace(someFlows), "\n")
	for _, c := range []struct{ query, accept, contentType, want string }{
		{"hour=2&order_by=hour", "", "application/json", rows(line[5], line[4])},
		{"hour=2&order_by=hour&format=json", "text/csv", "application/json", rows(line[5], line[4])},
		{"hour=2&order_by=hour&format=ndjson", "", "application/x-ndjson", line[5] + "\n" + line[4] + "\n"},
		{"hour=2&order_by=hour", "application/jsonl", "application/jsonl", line[5] + "\n" + line[4] + "\n"},
		{"hour=2&order_by=hour&format=csv", "application/json", "text/csv; charset=utf-8",
			"src_app,dest_app,vpc_id,bytes_tx,bytes_rx,hour\r\n" + `"we""b,\",d*,v3,60,8,2` + "\r\nweb,db,v1,50,7,2\r\n"},
		{"hour=3&format=json", "", "application/json", "[]"},
		{"hour=3&format=ndjson", "", "application/x-ndjson", ""},
		{"hour=3&format=csv", "", "text/csv; charset=utf-8", "src_app,dest_app,vpc_id,bytes_tx,bytes_rx,hour\r\n"},
		{"hour=2&group_by=vpc_id&order_by=vpc_id&format=csv", "", "text/csv; charset=utf-8", "vpc_id,bytes_tx,bytes_rx\r\nv1,50,7\r\nv3,60,8\r\n"},
		{"hour=2&group_by=hour&format=csv", "", "text/csv; charset=utf-8", "bytes_tx,bytes_rx,hour\r\n110,15,2\r\n"},
		{"hour=2&group_by=hour&format=ndjson", "", "application/x-ndjson", `{"bytes_tx":110,"bytes_rx":15,"hour":2}` + "\n"},
	} {
		headers := []string{}
		if c.accept != "" {
			headers = append(headers, "Accept: "+c.accept)
		}
		r := ts.do("GET", "/flows?"+c.query, "", headers...)
		if r.StatusCode != 200 || r.body != c.want || r.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%s, Accept %q: %d, %s\n got %q\nwant %q", c.query, c.accept, r.StatusCode, r.Header.Get("Content-Type"), r.body, c.want)
		}
		if r.Header.Get("Vary") != "Accept, Accept-Encoding" {
			t.Errorf("%s: Vary %q", c.query, r.Header.Get("Vary"))
		}
	}
}

// The formats have the same rows wherever a block ends.
func TestFormatsOverBlocks(t *testing.T) {
	t.Parallel()
	e := newMany(0)
	ts := serve(t, e, nil)
	for _, n := range []int{1, 64, 65, 489, 490, 491, 492, 2000} {
		e.rows.Store(int64(n))
		text := ts.do("GET", "/flows?hour=5", "").body
		wantRows(t, text, n)
		want := strings.ReplaceAll(strings.Trim(text, "[]"), "},{", "}\n{") + "\n"
		if got := ts.do("GET", "/flows?hour=5&format=ndjson", "").body; got != want {
			t.Errorf("%d rows: NDJSON has %d bytes, want %d", n, len(got), len(want))
		}
	}
}

// What CSV holds is what its readers read, whatever the names are, and over many blocks.
func TestCSVIsRead(t *testing.T) {
	t.Parallel()
	e := newMany(20_000)
	ts := serve(t, e, nil)
	records, err := csv.NewReader(strings.NewReader(ts.do("GET", "/flows?hour=5&format=csv", "").body)).ReadAll()
	if err != nil || len(records) != 20_001 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	want := []string{"frontend-service-17", `pay"ments`, "vpc-0a1b2c3d", "20000", "1099511627776", "5"}
	if diff := cmp.Diff(want, records[1]); diff != "" {
		t.Error(diff)
	}
}

// A question that needs more rows at once than max-groups is told so, and what to do.
func TestTooManyGroups(t *testing.T) {
	t.Parallel()
	ts := serveSome(t, func(l *Limits) { l.Groups = 2 })
	refused := 0
	for query, status := range map[string]int{
		"hour=1":                                         200, // streams
		"hour=1&order_by=bytes_tx":                       400,
		"hour=1&order_by=bytes_tx&limit=2":               200,
		"hour=1&order_by=bytes_tx&limit=3":               400,
		"hour=1&limit=1":                                 200,
		"hour=1&group_by=src_app":                        200,
		"hour=1&group_by=src_app,dest_app":               400,
		"hour=1&group_by=src_app,dest_app&limit=1":       400,
		"hour=1&group_by=src_app,dest_app,vpc_id,hour":   200, // streams
		"from=1&to=3&group_by=vpc_id":                    400,
		"from=1&to=3&group_by=vpc_id&vpc_id=v1":          200,
		"hour=1&group_by=vpc_id&order_by=-bytes_total":   200,
		"hour=1&group_by=src_app,vpc_id&order_by=vpc_id": 400,
	} {
		r := ts.do("GET", "/flows?"+query, "")
		if r.StatusCode != status {
			t.Errorf("%s: %d, want %d: %s", query, r.StatusCode, status, r.body)
		} else if status == 400 {
			if p := problemIn(t, r, 400); !strings.Contains(p.Detail, "max-groups") || !strings.Contains(p.Detail, "limit") {
				t.Errorf("%s: %q", query, p.Detail)
			}
			if !strings.Contains(query, "limit=3") {
				refused++
			}
		}
	}
	if got := ts.metric(`flowd_http_requests_rejected_total{reason="too_many_groups"}`); got != itoa(refused) {
		t.Errorf("%s counted, want %d", got, refused)
	}
}

// What is found damaged while rows are added up or sorted is a plain refusal that names the hour.
func TestDamagedWhileWorkedOut(t *testing.T) {
	t.Parallel()
	ts, many := damaged(t, 5000, errDamaged)
	for _, query := range []string{
		"from=4&to=9&group_by=src_app", "from=4&to=9&order_by=hour", "from=4&to=9&group_by=src_app,hour&order_by=-hour",
	} {
		r := ts.do("GET", "/flows?"+query, "")
		if p := problemIn(t, r, 500); !strings.Contains(p.Detail, "Hour 4 cannot be answered") || strings.Contains(r.body, "parquet") {
			t.Errorf("%s: %s", query, r.body)
		}
	}
	if got := ts.metric(`flowd_http_requests_rejected_total{reason="damaged-block"}`); got != "3" || many.open.Load() != 0 {
		t.Errorf("%s counted, %d readings not closed", got, many.open.Load())
	}
}

// A range of hours may break off in any of them.
func TestDamagedInALaterHour(t *testing.T) {
	t.Parallel()
	many := newMany(400)
	ts := serve(t, &hookEngine{Engine: many, rows: func(h flow.Hour) (flow.Rows, error) {
		if h == 70 {
			return nil, errDamaged
		}
		return many.Rows(h)
	}}, nil)
	c := ts.dial()
	c.write(head("GET", "/flows?from=1&to=90"))
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r.Body); !errors.Is(err, io.ErrUnexpectedEOF) || n < 60*400*100 {
		t.Errorf("%v after %d bytes", err, n)
	}
	eventually(t, "it is counted", func() bool { return ts.metric("flowd_http_answers_broken_total") == "1" })
	if log := ts.log.String(); !strings.Contains(log, "hour 70") {
		t.Errorf("the log does not name the hour: %s", log)
	}
}
