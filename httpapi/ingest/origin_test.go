package ingest

import (
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/httpapi/reject"
)

// FuzzOrigin reads the headers that name a batch, each as it stands in a request, or without it
// where it is "-".
func FuzzOrigin(f *testing.F) {
	for _, seed := range [][3]string{
		{"-", "-", "-"}, {"a", "-", "-"}, {`"a\"b"`, "-", "-"}, {`"a`, "-", "-"}, {"", "-", "-"}, {"-", "a", "1"},
		{"-", "a", "01"}, {"-", "a", "18446744073709551616"}, {"a", "a", "1"}, {"-", "-", "7"}, {"a,b", "-", "-"}, {`"\`, "\x00", "\xff"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, key, agent, seq string) {
		var h fasthttp.RequestHeader
		given := 0
		for name, value := range map[string]string{headerKey: key, headerAgent: agent, headerSeq: seq} {
			if value != "-" {
				h.Add(name, value)
				given++
			}
		}
		o, p := originOf(&h)
		if p != nil {
			if p.Status != 400 || p.Reason != reject.BatchName || p.Detail == "" || o != (flow.Origin{}) || given == 0 {
				t.Fatalf("%q %q %q: %+v, %+v", key, agent, seq, o, p)
			}
			return
		}
		if o.Named() != (given > 0) || o.Client != "" || (o.Key != "" && o.Agent != "") || (o.Agent == "") != (o.Seq == 0) {
			t.Fatalf("%q %q %q: %+v", key, agent, seq, o)
		}
		if len(o.Key) > flow.MaxIdempotencyKey || len(o.Agent) > flow.MaxAgent || strings.ContainsFunc(o.Key+o.Agent, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("%q %q %q: %+v is over the limits", key, agent, seq, o)
		}
		// What was read, written in the form that takes all of it, is read as the same.
		var again fasthttp.RequestHeader
		if o.Key != "" {
			again.Set(headerKey, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(o.Key)+`"`)
		}
		if o.Agent != "" {
			again.Set(headerAgent, o.Agent)
			again.Set(headerSeq, seq)
		}
		if same, p := originOf(&again); p != nil || same != o {
			t.Fatalf("%q %q %q: read as %+v and then as %+v, %+v", key, agent, seq, o, same, p)
		}
	})
}
