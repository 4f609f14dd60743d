package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"flowd/flow"
)

// damagedRows end with an error after some rows.
type damagedRows struct {
	manyRows
	err error
}

func (r *damagedRows) Err() error {
	if r.left > 0 {
		return nil
	}
	return r.err
}

var errDamaged = errors.New("block: hours/hour=5/00000001.parquet: checksum differs")

// damaged serves an engine whose hours end with err after n rows; with n below zero they cannot
// be opened at all.
func damaged(t *testing.T, n int, err error) (*testServer, *manyEngine) {
	many := newMany(n)
	return serve(t, &hookEngine{Engine: many, rows: func(h flow.Hour) (flow.Rows, error) {
		if n < 0 {
			return nil, err
		}
		return &damagedRows{manyRows: *many.many(h), err: err}, nil
	}}, nil), many
}

// An hour that is found damaged before anything was sent is a plain refusal.
func TestDamagedAtTheStart(t *testing.T) {
	t.Parallel()
	refused := fmt.Errorf("local: %w", &flow.UnavailableError{Reason: "too-busy", Detail: "Ask later."})
	for _, c := range []struct {
		rows   int
		err    error
		status int
		reason string
		says   string
	}{
		{-1, errDamaged, 500, "damaged-block", "Hour 5 cannot be answered: its file"},
		{0, errDamaged, 500, "damaged-block", "should run flowd verify"},
		{1, errDamaged, 500, "damaged-block", "Hour 5 cannot"},
		{64, errDamaged, 500, "damaged-block", "Hour 5 cannot"},
		{400, errDamaged, 500, "damaged-block", "Hour 5 cannot"},
		{-1, refused, 503, "too-busy", "Ask later."},
		{100, refused, 503, "too-busy", "Ask later."},
	} {
		t.Run(fmt.Sprint(c.rows, c.reason), func(t *testing.T) {
			ts, many := damaged(t, c.rows, c.err)
			get := head("GET", "/flows?hour=5")
			for _, raw := range []string{get, get, "GET /flows?hour=5 HTTP/1.0\r\n\r\n"} {
				conn := ts.dial()
				conn.write(raw)
				r := conn.read("GET")
				p := problemIn(t, r, c.status)
				if !strings.Contains(p.Detail, c.says) || strings.Contains(r.body, "parquet") || strings.Contains(r.body, "src_app") {
					t.Errorf("%s", r.body)
				}
			}
			if r := ts.do("HEAD", "/flows?hour=5", ""); r.StatusCode != c.status {
				t.Errorf("HEAD: %d", r.StatusCode)
			}
			if got := ts.metric(`flowd_http_requests_rejected_total{reason="` + c.reason + `"}`); got != "4" {
				t.Errorf("%q counted, want 4", got)
			}
			if logged := strings.Contains(ts.log.String(), "checksum differs"); logged != (c.status == 500) {
				t.Errorf("the error is in the log: %t", logged)
			}
			if many.open.Load() != 0 {
				t.Errorf("%d readings were not closed", many.open.Load())
			}
		})
	}
}

// An hour that is found damaged when a part of it is sent must not look whole.
func TestDamagedInTheMiddle(t *testing.T) {
	t.Parallel()
	const perBlock = 500 // about
	for _, rows := range []int{2 * perBlock, 5 * perBlock, 50_000} {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(version+"-"+itoa(rows), func(t *testing.T) {
				ts, many := damaged(t, rows, errDamaged)
				c := ts.dial()
				c.write("GET /flows?hour=5 HTTP/" + version + "\r\nHost: test\r\n\r\n")
				r, err := http.ReadResponse(c.r, nil)
				switch {
				case version == "1.0" && errors.Is(err, syscall.ECONNRESET):
					// The reset took even the beginning away.
				case err != nil:
					t.Fatal(err)
				default:
					text, err := io.ReadAll(r.Body)
					if version == "1.1" && err != io.ErrUnexpectedEOF || version == "1.0" && !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("%v after %d bytes", err, len(text))
					}
					if r.StatusCode != 200 || strings.HasSuffix(string(text), "]") {
						t.Errorf("%d, %d bytes that end in ]", r.StatusCode, len(text))
					}
				}
				eventually(t, "it is counted and given up", func() bool {
					return ts.metric("flowd_http_answers_broken_total") == "1" && ts.metric("flowd_http_queries") == "0" && many.open.Load() == 0
				})
				log := ts.log.String()
				for _, want := range []string{"level=ERROR", "answer broken off", "checksum differs", `target="/flows?hour=5"`} {
					if !strings.Contains(log, want) {
						t.Errorf("the log lacks %q: %s", want, log)
					}
				}
				if got := ts.metric("flowd_http_answers_cut_total"); got != "0" {
					t.Errorf("%s answers counted as not taken by the client", got)
				}
			})
		}
	}
}

// Hours and the account may fail to be found, too.
func TestQuestionsFail(t *testing.T) {
	t.Parallel()
	err := errors.New("open /secret: bad file")
	e := &hookEngine{
		Engine: newTable(t),
		hours:  func() ([]flow.HourTotals, error) { return nil, err },
		ledger: func() (flow.Ledger, error) { return flow.Ledger{}, err },
	}
	ts := serve(t, e, nil)
	for _, path := range []string{"/hours", "/ledger"} {
		r := ts.do("GET", path, "")
		if p := problemIn(t, r, 500); !strings.Contains(p.Detail, "a fault of its own") || strings.Contains(r.body, "secret") {
			t.Errorf("%s: %q", path, p.Detail)
		}
	}
	if got := ts.metric(`flowd_http_requests_rejected_total{reason="failed"}`); got != "2" {
		t.Errorf("%q counted, want 2", got)
	}
	if log := ts.log.String(); strings.Count(log, "open /secret: bad file") != 2 {
		t.Errorf("the log lacks the error: %s", log)
	}
}
