package verify

import (
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestRows(t *testing.T) {
	const one = `{"src_app":"a","dest_app":"b","vpc_id":"c","bytes_tx":1,"bytes_rx":18446744073709551615,"hour":3}`
	a := row{"a", "b", "c", 1, 18446744073709551615, 3}
	long := strings.Repeat("x", 256)
	for name, c := range map[string]struct {
		text string
		want []row
		err  string
	}{
		"none":             {`[]`, nil, ""},
		"one":              {`[` + one + `]`, []row{a}, ""},
		"spaces":           {" [ \n" + one + " ,\t" + one + "\r\n ] \n", []row{a, a}, ""},
		"brace in a name":  {`[{"src_app":"a}","dest_app":"{b","hour":3}]`, []row{{SrcApp: "a}", DestApp: "{b", Hour: 3}}, ""},
		"escapes":          {`[{"src_app":"a\"}\\","dest_app":"\u007d","hour":3}]`, []row{{SrcApp: `a"}\`, DestApp: "}", Hour: 3}}, ""},
		"long names":       {`[{"src_app":"` + long + `","hour":3}]`, []row{{SrcApp: long, Hour: 3}}, ""},
		"nothing":          {``, nil, "row 1 of the answer: unexpected EOF"},
		"cut in a row":     {`[` + one + `,{"src_app":"a`, []row{a}, "row 2 of the answer: unexpected EOF"},
		"cut after a row":  {`[` + one, []row{a}, "row 2 of the answer: unexpected EOF"},
		"cut after comma":  {`[` + one + `,`, []row{a}, "row 2 of the answer: unexpected EOF"},
		"no comma":         {`[` + one + one + `]`, []row{a}, `row 2 of the answer: '{' where ',' was expected`},
		"comma too many":   {`[` + one + `,]`, []row{a}, `row 2 of the answer: ']' where a row was expected`},
		"not an array":     {`{}`, nil, `row 1 of the answer: '{' where '[' was expected`},
		"more behind":      {`[]x`, nil, `row 1 of the answer: 'x' after the array`},
		"negative":         {`[{"bytes_tx":-1}]`, nil, "row 1 of the answer"},
		"too large":        {`[{"bytes_tx":18446744073709551616}]`, nil, "row 1 of the answer"},
		"endless row":      {`[{"src_app":"` + strings.Repeat("x", 2*maxRow), nil, "unexpected EOF"},
		"endless row, end": {`[{"src_app":"` + strings.Repeat("}", 2*maxRow), nil, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range []*rowScanner{
				newRowScanner(strings.NewReader(c.text)),
				newRowScanner(iotest.OneByteReader(strings.NewReader(c.text))),
			} {
				var got []row
				for s.Next() {
					got = append(got, *s.Row())
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
				if s.Err() == nil && c.err != "" || s.Err() != nil && (c.err == "" || !strings.Contains(s.Err().Error(), c.err)) {
					t.Errorf("error %v, want %q", s.Err(), c.err)
				}
			}
		})
	}
}

func BenchmarkRows(b *testing.B) {
	const rows = 10000
	text := "[" + strings.Repeat(`{"src_app":"checkout-1","dest_app":"payments-2","vpc_id":"vpc-00112233","bytes_tx":123456,"bytes_rx":1234567,"hour":482659},`, rows)
	text = strings.TrimSuffix(text, ",") + "]"
	b.ReportAllocs()
	for b.Loop() {
		s := newRowScanner(strings.NewReader(text))
		for s.Next() {
		}
		if s.Err() != nil || s.count != rows {
			b.Fatal(s.count, s.Err())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
}
