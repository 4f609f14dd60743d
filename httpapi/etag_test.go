package httpapi

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"flowd/flow"
	"flowd/httpapi/format"
	"flowd/httpapi/params"
)

// A client that has the answer is told so until the hour changes.
func TestNotModified(t *testing.T) {
	t.Parallel()
	ts := serveSome(t, nil)
	first := ts.do("GET", "/flows?hour=1", "")
	tag := first.Header.Get("ETag")
	if first.StatusCode != 200 || !strings.HasPrefix(tag, `W/"`) {
		t.Fatalf("%d, ETag %q", first.StatusCode, tag)
	}
	strong := strings.TrimPrefix(tag, "W/")
	for _, c := range []struct {
		match string // values are divided by |
		has   bool
	}{
		{tag, true},
		{strong, true},
		{"*", true},
		{" * ", true},
		{`"other", ` + tag, true},
		{`W/"other",` + strong + `, "third"`, true},
		{`"a,b",,, ` + tag, true},
		{`"other"|` + tag, true},
		{`"other"`, false},
		{`W/"other"`, false},
		{strings.Trim(strong, `"`), false},
		{strings.TrimSuffix(tag, `"`), false},
		{`"` + strings.Trim(strong, `"`) + `x"`, false},
		{`*, "other"`, false},
		{`"open, ` + tag, false},
		{"", false},
		{"W/", false},
		{`"`, false},
	} {
		var headers []string
		for value := range strings.SplitSeq(c.match, "|") {
			headers = append(headers, "If-None-Match: "+value)
		}
		for _, method := range []string{"GET", "HEAD"} {
			r := ts.do(method, "/flows?hour=1", "", headers...)
			switch {
			case !c.has && r.StatusCode != 200, c.has && r.StatusCode != 304:
				t.Errorf("%s with %q: %d", method, c.match, r.StatusCode)
			case r.Header.Get("ETag") != tag || r.Header.Get("Vary") != "Accept, Accept-Encoding":
				t.Errorf("%s with %q: ETag %q, Vary %q", method, c.match, r.Header.Get("ETag"), r.Header.Get("Vary"))
			case c.has && (r.body != "" || r.Header.Get("Content-Type") != "" || r.Header.Get("Content-Length") != ""):
				t.Errorf("%s with %q: %d bytes, %v", method, c.match, len(r.body), r.Header)
			}
		}
	}

	for _, target := range []string{"/flows?hour=1&format=csv", "/flows?hour=1&limit=1", "/flows?hour=2", "/flows?hour=1&src_app=web"} {
		if r := ts.do("GET", target, "", "If-None-Match: "+tag); r.StatusCode != 200 || r.Header.Get("ETag") == tag {
			t.Errorf("%s: %d, ETag %q", target, r.StatusCode, r.Header.Get("ETag"))
		}
	}
	for _, headers := range [][]string{{"Accept: text/csv"}, {"Accept: application/jsonl"}} {
		if r := ts.do("GET", "/flows?hour=1", "", append(headers, "If-None-Match: "+tag)...); r.StatusCode != 200 {
			t.Errorf("%q: %d", headers, r.StatusCode)
		}
	}
	// A weak tag stands for every encoding.
	if r := ts.do("GET", "/flows?hour=1", "", "Accept-Encoding: gzip", "If-None-Match: "+tag); r.StatusCode != 304 {
		t.Errorf("with gzip: %d", r.StatusCode)
	}
	for _, target := range []string{"/flows?from=1&to=3", "/flows?from=1", "/hours"} {
		if r := ts.do("GET", target, "", "If-None-Match: *"); r.StatusCode != 200 || r.Header.Get("ETag") != "" {
			t.Errorf("%s: %d, ETag %q", target, r.StatusCode, r.Header.Get("ETag"))
		}
	}
	if r := ts.do("GET", "/flows?hour=1&limit=0", "", "If-None-Match: *"); r.StatusCode != 400 || r.Header.Get("ETag") != "" {
		t.Errorf("a bad question: %d, ETag %q", r.StatusCode, r.Header.Get("ETag"))
	}

	ts.do("POST", "/flows", oneFlow("new", 1))
	changed := ts.do("GET", "/flows?hour=1", "", "If-None-Match: "+tag)
	if changed.StatusCode != 200 || changed.Header.Get("ETag") == tag || !strings.Contains(changed.body, `"new"`) {
		t.Errorf("changed: %d, ETag %q: %s", changed.StatusCode, changed.Header.Get("ETag"), changed.body)
	}
}

// To be told that nothing changed takes no place among the reads under way.
func TestNotModifiedTakesNoPlace(t *testing.T) {
	t.Parallel()
	ts := serve(t, newMany(20_000), func(l *Limits) { l.Queries = 1 })
	busy := ts.dial()
	busy.write(head("GET", "/flows?hour=5"))
	if _, err := busy.r.Peek(1); err != nil {
		t.Fatal(err)
	}
	if r := ts.do("GET", "/flows?hour=6", "", "If-None-Match: *"); r.StatusCode != 304 {
		t.Errorf("%d", r.StatusCode)
	}
	problemIn(t, ts.do("GET", "/flows?hour=6", "", `If-None-Match: "other"`), 503)
	wantRows(t, busy.read("GET").body, 20_000)
}

// The version is older than the rows, if they differ: a tag that is newer than its rows would hide
// what came between them for ever.
func TestVersionIsReadFirst(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	rowsRead := false
	e := &hookEngine{Engine: table, version: func(h flow.Hour) (uint64, error) {
		if rowsRead {
			t.Error("the rows were read before the version")
		}
		return 1, nil
	}, rows: func(h flow.Hour) (flow.Rows, error) {
		rowsRead = true
		return table.Rows(h)
	}}
	ts := serve(t, e, nil)
	if r := ts.do("GET", "/flows?hour=1", ""); r.StatusCode != 200 || !rowsRead {
		t.Errorf("%d", r.StatusCode)
	}
}

func TestVersionFails(t *testing.T) {
	t.Parallel()
	err := errors.New("open /secret: bad file")
	e := &hookEngine{Engine: newTable(t), version: func(flow.Hour) (uint64, error) { return 0, err }}
	ts := serve(t, e, nil)
	if r := ts.do("GET", "/flows?hour=1", ""); strings.Contains(r.body, "secret") {
		t.Errorf("%s", r.body)
	} else {
		problemIn(t, r, 500)
	}
	err = &flow.UnavailableError{Reason: "too-busy", Detail: "Ask later."}
	if p := problemIn(t, ts.do("GET", "/flows?hour=1", ""), 503); p.Detail != "Ask later." {
		t.Errorf("%q", p.Detail)
	}
}

// A poller that asks for a finished hour all day must cost hardly anything.
func TestNotModifiedAllocatesLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := newServer(t, &nullEngine{}, nil).Server
	ctx := onConn(s)
	allocated := testing.AllocsPerRun(1000, func() {
		ctx.Request.Reset()
		ctx.Response.Reset()
		ctx.Request.SetRequestURI("/flows?hour=5")
		ctx.Request.Header.Set("If-None-Match", "*")
		s.http.Handler(ctx)
	})
	if code := ctx.Response.StatusCode(); code != 304 || allocated > 5 {
		t.Errorf("status %d with %v allocations", code, allocated)
	}
}

// Questions that mean the same have the same tag; others, formats and versions have others.
func TestTags(t *testing.T) {
	t.Parallel()
	tag := func(version uint64, in, raw string) string {
		q := params.Question{MaxGroups: 1000}
		if p := params.Read([]byte(raw), params.Flows, &q); p != nil {
			t.Fatal(p.Detail)
		}
		asked, p := q.Flows()
		if p != nil {
			t.Fatal(p.Detail)
		}
		text := string(appendTag(nil, version, &asked, format.TypeOf([][]byte{[]byte(in)}, format.Any)))
		if len(text) > maxTag || !strings.HasPrefix(text, `W/"`) || strings.ContainsAny(text[3:len(text)-1], `", `) {
			t.Errorf("%s is no entity tag", text)
		}
		return text
	}
	for _, same := range [][]string{
		{"hour=5", "from=5&to=6", "hour=005", "hour=5&src_app=*", "hour=5&src_app=*&src_app=a", "hour=5&group_by=hour,vpc_id,dest_app,src_app",
			"from=1970-01-01T05:00:00Z&to=1970-01-01T05:10:00Z"},
		{"hour=5&src_app=a&src_app=b&vpc_id=v*", "vpc_id=v*&src_app=b&hour=5&src_app=a&src_app=b"},
		{"hour=5&group_by=src_app,vpc_id", "hour=5&group_by=vpc_id,src_app"},
	} {
		for _, other := range same[1:] {
			if tag(1, "", same[0]) != tag(1, "", other) {
				t.Errorf("%s and %s have different tags", same[0], other)
			}
		}
	}
	seen := map[string]string{}
	for _, version := range []uint64{0, 1, 1<<64 - 1} {
		for _, in := range []string{"application/json", "application/x-ndjson", "application/jsonl", "text/csv"} {
			for _, raw := range []string{
				"hour=5", "hour=6", "hour=5&src_app=a", "hour=5&dest_app=a", "hour=5&src_app=a*", "hour=5&src_app=a&src_app=b", "hour=5&src_app=ab",
				"hour=5&group_by=src_app", "hour=5&group_by=hour", "hour=5&group_by=src_app,hour", "hour=5&limit=1", "hour=5&limit=2",
				"hour=5&order_by=hour", "hour=5&order_by=-hour", "hour=5&order_by=bytes_tx",
			} {
				text, asked := tag(version, in, raw), fmt.Sprint(version, in, raw)
				if before, known := seen[text]; known {
					t.Errorf("%s and %s have the same tag", asked, before)
				}
				seen[text] = asked
			}
		}
	}
}
