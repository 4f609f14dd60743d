package httpapi

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/flow"
)

// names returns visible ASCII of n characters.
func names(n int) string { return strings.Repeat("~", n) }

func TestOriginAccepted(t *testing.T) {
	t.Parallel()
	seen := make(chan flow.Origin, 1)
	table := newTable(t)
	ts := serve(t, &hookEngine{Engine: table, append: func(b *flow.Batch, o flow.Origin) (flow.Receipt, error) {
		seen <- o
		return table.Append(b, o)
	}}, nil)
	agent := func(name string, seq uint64) flow.Origin { return flow.Origin{Agent: name, Seq: seq} }
	for _, c := range []struct {
		headers []string
		want    flow.Origin
	}{
		{nil, flow.Origin{}},
		{[]string{"Idempotency-Key: a"}, flow.Origin{Key: "a"}},
		{[]string{"idempotency-key: 8e03978e-40d5-43dd-bc93-6894a57f9324"}, flow.Origin{Key: "8e03978e-40d5-43dd-bc93-6894a57f9324"}},
		{[]string{"IDEMPOTENCY-KEY:  a \t"}, flow.Origin{Key: "a"}},
		{[]string{`Idempotency-Key: "a"`}, flow.Origin{Key: "a"}},
		{[]string{`Idempotency-Key: "a,b;c"`}, flow.Origin{Key: "a,b;c"}},
		{[]string{`Idempotency-Key: "\"\\"`}, flow.Origin{Key: `"\`}},
		{[]string{`Idempotency-Key: !#$%&'()*+-./:<=>?@[]^_{|}~`}, flow.Origin{Key: `!#$%&'()*+-./:<=>?@[]^_{|}~`}},
		{[]string{"Idempotency-Key: " + names(128)}, flow.Origin{Key: names(128)}},
		{[]string{`Idempotency-Key: "` + strings.Repeat(`\\`, 128) + `"`}, flow.Origin{Key: strings.Repeat(`\`, 128)}},
		{[]string{"Flowd-Agent: a", "Flowd-Seq: 1"}, agent("a", 1)},
		{[]string{"flowd-seq:18446744073709551615", "flowd-agent:" + names(64)}, agent(names(64), 1<<64-1)},
		{[]string{`Flowd-Agent: "a",b;c\`, "Flowd-Seq: 10"}, agent(`"a",b;c\`, 10)},
		{[]string{"Flowd-Sequence: x", "Flowd-Agents: x", "Idempotency-Keys: x"}, flow.Origin{}},
	} {
		r := ts.do("POST", "/flows", oneFlow("a", 1), c.headers...)
		if r.StatusCode != 200 {
			t.Errorf("%q: %d: %s", c.headers, r.StatusCode, r.body)
			continue
		}
		c.want.Sender = flow.Sender{Address: "\x7f\x00\x00\x01"}
		if diff := cmp.Diff(c.want, <-seen); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", c.headers, diff)
		}
	}
}

// A name that is not right is refused before the rest of the body is waited for.
func TestOriginRefused(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	const (
		key, agent, seq, seq1 = "Idempotency-Key: ", "Flowd-Agent: ", "Flowd-Seq: ", "Flowd-Seq: 1"
		notASeq               = "Flowd-Seq is not a sequence; a whole number from 1 to 18446744073709551615"
		twice                 = "is given more than once; send it once"
		kinds                 = "Idempotency-Key names the batch, and so do Flowd-Agent and Flowd-Seq; send one of both kinds"
		quote                 = "put the key in double quotes"
	)
	cases := []struct {
		headers []string
		says    string
	}{
		{[]string{key}, "Idempotency-Key has 0 characters; 1 to 128 are required"},
		{[]string{key + `""`}, "Idempotency-Key has 0 characters"},
		{[]string{key + names(129)}, "Idempotency-Key has 129 characters; 1 to 128 are required"},
		{[]string{key + `"` + names(129) + `"`}, "Idempotency-Key has 129 characters"},
		{[]string{key + "a b"}, "Idempotency-Key has byte 0x20; only visible ASCII"},
		{[]string{key + `"a b"`}, "Idempotency-Key has byte 0x20"},
		{[]string{key + "a\tb"}, "Idempotency-Key has byte 0x09"},
		{[]string{key + "schlüssel"}, "Idempotency-Key has byte 0xc3"},
		{[]string{key + "a\xff"}, "Idempotency-Key has byte 0xff"},
		{[]string{key + "a,b"}, quote},
		{[]string{key + "a;b"}, quote},
		{[]string{key + `a"b`}, quote},
		{[]string{key + `a\b`}, quote},
		{[]string{key + `"`}, "does not end with one; close the quote"},
		{[]string{key + `"a`}, "does not end with one; close the quote"},
		{[]string{key + `"a\"`}, "does not end with one; close the quote"},
		{[]string{key + `"a\`}, "has a backslash that stands before neither"},
		{[]string{key + `"a\b"`}, "has a backslash that stands before neither"},
		{[]string{key + `"a"b`}, "goes on after the quote"},
		{[]string{key + `"a";p=1`}, "goes on after the quote"},
		{[]string{key + `"a", "b"`}, "goes on after the quote"},
		{[]string{key + "a", key + "a"}, "Idempotency-Key " + twice},
		{[]string{key + "a", "idempotency-key:"}, "Idempotency-Key " + twice},
		{[]string{agent + "a", agent + "b", seq1}, "Flowd-Agent " + twice},
		{[]string{agent + "a", seq1, seq1}, "Flowd-Seq " + twice},
		{[]string{key + "a", agent + "a", seq1}, kinds},
		{[]string{key + "a", agent + "a"}, kinds},
		{[]string{key + "a", seq1}, kinds},
		{[]string{key, seq}, kinds},
		{[]string{agent + "a"}, "Flowd-Agent is given without Flowd-Seq"},
		{[]string{agent}, "Flowd-Agent is given without Flowd-Seq"},
		{[]string{seq1}, "Flowd-Seq is given without Flowd-Agent"},
		{[]string{agent, seq1}, "Flowd-Agent has 0 characters; 1 to 64 are required"},
		{[]string{agent + names(65), seq1}, "Flowd-Agent has 65 characters; 1 to 64 are required"},
		{[]string{agent + "a b", seq1}, "Flowd-Agent has byte 0x20"},
		{[]string{agent + "a\x80b", seq1}, "Flowd-Agent has byte 0x80"},
		{[]string{agent + "a", seq}, notASeq},
		{[]string{agent + "a", seq + "0"}, notASeq},
		{[]string{agent + "a", seq + "01"}, notASeq},
		{[]string{agent + "a", seq + "+1"}, notASeq},
		{[]string{agent + "a", seq + "-1"}, notASeq},
		{[]string{agent + "a", seq + "1.0"}, notASeq},
		{[]string{agent + "a", seq + "1e3"}, notASeq},
		{[]string{agent + "a", seq + "1_000"}, notASeq},
		{[]string{agent + "a", seq + "1 2"}, notASeq},
		{[]string{agent + "a", seq + "1,2"}, notASeq},
		{[]string{agent + "a", seq + `"1"`}, notASeq},
		{[]string{agent + "a", seq + "18446744073709551616"}, notASeq},
		{[]string{agent + "a", seq + strings.Repeat("9", 3000)}, notASeq},
	}
	for _, c := range cases {
		conn := ts.dial()
		conn.write(head("POST", "/flows", append(c.headers, "Content-Length: 1000000")...) + "[")
		r := conn.read("POST")
		if p := problemIn(t, r, 400); !strings.Contains(p.Detail, c.says) {
			t.Errorf("%.80q: %q does not say %q", c.headers, p.Detail, c.says)
		}
	}
	if got := ts.metric(`flowd_http_requests_rejected_total{reason="batch_name"}`); got != itoa(len(cases)) {
		t.Errorf("%s counted, want %d", got, len(cases))
	}
	if r := ts.do("GET", "/hours", ""); r.body != "[]" {
		t.Errorf("something of the refused batches counts: %s", r.body)
	}
}
