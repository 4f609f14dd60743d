package httpapi

import (
	"math"
	"strings"
	"testing"

	"flowd/flow"
	"flowd/flow/flowjson"
	"flowd/httpapi/answer"
	"flowd/httpapi/format"
	"flowd/query"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	ts := serveSome(t, nil)
	ts.do("POST", "/flows", `[{"src_app":"x","dest_app":"y","vpc_id":"z","bytes_tx":5,"bytes_rx":7,"hour":10},
		{"src_app":"same","dest_app":"y","vpc_id":"z","bytes_tx":5,"bytes_rx":7,"hour":10},
		{"src_app":"x","dest_app":"y","vpc_id":"z","bytes_tx":7,"bytes_rx":5,"hour":11},
		{"src_app":"same","dest_app":"y","vpc_id":"z","bytes_tx":5,"bytes_rx":7,"hour":11}]`)
	row := func(names, numbers, change string) string {
		n := strings.Fields(numbers)
		return `{` + names + `"bytes_tx_before":` + n[0] + `,"bytes_rx_before":` + n[1] + `,"bytes_tx_after":` + n[2] +
			`,"bytes_rx_after":` + n[3] + `,"difference":` + n[4] + `,"change":"` + change + `"}`
	}
	tuple := func(src, dest, vpc string) string {
		return `"src_app":"` + src + `","dest_app":"` + dest + `","vpc_id":"` + vpc + `",`
	}
	shrunk := row(tuple("web", "db", "v1"), "10 1000 50 7 -953", "shrunk")
	fresh := row(tuple(`we\"b,\\`, "d*", "v3"), "0 0 60 8 68", "new")
	worker := row(tuple("worker", "db", "v1"), "40 6 0 0 -46", "gone")
	cache := row(tuple("web", "cache", "v1"), "30 5 0 0 -35", "gone")
	second := row(tuple("web", "db", "v2"), "20 0 0 0 -20", "gone")
	for _, c := range []struct {
		query, want string
		cut         bool
	}{
		{"a=1&b=2", rows(shrunk, fresh, worker, cache, second), false},
		{"a=1&b=2&limit=2", rows(shrunk, fresh), true},
		{"a=1&b=2&order_by=-difference&limit=2", rows(fresh, second), true},
		{"a=1&b=2&order_by=difference", rows(shrunk, worker, cache, second, fresh), false},
		{"a=1&b=2&src_app=w*&dest_app=db&vpc_id=v2&vpc_id=v3", rows(second), false},
		{"a_from=1&a_to=2&b_from=2&b_to=3", rows(shrunk, fresh, worker, cache, second), false},
		{"a_from=1970-01-01T01:00:00Z&a_to=1970-01-01T01:30:00Z&b=2&vpc_id=v3", rows(fresh), false},
		{"a=2&b_from=1&b_to=3&vpc_id=v1&src_app=web&group_by=dest_app&order_by=-difference",
			rows(row(`"dest_app":"db",`, "50 7 60 1007 1010", "grown"), row(`"dest_app":"cache",`, "0 0 30 5 35", "new")), false},
		{"a=1&b=2&group_by=vpc_id,src_app&vpc_id=v1&src_app=web", rows(row(`"src_app":"web","vpc_id":"v1",`, "40 1005 50 7 -988", "shrunk")), false},
		{"a=10&b=11", rows(row(tuple("x", "y", "z"), "5 7 7 5 0", "shifted")), false},
		{"a=1&b=1", "[]", false},
		{"a=1&b=2&vpc_id=v3&format=ndjson", fresh + "\n", false},
		{"a=1&b=2&vpc_id=v3&vpc_id=v2&format=csv", "src_app,dest_app,vpc_id,bytes_tx_before,bytes_rx_before,bytes_tx_after,bytes_rx_after,difference,change\r\n" +
			`"we""b,\",d*,v3,0,0,60,8,68,new` + "\r\nweb,db,v2,20,0,0,0,-20,gone\r\n", false},
	} {
		r := ts.do("GET", "/diff?"+c.query, "")
		if r.StatusCode != 200 || r.body != c.want || (r.Header.Get("Flowd-Truncated") == "true") != c.cut {
			t.Errorf("%s: %d, truncated %q\n got %s\nwant %s", c.query, r.StatusCode, r.Header.Get("Flowd-Truncated"), r.body, c.want)
		}
	}
}

func TestPairs(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	ts.do("POST", "/flows", `[{"src_app":"b","dest_app":"a","vpc_id":"v1","bytes_tx":5,"bytes_rx":1,"hour":1},
		{"src_app":"a","dest_app":"b","vpc_id":"v1","bytes_tx":1,"bytes_rx":6,"hour":1},
		{"src_app":"a","dest_app":"c,","vpc_id":"v2","bytes_tx":100,"bytes_rx":100,"hour":1},
		{"src_app":"c,","dest_app":"a","vpc_id":"v2","bytes_tx":100,"bytes_rx":100,"hour":1},
		{"src_app":"b","dest_app":"a","vpc_id":"v1","bytes_tx":2,"bytes_rx":0,"hour":2}]`)
	first := `{"app_a":"a","app_b":"b","vpc_id":"v1","a_to_b_sent":1,"a_to_b_received":1,"b_to_a_sent":5,"b_to_a_received":6,"disagreement":1,"reported_by":"both"}`
	second := `{"app_a":"a","app_b":"c,","vpc_id":"v2","a_to_b_sent":100,"a_to_b_received":100,"b_to_a_sent":100,"b_to_a_received":100,"disagreement":0,"reported_by":"both"}`
	for _, c := range []struct {
		query, want string
		cut         bool
	}{
		{"hour=1", rows(first, second), false},
		{"hour=1&order_by=-disagreement&limit=1", rows(first), true},
		{"hour=1&order_by=-bytes_total", rows(second, first), false},
		{"hour=1&app=b", rows(first), false},
		{"hour=1&app=c*", rows(second), false},
		{"hour=1&app=a", rows(first, second), false},
		{"hour=1&app=b&app=c*&vpc_id=v2", rows(second), false},
		{"hour=1&vpc_id=v*", rows(first, second), false},
		{"from=1&to=3&vpc_id=v1", rows(strings.Replace(first, `"b_to_a_sent":5`, `"b_to_a_sent":7`, 1)), false},
		{"hour=3", "[]", false},
		{"hour=1&app=b&format=ndjson", first + "\n", false},
		{"hour=1&app=c*&format=csv", "app_a,app_b,vpc_id,a_to_b_sent,a_to_b_received,b_to_a_sent,b_to_a_received,disagreement,reported_by\r\n" +
			`a,"c,",v2,100,100,100,100,0,both` + "\r\n", false},
	} {
		r := ts.do("GET", "/pairs?"+c.query, "")
		if r.StatusCode != 200 || r.body != c.want || (r.Header.Get("Flowd-Truncated") == "true") != c.cut {
			t.Errorf("%s: %d, truncated %q\n got %s\nwant %s", c.query, r.StatusCode, r.Header.Get("Flowd-Truncated"), r.body, c.want)
		}
	}
	for by, want := range map[[2]bool]string{{true, true}: "both", {true, false}: "a", {false, true}: "b"} {
		if got := reportedBy(&query.PairRow{ReportedByA: by[0], ReportedByB: by[1]}); got != want {
			t.Errorf("reported by %v: %s, want %s", by, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	ts := serveSome(t, nil)
	for _, c := range []struct {
		query, want string
		cut         bool
	}{
		{"field=src_app&from=1&to=3", `["we\"b,\\","web","worker"]`, false},
		{"field=src_app&from=1&to=3&limit=2", `["we\"b,\\","web"]`, true},
		{"field=src_app&from=1&to=3&limit=3", `["we\"b,\\","web","worker"]`, false},
		{"field=src_app&from=1&to=3&prefix=web", `["web"]`, false},
		{"field=src_app&from=1&to=3&prefix=", `["we\"b,\\","web","worker"]`, false},
		{"field=vpc_id&hour=1", `["v1","v2"]`, false},
		{"field=dest_app&hour=1&src_app=worker", `["db"]`, false},
		{"field=dest_app&hour=1&src_app=web&vpc_id=v1&dest_app=c*", `["cache"]`, false},
		{"field=dest_app&hour=3", `[]`, false},
		{"field=src_app", `["we\"b,\\","web","worker"]`, false},
	} {
		r := ts.do("GET", "/names?"+c.query, "")
		if r.StatusCode != 200 || r.body != c.want || (r.Header.Get("Flowd-Truncated") == "true") != c.cut {
			t.Errorf("%s: %d, truncated %q\n got %s\nwant %s", c.query, r.StatusCode, r.Header.Get("Flowd-Truncated"), r.body, c.want)
		}
		if r.Header.Get("Vary") != "Accept-Encoding" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", c.query, r.Header)
		}
	}
}

// Without hours names are those of the newest 24 hours that there are, however far apart they lie.
func TestNewestHours(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	if r := ts.do("GET", "/names?field=src_app", ""); r.body != "[]" {
		t.Errorf("%s", r.body)
	}
	var body strings.Builder
	for i := range 30 {
		body.WriteString(cut(oneFlow("app-"+itoa(100+i), 1000*i*i), 1)[1:] + "\n")
	}
	if r := ts.do("POST", "/flows", body.String(), asNDJSON); r.StatusCode != 200 {
		t.Fatalf("%d: %s", r.StatusCode, r.body)
	}
	got := ts.do("GET", "/names?field=src_app", "").body
	if !strings.HasPrefix(got, `["app-106","app-107"`) || !strings.HasSuffix(got, `"app-129"]`) {
		t.Errorf("%s", got)
	}
	if got := ts.do("GET", "/names?field=src_app&limit=10000&from=0", "").body; strings.Count(got, "app-") != 30 {
		t.Errorf("%s", got)
	}
}

func TestNewestHoursFail(t *testing.T) {
	t.Parallel()
	e := &hookEngine{Engine: newTable(t), labels: func() ([]flow.Hour, error) {
		return nil, &flow.UnavailableError{Reason: "too-busy", Detail: "Ask later."}
	}}
	ts := serve(t, e, nil)
	for _, target := range []string{"/names?field=src_app", "/flows?from=1", "/diff?a=1&b=2", "/pairs?hour=1"} {
		if p := problemIn(t, ts.do("GET", target, ""), 503); p.Detail != "Ask later." {
			t.Errorf("%s: %q", target, p.Detail)
		}
	}
}

// Reads share what max-queries allows, and what max-groups does.
func TestReadsAreBounded(t *testing.T) {
	t.Parallel()
	ts := serveSome(t, func(l *Limits) { l.Groups = 1 })
	for _, target := range []string{"/diff?a=1&b=2", "/diff?a=1&b=2&group_by=src_app,dest_app", "/pairs?hour=1"} {
		if p := problemIn(t, ts.do("GET", target, ""), 400); !strings.Contains(p.Detail, "max-groups") {
			t.Errorf("%s: %q", target, p.Detail)
		}
	}
	limits := ts.limits
	limits.Queries = 0
	ts.SetLimits(limits)
	for _, target := range []string{"/flows?hour=1", "/diff?a=1&b=2", "/pairs?hour=1", "/names?field=vpc_id", "/hours", "/ledger"} {
		if p := problemIn(t, ts.do("GET", target, ""), 503); !strings.Contains(p.Detail, "max-queries") {
			t.Errorf("%s: %q", target, p.Detail)
		}
	}
}

// The longest element that any answer has fits the room of a block, with what may be written behind it.
func TestLongestElements(t *testing.T) {
	t.Parallel()
	name := strings.Repeat(`"`, flow.MaxName)
	key := flow.AppendKey(nil, name, name, name)
	most := flow.Totals{BytesTx: math.MaxUint64, BytesRx: math.MaxUint64}
	all := flow.Sum{Hi: math.MaxUint64, Lo: math.MaxUint64}
	tally := flow.Tally{Flows: math.MaxUint64, BytesTx: all, BytesRx: all}
	account := flow.Account{Received: tally, Stored: tally, Duplicate: tally, Rejected: tally, Expired: tally}
	row := flow.Row{Key: key, Totals: most, Hour: flow.MaxHour}
	diff := query.DiffRow{Key: key, Before: most}
	pair := query.PairRow{
		A: []byte(name), B: []byte(name), VPC: []byte(name),
		SentByA: math.MaxUint64, ReceivedByB: 0, SentByB: math.MaxUint64, ReportedByA: true, ReportedByB: true,
	}
	texts := map[string][]byte{
		"flow":    flowjson.AppendRow(nil, &row),
		"account": writeHourAccount(&flow.HourAccount{Hour: flow.MaxHour, Account: account}, nil),
		"hour":    writeHour(&flow.HourTotals{Hour: flow.MaxHour, Tuples: math.MaxUint64, Flows: math.MaxUint64, Totals: most}, nil),
		"name":    writeName(&name, nil),
	}
	for _, in := range []format.Format{format.JSON, format.CSV} {
		l := newRowLine(&query.Query{}, in)
		texts["row in "+format.Names[in]] = l.write(&row, nil)
		texts["header in "+format.Names[in]] = []byte(l.Header)
		d := newDiffLine(&query.DiffQuery{GroupBy: flow.AllFields}, in)
		texts["diff in "+format.Names[in]] = d.write(&diff, nil)
		texts["diff header in "+format.Names[in]] = []byte(d.Header)
		p := newPairLine(in)
		texts["pair in "+format.Names[in]] = p.write(&pair, nil)
		texts["pair header in "+format.Names[in]] = []byte(p.Header)
	}
	for what, text := range texts {
		if n := len(text) + len(",]}\r\n\r\n"); n > answer.RowBytes {
			t.Errorf("%s: %d bytes, but there is room for %d", what, n, answer.RowBytes)
		}
	}
	if got := string(newDiffLine(&query.DiffQuery{}, format.JSON).write(&diff, nil)); !strings.Contains(got, `"difference":-36893488147419103230,`) {
		t.Errorf("%s", got)
	}
	if got := string(newPairLine(format.CSV).write(&pair, nil)); !strings.Contains(got, ",36893488147419103230,") {
		t.Errorf("%s", got)
	}
}

// partlyExpired is an engine of which one hour had expired before the flows came that it has.
func partlyExpired(t *testing.T, hour flow.Hour) *hookEngine {
	table := newTable(t)
	return &hookEngine{
		Engine:  table,
		partial: func(from, to flow.Hour) bool { return from <= hour && hour < to },
		hours: func() ([]flow.HourTotals, error) {
			hours, err := table.Hours()
			for i := range hours {
				hours[i].ExpiredBefore = hours[i].Hour == hour
			}
			return hours, err
		},
		ledger: func() (flow.Ledger, error) {
			l, err := table.Ledger()
			for i := range l.Hours {
				l.Hours[i].ExpiredBefore = l.Hours[i].Hour == hour
			}
			return l, err
		},
	}
}

// An hour that had expired before its flows came says so wherever its bytes are told.
func TestExpiredBefore(t *testing.T) {
	t.Parallel()
	ts := newServer(t, partlyExpired(t, 5), nil)
	ts.gate = gateOf(t)
	ts.run()
	for _, hour := range []int{4, 5} {
		ts.do("POST", "/flows", strings.Replace(oneFlow("a", hour), `"v"`, `"vpc-a"`, 1), bearing(writeToken))
	}
	const header = "Flowd-Expired-Before"
	for target, want := range map[string]string{
		"/flows?hour=4": "", "/flows?hour=5": "true", "/flows?from=0&to=5": "", "/flows?from=4&to=6&group_by=vpc_id": "true", "/flows?from=3": "true",
		"/diff?a=5&b=4": "true", "/diff?a=4&b=5": "true", "/diff?a=3&b=4": "", "/pairs?hour=5": "true", "/pairs?hour=4": "",
	} {
		r := ts.do("GET", target, "", bearing(readToken))
		if got := r.Header.Get(header); r.StatusCode != 200 || got != want {
			t.Errorf("%s: %d, %s %q, want %q", target, r.StatusCode, header, got, want)
		}
	}
	tag := ts.do("GET", "/flows?hour=5", "", bearing(readToken)).Header.Get("Etag")
	if r := ts.do("GET", "/flows?hour=5", "", bearing(readToken), "If-None-Match: "+tag); r.StatusCode != 304 || r.Header.Get(header) != "true" {
		t.Errorf("unchanged: %d, %q", r.StatusCode, r.Header.Get(header))
	}
	for _, token := range []string{readToken, boundToken} {
		body := ts.do("GET", "/hours", "", bearing(token)).body
		if strings.Count(body, `"expired_before":true}`) != 1 || !strings.HasSuffix(body, `"expired_before":true}]`) {
			t.Errorf("/hours: %s", body)
		}
	}
	if body := ts.do("GET", "/ledger", "", bearing(readToken)).body; strings.Count(body, `"expired_before":true`) != 1 {
		t.Errorf("/ledger: %s", body)
	}
}
