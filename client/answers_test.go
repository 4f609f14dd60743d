package client

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAnswers sends 3 batches of 10 flows, one after another, to servers that fail the first POST in
// different ways.
func TestAnswers(t *testing.T) {
	in90Seconds := time.Date(2000, 1, 1, 0, 1, 30, 0, time.UTC).Format(http.TimeFormat) // synctest starts at 2000
	all := Stats{Added: 30, Stored: Count{3, 30}, Posts: 4, Retries: 1}
	duplicate := all
	duplicate.Duplicate = Count{1, 10}
	without := func(change func(*Stats)) Stats {
		s := Stats{Added: 30, Stored: Count{2, 20}, Posts: 3}
		change(&s)
		return s
	}
	refused := without(func(s *Stats) { s.Refused = Count{1, 10} })
	inDoubt := without(func(s *Stats) { s.InDoubt = Count{1, 10} })
	vpc := textAnswer(403, `{"title":"Forbidden","errors":[{"pointer":"/3/vpc_id","detail":"is not yours"}]}`, "Content-Type", "application/problem+json; charset=utf-8")
	for _, test := range []struct {
		name    string
		fault   fault
		want    Stats
		minTime time.Duration
		maxTime time.Duration
		reason  string // of the refused batch or the retry
	}{
		{"no connection", fault{noConnection: true}, all, defaultMinBackoff / 2, defaultMinBackoff, "no connection: "},
		{"hung up before it counted", fault{hangUp: true}, all, defaultMinBackoff / 2, defaultMinBackoff, "no answer: "},
		{"hung up after it counted", fault{hangUp: true, counts: true}, duplicate, defaultMinBackoff / 2, defaultMinBackoff, "no answer: "},
		{"no answer in time", fault{noAnswer: true}, all, 30*time.Second + defaultMinBackoff/2, 30*time.Second + defaultMinBackoff, "deadline exceeded"},
		{"503 in seconds", fault{answer: problemAnswer(503, "busy", "Retry-After", "20")}, all, 20 * time.Second, 25 * time.Second, "the server answered 503: Service Unavailable: busy"},
		{"503 without a time", fault{answer: textAnswer(503, "<html>")}, all, defaultMinBackoff / 2, defaultMinBackoff, "the server answered 503"},
		{"503 with an odd time", fault{answer: textAnswer(503, "", "Retry-After", "-5")}, all, defaultMinBackoff / 2, defaultMinBackoff, "503"},
		{"503 for days", fault{answer: textAnswer(503, "", "Retry-After", "999999")}, all, maxRetryAfter, maxRetryAfter + 30*time.Second, "503"},
		{"429 until a date", fault{answer: textAnswer(429, "", "Retry-After", in90Seconds)}, all, 90 * time.Second, 113 * time.Second, "429"},
		{"429 until a date of another clock", fault{answer: textAnswer(429, "", "Retry-After", in90Seconds, "Date", "Sat, 01 Jan 2000 00:01:20 GMT")}, all, 10 * time.Second, 13 * time.Second, "429"},
		{"429 until a date that is past", fault{answer: textAnswer(429, "", "Retry-After", "Sat, 01 Jan 2000 00:00:00 GMT")}, all, defaultMinBackoff / 2, defaultMinBackoff, "429"},
		{"500 before it counted", fault{answer: problemAnswer(500, "oh")}, all, defaultMinBackoff / 2, defaultMinBackoff, "500"},
		{"500 after it counted", fault{answer: problemAnswer(500, "oh"), counts: true}, duplicate, defaultMinBackoff / 2, defaultMinBackoff, "500"},
		{"502", fault{answer: textAnswer(502, "", "Retry-After", "2"), counts: true}, duplicate, 2 * time.Second, 3 * time.Second, "502"},
		{"200 of another server", fault{answer: textAnswer(200, "<html>")}, all, defaultMinBackoff / 2, defaultMinBackoff, `not as flowd does: "<html>"`},
		{"200 cut short", fault{answer: textAnswer(200, `{"acc`), counts: true}, duplicate, defaultMinBackoff / 2, defaultMinBackoff, "not as flowd does"},
		{"204", fault{answer: textAnswer(204, "")}, all, defaultMinBackoff / 2, defaultMinBackoff, "204"},
		{"redirect", fault{answer: textAnswer(307, "", "Location", "http://elsewhere.test/")}, all, defaultMinBackoff / 2, defaultMinBackoff, "the server answered 307"},
		{"401", fault{answer: problemAnswer(401, "The token is not known.")}, all, defaultMinBackoff / 2, defaultMinBackoff, "401: Unauthorized: The token is not known."},
		{"403 without places", fault{answer: problemAnswer(403, "The token may not send.")}, all, defaultMinBackoff / 2, defaultMinBackoff, "may not send"},
		{"404", fault{answer: problemAnswer(404, "no such path")}, all, defaultMinBackoff / 2, defaultMinBackoff, "404"},
		{"408", fault{answer: problemAnswer(408, "too slow")}, all, defaultMinBackoff / 2, defaultMinBackoff, "408"},
		{"400 of a proxy", fault{answer: textAnswer(400, "Client sent an HTTP request to an HTTPS server.", "Content-Type", "text/plain")}, all, defaultMinBackoff / 2, defaultMinBackoff, "400"},
		{"400", fault{answer: problemAnswer(400, "The batch has errors.")}, refused, 0, 0, "400: Bad Request: The batch has errors."},
		{"403 with places", fault{answer: vpc}, refused, 0, 0, "/3/vpc_id is not yours"},
		{"413", fault{answer: textAnswer(413, "<html>")}, refused, 0, 0, "413"},
		{"415", fault{answer: problemAnswer(415, "")}, refused, 0, 0, "415"},
		{"422", fault{answer: problemAnswer(422, "with other flows")}, refused, 0, 0, "422"},
		{"409", fault{answer: problemAnswer(409, "not known any more"), counts: true}, inDoubt, 0, 0, "409"},
		{"200 for fewer flows", fault{answer: textAnswer(200, `{"accepted":9,"duplicate":false}`), counts: true}, inDoubt, 0, 0, "accepted 9 flows, but the batch has 10"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemoryServer()
				s.fault = func(post int, _ *http.Request) fault {
					if post == 1 {
						return test.fault
					}
					return fault{}
				}
				var reasons []string
				o := s.options()
				o.Refused = func(r *RefusedBatch) {
					reasons = append(reasons, r.Reason)
					if r.Flows != 10 || r.Seq != 1 || !strings.HasPrefix(r.Agent, "web-1.") || !strings.HasPrefix(string(r.Body), `[{"src_app":"a0"`) ||
						r.File != "" || r.InDoubt != (test.want.InDoubt.Batches > 0) {
						t.Errorf("%+v", r)
					}
				}
				o.Retrying = func(a *Attempt) {
					reasons = append(reasons, a.Reason)
					if a.Flows != 10 || a.Seq != 1 || a.Tries != 1 || a.ConsecutiveFailures != 1 {
						t.Errorf("%+v", a)
					}
				}
				begin := time.Now()
				c := open(t, o)
				add(t, c, "a", 30)
				mustFlush(t, c, time.Hour)
				mustClose(t, c)
				if took := time.Since(begin); took < test.minTime || took > test.maxTime {
					t.Errorf("took %v, want %v to %v", took, test.minTime, test.maxTime)
				}
				if diff := cmp.Diff(test.want, checkBalance(t, c)); diff != "" {
					t.Errorf("account (-want +got):\n%s", diff)
				}
				if len(reasons) != 1 || !strings.Contains(reasons[0], test.reason) {
					t.Errorf("reasons are %q, want one with %q", reasons, test.reason)
				}
				want := onceEach("a", 30)
				if test.want.Stored.Batches < 3 && !test.fault.counts {
					for i := range 10 {
						delete(want, fmt.Sprint("a", i))
					}
				}
				if diff := cmp.Diff(want, s.counted(t)); diff != "" {
					t.Errorf("counted (-want +got):\n%s", diff)
				}
			})
		})
	}
}
