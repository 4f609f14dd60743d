package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-json"

	"flowd/flow"
	"flowd/httpapi/answer"
)

func TestLedger(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	none := `{"flows":0,"bytes_tx":0,"bytes_rx":0}`
	account := func(received, stored, duplicate, rejected string) string {
		return `"received":` + received + `,"stored":` + stored + `,"duplicate":` + duplicate + `,"rejected":` + rejected +
			`,"expired":` + none + `,"folded":` + none
	}
	if r := ts.do("GET", "/ledger", ""); r.body != "{"+account(none, none, none, none)+`,"balanced":true,"hours":[]}` {
		t.Errorf("of nothing: %s", r.body)
	}
	key := "Idempotency-Key: k"
	ts.do("POST", "/flows", oneFlow("a", 7))
	ts.do("POST", "/flows", oneFlow("a", 1), key)
	ts.do("POST", "/flows", oneFlow("a", 1), key)
	ts.do("POST", "/flows", oneFlow("b", 1), key)
	one, three, four, two := `{"flows":1,"bytes_tx":1,"bytes_rx":2}`, `{"flows":3,"bytes_tx":3,"bytes_rx":6}`,
		`{"flows":4,"bytes_tx":4,"bytes_rx":8}`, `{"flows":2,"bytes_tx":2,"bytes_rx":4}`
	want := "{" + account(four, two, one, one) + `,"balanced":true,"hours":[` +
		`{"hour":1,` + account(three, one, one, one) + `},{"hour":7,` + account(one, one, none, none) + `}]}`
	for _, path := range []string{"/ledger", "/api/v1/ledger", "/ledger?"} {
		r := ts.do("GET", path, "")
		if r.StatusCode != 200 || r.body != want || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d\n got %s\nwant %s", path, r.StatusCode, r.body, want)
		}
	}
	if r := ts.do("HEAD", "/ledger", ""); r.StatusCode != 200 || r.ContentLength != int64(len(want)) {
		t.Errorf("HEAD: %d, Content-Length %d", r.StatusCode, r.ContentLength)
	}
	if p := problemIn(t, ts.do("GET", "/ledger?hour=1", ""), 400); !strings.Contains(p.Detail, `"hour" is not known`) {
		t.Errorf("%q", p.Detail)
	}
	problemIn(t, ts.do("POST", "/ledger", ""), 405)
}

// ledgerOf serves one account.
func ledgerOf(t *testing.T, l flow.Ledger) *testServer {
	return serve(t, &hookEngine{Engine: newTable(t), ledger: func() (flow.Ledger, error) { return l, nil }}, nil)
}

// The account is out of balance as soon as one part of it is.
func TestLedgerBalance(t *testing.T) {
	t.Parallel()
	tally := func(flows, tx, rx uint64) flow.Tally {
		return flow.Tally{Flows: flows, BytesTx: flow.Sum{Lo: tx}, BytesRx: flow.Sum{Lo: rx}}
	}
	whole := flow.Account{Received: tally(10, 100, 1000), Stored: tally(4, 40, 400), Duplicate: tally(3, 30, 300), Rejected: tally(2, 20, 200), Expired: tally(1, 10, 100)}
	for _, c := range []struct {
		name string
		more func(*flow.Account)
		want bool
	}{
		{"even", func(*flow.Account) {}, true},
		{"a flow lost", func(a *flow.Account) { a.Received.Flows++ }, false},
		{"bytes sent lost", func(a *flow.Account) { a.Received.BytesTx.Add(1) }, false},
		{"bytes received lost", func(a *flow.Account) { a.Received.BytesRx.Add(1) }, false},
		{"a flow twice", func(a *flow.Account) { a.Stored.Flows++ }, false},
		{"a duplicate too many", func(a *flow.Account) { a.Duplicate.Flows++ }, false},
		{"a rejected one too many", func(a *flow.Account) { a.Rejected.BytesRx.Add(1) }, false},
		{"an expired one too many", func(a *flow.Account) { a.Expired.BytesTx.Add(1) }, false},
		{"2^64 bytes more", func(a *flow.Account) { a.Received.BytesTx.Hi++ }, false},
		{"2^64 bytes more on both sides", func(a *flow.Account) { a.Received.BytesTx.Hi++; a.Expired.BytesTx.Hi++ }, true},
	} {
		l := flow.Ledger{Account: whole}
		c.more(&l.Account)
		r := ledgerOf(t, l).do("GET", "/ledger", "")
		if !strings.Contains(r.body, fmt.Sprintf(`,"balanced":%t,"hours":[]}`, c.want)) {
			t.Errorf("%s: %s", c.name, r.body)
		}
	}
}

// An account of many hours and of sums beyond 64 bits streams, and is JSON to its end.
func TestLedgerOfManyHours(t *testing.T) {
	t.Parallel()
	const hours = 3000
	most := flow.Sum{Hi: 1<<64 - 1, Lo: 1<<64 - 1}
	tally := flow.Tally{Flows: 1<<64 - 1, BytesTx: most, BytesRx: flow.Sum{Hi: 1}}
	account := flow.Account{Received: tally, Stored: tally, Duplicate: tally, Rejected: tally, Expired: tally}
	l := flow.Ledger{Account: account}
	for h := range hours {
		l.Hours = append(l.Hours, flow.HourAccount{Hour: flow.MaxHour - hours + flow.Hour(h), Account: account})
	}
	r := ledgerOf(t, l).do("GET", "/ledger", "")
	type want struct {
		Flows   uint64      `json:"flows"`
		BytesTx json.Number `json:"bytes_tx"`
		BytesRx json.Number `json:"bytes_rx"`
	}
	type parts struct{ Received, Stored, Duplicate, Rejected, Expired want }
	var got struct {
		parts
		Balanced *bool
		Hours    []struct {
			parts
			Hour flow.Hour
		}
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		t.Fatalf("%v: %.300s", err, r.body)
	}
	one := want{1<<64 - 1, "340282366920938463463374607431768211455", "18446744073709551616"}
	all := parts{one, one, one, one, one}
	if got.parts != all || got.Balanced == nil || len(got.Hours) != hours {
		t.Fatalf("%+v, %d hours", got.parts, len(got.Hours))
	}
	for i, h := range got.Hours {
		if h.parts != all || h.Hour != l.Hours[i].Hour {
			t.Fatalf("hour %d: %+v", i, h)
		}
	}
	if len(r.TransferEncoding) != 1 {
		t.Errorf("%d bytes in one piece", len(r.body))
	}
	if n := len(appendAccount(nil, &account)) + len(`,{"hour":2147483647,},"balanced":false,"hours":[]}`); n > answer.RowBytes {
		t.Errorf("an element of %d bytes, but there is room for %d", n, answer.RowBytes)
	}
}
