package params

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowd/flow"
	"flowd/httpapi/reject"
	"flowd/query"
)

// param is a parameter as it is sent.
type param struct{ name, value string }

// anyName draws what a flow may be called, with what means something in a query or to us.
var anyName = rapid.StringOfN(rapid.SampledFrom([]rune(`ab*,;"&=+%? é日`)), 1, 8, -1)

// drawMatch draws which names of a field are kept, and the parameters that ask for it.
func drawMatch(t *rapid.T, name string) (m query.Match, sent []param) {
	for range rapid.IntRange(0, 3).Draw(t, name) {
		text := anyName.Draw(t, "name")
		if rapid.Bool().Draw(t, "prefix") {
			m.Prefixes = append(m.Prefixes, text)
			sent = append(sent, param{name, text + "*"})
		} else if !strings.HasSuffix(text, "*") {
			m.Names = append(m.Names, text)
			sent = append(sent, param{name, text})
		}
	}
	slices.Sort(m.Names)
	slices.Sort(m.Prefixes)
	m = query.Match{Names: slices.Compact(m.Names), Prefixes: slices.Compact(m.Prefixes)}
	if rapid.IntRange(0, 5).Draw(t, "all") == 0 {
		return query.Match{}, append(sent, param{name, "*"})
	}
	return m, sent
}

// drawHours draws hours and a way to ask for them. A closed range has both ends.
func drawHours(t *rapid.T, hour, from, to string, closed bool) (h query.Hours, sent []param) {
	if rapid.Bool().Draw(t, "one") {
		n := flow.Hour(rapid.Uint32Range(0, flow.MaxHour).Draw(t, hour))
		return query.Hours{From: n, To: n + 1}, []param{{hour, strconv.Itoa(int(n))}}
	}
	h.From = flow.Hour(rapid.Uint32Range(0, 600_000).Draw(t, from))
	h.To = flow.Hour(rapid.Uint32Range(uint32(h.From), 600_000).Draw(t, to))
	sent = []param{
		{from, sayHour(t, h.From, rapid.Int64Range(0, 3599).Draw(t, "after"))},
		{to, sayHour(t, h.To, -rapid.Int64Range(0, min(3599, 3600*int64(h.To))).Draw(t, "before"))},
	}
	if !closed {
		switch rapid.IntRange(0, 3).Draw(t, "open") {
		case 0:
			h.From, sent = 0, sent[1:]
		case 1:
			h.To, sent = flow.MaxHour+1, sent[:1]
		}
	}
	return h, sent
}

// sayHour writes an hour as a number, or as a time that many seconds off its beginning.
func sayHour(t *rapid.T, h flow.Hour, seconds int64) string {
	if rapid.Bool().Draw(t, "number") {
		return strconv.Itoa(int(h))
	}
	zone := time.FixedZone("", 900*rapid.IntRange(-48, 48).Draw(t, "zone"))
	return time.Unix(3600*int64(h)+seconds, 0).In(zone).Format(time.RFC3339)
}

// drawGroups draws fields to group by, and how to ask for them.
func drawGroups(t *rapid.T, hour bool) (fields flow.Fields, byHour bool, sent []param) {
	var names []string
	for f := range flow.FieldCount {
		if rapid.Bool().Draw(t, f.String()) {
			fields = fields.With(f)
			names = append(names, f.String())
		}
	}
	if hour && rapid.Bool().Draw(t, "hour") {
		byHour = true
		names = append(names, "hour")
	}
	if len(names) == 0 {
		return 0, false, nil
	}
	return fields, byHour, []param{{"group_by", strings.Join(rapid.Permutation(names).Draw(t, "names"), ",")}}
}

// drawLimit draws a limit, 0 for none.
func drawLimit(t *rapid.T) (n int, sent []param) {
	if n = rapid.IntRange(0, 1000).Draw(t, "limit"); n > 0 {
		sent = []param{{"limit", strconv.Itoa(n)}}
	}
	return n, sent
}

// sentAs sends parameters in any order and reads them.
func sentAs(t *rapid.T, known []Parameter, sent ...[]param) *Question {
	var pairs []string
	for _, p := range rapid.Permutation(slices.Concat(sent...)).Draw(t, "order") {
		pairs = append(pairs, url.QueryEscape(p.name)+"="+url.QueryEscape(p.value))
	}
	q := &Question{MaxGroups: 1000}
	if p := Read([]byte(strings.Join(pairs, "&")), known, q); p != nil {
		t.Fatalf("%s: %s", strings.Join(pairs, "&"), p.Detail)
	}
	return q
}

// must fails the test if a question is refused, or is not what was asked.
func must[Q any](t *rapid.T, want Q, got Q, p *reject.Problem) {
	if p != nil {
		t.Fatalf("%s", p.Detail)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s", diff)
	}
}

// Whatever may be asked is what is read, in whatever order it is sent.
func TestQuestionsAreReadAsAsked(t *testing.T) {
	t.Parallel()
	fields := []string{"src_app", "dest_app", "vpc_id"}
	drawMatches := func(t *rapid.T) (m [flow.FieldCount]query.Match, sent []param) {
		for f := range m {
			var of []param
			m[f], of = drawMatch(t, fields[f])
			sent = append(sent, of...)
		}
		return m, sent
	}
	t.Run("flows", rapid.MakeCheck(func(t *rapid.T) {
		hours, forHours := drawHours(t, "hour", "from", "to", false)
		want := query.Query{From: hours.From, To: hours.To}
		var forNames, forGroups, forOrder, forLimit []param
		want.Match, forNames = drawMatches(t)
		want.GroupBy, want.ByHour, forGroups = drawGroups(t, true)
		want.Grouped = len(forGroups) > 0
		if want.GroupBy == flow.AllFields && want.ByHour {
			want.Grouped, want.GroupBy, want.ByHour = false, 0, false
		}
		want.Limit, forLimit = drawLimit(t)
		orders := []string{"bytes_tx", "bytes_rx", "bytes_total"}
		if want.HasHour() {
			orders = append(orders, "hour")
		}
		for f := range flow.FieldCount {
			if want.Names().Has(f) {
				orders = append(orders, f.String())
			}
		}
		if rapid.Bool().Draw(t, "ordered") {
			by := rapid.SampledFrom(orders).Draw(t, "by")
			want.Order = query.Order{By: query.Column(slices.Index(columns[:], by)), Descending: rapid.Bool().Draw(t, "descending")}
			if want.Order.Descending {
				by = "-" + by
			}
			forOrder = []param{{"order_by", by}}
		}
		got, p := sentAs(t, Flows, forHours, forNames, forGroups, forOrder, forLimit).Flows()
		must(t, want, got, p)
	}))
	t.Run("diff", rapid.MakeCheck(func(t *rapid.T) {
		var want query.DiffQuery
		var forA, forB, forNames, forGroups, forOrder, forLimit []param
		want.Before, forA = drawHours(t, "a", "a_from", "a_to", true)
		want.After, forB = drawHours(t, "b", "b_from", "b_to", true)
		want.Match, forNames = drawMatches(t)
		if want.GroupBy, _, forGroups = drawGroups(t, false); forGroups == nil {
			want.GroupBy = flow.AllFields
		}
		want.Order = query.DiffOrder(rapid.IntRange(0, 2).Draw(t, "order"))
		if want.Order != query.LargestFirst {
			forOrder = []param{{"order_by", map[query.DiffOrder]string{query.GrownFirst: "-difference", query.ShrunkFirst: "difference"}[want.Order]}}
		}
		want.Limit, forLimit = drawLimit(t)
		got, p := sentAs(t, Diff, forA, forB, forNames, forGroups, forOrder, forLimit).Diff()
		must(t, want, got, p)
	}))
	t.Run("pairs", rapid.MakeCheck(func(t *rapid.T) {
		var want query.PairsQuery
		var forHours, forApp, forVPC, forOrder, forLimit []param
		want.Hours, forHours = drawHours(t, "hour", "from", "to", false)
		want.App, forApp = drawMatch(t, "app")
		want.VPC, forVPC = drawMatch(t, "vpc_id")
		switch rapid.IntRange(0, 2).Draw(t, "order") {
		case 0:
			forOrder = []param{{"order_by", "-disagreement"}}
		case 1:
			want.Busiest, forOrder = true, []param{{"order_by", "-bytes_total"}}
		}
		want.Limit, forLimit = drawLimit(t)
		got, p := sentAs(t, Pairs, forHours, forApp, forVPC, forOrder, forLimit).Pairs()
		must(t, want, got, p)
	}))
	t.Run("names", rapid.MakeCheck(func(t *rapid.T) {
		var want query.NamesQuery
		var forHours, forNames, forLimit []param
		if rapid.Bool().Draw(t, "hours") {
			want.Hours, forHours = drawHours(t, "hour", "from", "to", false)
		}
		want.Match, forNames = drawMatches(t)
		want.Field = flow.Field(rapid.IntRange(0, 2).Draw(t, "field"))
		want.Prefix = rapid.OneOf(rapid.Just(""), anyName).Draw(t, "prefix")
		if want.Limit, forLimit = drawLimit(t); want.Limit == 0 {
			want.Limit = namesLimit
		}
		got, p := sentAs(t, Names, forHours, forNames, forLimit,
			[]param{{"field", want.Field.String()}, {"prefix", want.Prefix}}).Names()
		must(t, want, got, p)
	}))
}

// Times are rounded outwards to whole hours.
func TestRoundedTimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text     string
		from, to flow.Hour
	}{
		{"1970-01-01T00:00:00Z", 0, 0},
		{"1970-01-01T00:00:00.000000001Z", 0, 1},
		{"1970-01-01T00:59:59.999999999Z", 0, 1},
		{"1970-01-01T01:00:00Z", 1, 1},
		{"1970-01-01T01:00:00.5Z", 1, 2},
		{"1970-01-01T05:30:00+05:30", 0, 0},
		{"1970-01-01T06:00:00+05:30", 0, 1},
		{"1969-12-31T23:00:00-01:00", 0, 0},
		{"2025-01-23T09:15:00Z", 482673, 482674},
		{"9999-12-31T23:59:59Z", 70389527, 70389528},
	} {
		var s span
		if wrong := s.readFrom(c.text) + s.readTo(c.text); wrong != "" || s.from != c.from || s.to != c.to {
			t.Errorf("%s: from %d, to %d, want %d and %d; %s", c.text, s.from, s.to, c.from, c.to, wrong)
		}
	}
}
