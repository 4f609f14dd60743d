package params

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"flowd/flow"
	"flowd/httpapi/reject"
)

// FuzzParameters holds what is read of a query to net/url's reading of it, and to what every question
// must be.
func FuzzParameters(f *testing.F) {
	for _, seed := range []string{
		"hour=1", "hour=1&hour=2", "hour=", "hour", "", "&", "hour=1&", "&&hour=%31", "hour=2147483648", "h%6fur=1",
		"hour=+1", "hour=1&x=2", "=", "=&hour=1", "%=%", "hour=%zz", "a=b;hour=1", "hour=1#", "\x00=\xff",
		"from=2026-01-31T15:00:00Z&to=2026-01-31T15:00:00%2B01:00", "from=1&to=2&src_app=a*&src_app=*&vpc_id=%22,",
		"hour=1&group_by=src_app,hour&order_by=-hour&limit=5&format=csv", "a=1&b_from=1&b_to=9&order_by=-difference",
		"hour=5&app=x&order_by=-bytes_total", "field=vpc_id&prefix=v&limit=10000", "from=9999-12-31T23:59:59.9-23:59",
	} {
		for path := range paths {
			f.Add(uint8(path), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, path uint8, raw []byte) {
		known := paths[int(path)%len(paths)]
		q := Question{MaxGroups: 1000, limit: 7}
		p := Read(raw, known, &q)
		values, err := url.ParseQuery(string(raw))
		if p != nil {
			if p.Status != 400 || p.Reason != reject.Parameter || p.Detail == "" {
				t.Errorf("%q: %+v", raw, p)
			}
			return
		}
		// A ; is in a name or a value to us, and an error to net/url.
		if err != nil && !strings.Contains(string(raw), ";") {
			t.Fatalf("%q: taken, but net/url says %v", raw, err)
		}
		for name, all := range values {
			i := slices.IndexFunc(known, func(p Parameter) bool { return p.Name == name })
			if i < 0 || len(all) > 1 && !known[i].Repeats {
				t.Fatalf("%q: %s taken %d times", raw, name, len(all))
			}
		}
		checkQuestion(t, raw, &q)
	})
}

// paths are what each path takes.
var paths = [][]Parameter{Flows, Diff, Pairs, Names}

// checkQuestion fails the test if q, read from raw, is no question to be asked.
func checkQuestion(t *testing.T, raw []byte, q *Question) {
	if q.limit < 1 || q.limit > maxNames {
		t.Errorf("%q: limit %d", raw, q.limit)
	}
	if asked, p := q.Flows(); p == nil {
		switch {
		case asked.From > asked.To || asked.To > flow.MaxHour+1:
			t.Errorf("%q: hours %d to %d", raw, asked.From, asked.To)
		case !asked.Grouped && (asked.GroupBy != 0 || asked.ByHour):
			t.Errorf("%q: %+v", raw, asked)
		case int(asked.Order.By) >= len(columns):
			t.Errorf("%q: %+v", raw, asked.Order)
		}
		for f := range asked.Match {
			m := &asked.Match[f]
			for _, list := range [][]string{m.Names, m.Prefixes} {
				if !slices.IsSorted(list) || slices.Contains(list, "") || len(slices.Compact(slices.Clone(list))) != len(list) {
					t.Errorf("%q: %q", raw, list)
				}
			}
		}
	}
	if asked, p := q.Diff(); p == nil && (asked.GroupBy == 0 || asked.Before.From > asked.Before.To || asked.After.From > asked.After.To) {
		t.Errorf("%q: %+v", raw, asked)
	}
	if asked, p := q.Pairs(); p == nil && asked.Hours.From > asked.Hours.To {
		t.Errorf("%q: %+v", raw, asked)
	}
	if asked, p := q.Names(); p == nil && asked.Field >= flow.FieldCount {
		t.Errorf("%q: %+v", raw, asked)
	}
}
