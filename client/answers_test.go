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

// TestAnswers sends 3 batches of 10 flows, one after the other, to servers that do something else with
// the first POST than to count it and say so.
func TestAnswers(t *testing.T) {
	soon := time.Date(2000, 1, 1, 0, 1, 30, 0, time.UTC).Format(http.TimeFormat) // bubbles begin at 2000
	all := Stats{Added: 30, Stored: Count{3, 30}, Posts: 4, Retries: 1}
	again := all
	again.Duplicate = Count{1, 10}
	without := func(change func(*Stats)) Stats {
		s := Stats{Added: 30, Stored: Count{2, 20}, Posts: 3}
		change(&s)
		return s
	}
	refused := without(func(s *Stats) { s.Refused = Count{1, 10} })
	inDoubt := without(func(s *Stats) { s.InDoubt = Count{1, 10} })
	vpc := textAnswer(403, `{"title":"Forbidden","errors":[{"pointer":"/3/vpc_id","detail":"is not yours"}]}`, "Content-Type", "application/problem+json; charset=utf-8")
	for _, test := range []struct {
		name   string
		fault  fault
		want   Stats
		least  time.Duration
		most   time.Duration
		reason string // of the refusal, or of the retry
	}{
		{"no connection", fault{unreached: true}, all, firstPause / 2, firstPause, "no connection: "},
		{"hung up before it counted", fault{hangUp: true}, all, firstPause / 2, firstPause, "no answer: "},
		{"hung up after it counted", fault{hangUp: true, counts: true}, again, firstPause / 2, firstPause, "no answer: "},
		{"no answer in time", fault{silent: true}, all, 30*time.Second + firstPause/2, 30*time.Second + firstPause, "deadline exceeded"},
		{"503 in seconds", fault{answer: problemAnswer(503, "busy", "Retry-After", "20")}, all, 20 * time.Second, 25 * time.Second, "the server answered 503: Service Unavailable: busy"},
		{"503 without a time", fault{answer: textAnswer(503, "<html>")}, all, firstPause / 2, firstPause, "the server answered 503"},
		{"503 with an odd time", fault{answer: textAnswer(503, "", "Retry-After", "-5")}, all, firstPause / 2, firstPause, "503"},
		{"503 for days", fault{answer: textAnswer(503, "", "Retry-After", "999999")}, all, maxAsked, maxAsked + 30*time.Second, "503"},
		{"429 until a date", fault{answer: textAnswer(429, "", "Retry-After", soon)}, all, 90 * time.Second, 113 * time.Second, "429"},
		{"429 until a date of another clock", fault{answer: textAnswer(429, "", "Retry-After", soon, "Date", "Sat, 01 Jan 2000 00:01:20 GMT")}, all, 10 * time.Second, 13 * time.Second, "429"},
		{"429 until a date that is past", fault{answer: textAnswer(429, "", "Retry-After", "Sat, 01 Jan 2000 00:00:00 GMT")}, all, firstPause / 2, firstPause, "429"},
		{"500 before it counted", fault{answer: problemAnswer(500, "oh")}, all, firstPause / 2, firstPause, "500"},
		{"500 after it counted", fault{answer: problemAnswer(500, "oh"), counts: true}, again, firstPause / 2, firstPause, "500"},
		{"502", fault{answer: textAnswer(502, "", "Retry-After", "2"), counts: true}, again, 2 * time.Second, 3 * time.Second, "502"},
		{"200 of another server", fault{answer: textAnswer(200, "<html>")}, all, firstPause / 2, firstPause, `not as flowd does: "<html>"`},
		{"200 cut short", fault{answer: textAnswer(200, `{"acc`), counts: true}, again, firstPause / 2, firstPause, "not as flowd does"},
		{"204", fault{answer: textAnswer(204, "")}, all, firstPause / 2, firstPause, "204"},
		{"redirect", fault{answer: textAnswer(307, "", "Location", "http://elsewhere.test/")}, all, firstPause / 2, firstPause, "the server answered 307"},
		{"401", fault{answer: problemAnswer(401, "The token is not known.")}, all, firstPause / 2, firstPause, "401: Unauthorized: The token is not known."},
		{"403 without places", fault{answer: problemAnswer(403, "The token may not send.")}, all, firstPause / 2, firstPause, "may not send"},
		{"404", fault{answer: problemAnswer(404, "no such path")}, all, firstPause / 2, firstPause, "404"},
		{"408", fault{answer: problemAnswer(408, "too slow")}, all, firstPause / 2, firstPause, "408"},
		{"400 of a proxy", fault{answer: textAnswer(400, "Client sent an HTTP request to an HTTPS server.", "Content-Type", "text/plain")}, all, firstPause / 2, firstPause, "400"},
		{"400", fault{answer: problemAnswer(400, "The batch has errors.")}, refused, 0, 0, "400: Bad Request: The batch has errors."},
		{"403 with places", fault{answer: vpc}, refused, 0, 0, "/3/vpc_id is not yours"},
		{"413", fault{answer: textAnswer(413, "<html>")}, refused, 0, 0, "413"},
		{"415", fault{answer: problemAnswer(415, "")}, refused, 0, 0, "415"},
		{"422", fault{answer: problemAnswer(422, "with other flows")}, refused, 0, 0, "422"},
		{"409", fault{answer: problemAnswer(409, "not known any more"), counts: true}, inDoubt, 0, 0, "409"},
		{"200 for fewer flows", fault{answer: textAnswer(200, `{"accepted":9,"duplicate":false}`), counts: true}, inDoubt, 0, 0, "accepted 9 flows of 10"},
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
				var told []string
				o := s.options()
				o.Refused = func(r *Refusal) {
					told = append(told, r.Reason)
					if r.Flows != 10 || r.Seq != 1 || !strings.HasPrefix(r.Agent, "web-1.") || !strings.HasPrefix(string(r.Body), `[{"src_app":"a0"`) ||
						r.File != "" || r.InDoubt != (test.want.InDoubt.Batches > 0) {
						t.Errorf("%+v", r)
					}
				}
				o.Retrying = func(a *Attempt) {
					told = append(told, a.Reason)
					if a.Flows != 10 || a.Seq != 1 || a.Tries != 1 || a.InARow != 1 {
						t.Errorf("%+v", a)
					}
				}
				begin := time.Now()
				c := open(t, o)
				add(t, c, "a", 30)
				mustFlush(t, c, time.Hour)
				mustClose(t, c)
				if took := time.Since(begin); took < test.least || took > test.most {
					t.Errorf("took %v, want %v to %v", took, test.least, test.most)
				}
				if diff := cmp.Diff(test.want, balanced(t, c)); diff != "" {
					t.Errorf("account (-want +got):\n%s", diff)
				}
				if len(told) != 1 || !strings.Contains(told[0], test.reason) {
					t.Errorf("told %q, want one with %q", told, test.reason)
				}
				want := once("a", 30)
				if test.want.Stored.Batches < 3 && !test.fault.counts {
					for i := range 10 {
						delete(want, fmt.Sprint("a", i))
					}
				}
				if diff := cmp.Diff(want, s.held(t)); diff != "" {
					t.Errorf("counted (-want +got):\n%s", diff)
				}
			})
		})
	}
}
