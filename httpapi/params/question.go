package params

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"flowd/access"
	"flowd/flow"
	"flowd/httpapi/format"
	"flowd/httpapi/reject"
	"flowd/query"
)

const (
	// namesLimit is how many names there are if no limit is asked for, and maxNames the largest.
	namesLimit = 100
	maxNames   = 10_000
)

// Question is what the parameters of a read say, each by itself.
type Question struct {
	hours         span
	before, after span // of a diff
	kept          [flow.FieldCount]wanted
	app           wanted

	grouped   bool
	groups    flow.Fields
	byHour    bool
	order     query.Order
	diffOrder query.DiffOrder
	busiest   bool
	Format    format.Format

	field    flow.Field
	hasField bool
	prefix   string

	limit     int
	MaxGroups int // the largest limit, but of names

	VPCs *access.VPCs // of the client
}

// wanted is the names that a client asks for.
type wanted struct {
	match query.Match
	all   bool // any name will do
}

// read reads a name, or a prefix with an asterisk behind it.
func (w *wanted) read(value string) (wrong string) {
	name, isPrefix := strings.CutSuffix(value, "*")
	if !isPrefix && name == "" {
		return "is empty; give a name, or a prefix with * behind it"
	}
	if wrong := wrongText(name); wrong != "" {
		return wrong
	}
	switch {
	case !isPrefix:
		w.match.Names = append(w.match.Names, name)
	case name == "":
		w.all = true
	default:
		w.match.Prefixes = append(w.match.Prefixes, name)
	}
	return ""
}

// kept returns which names are kept: in one form, however they were asked for.
func (w *wanted) kept() query.Match {
	if w.all {
		return query.Match{}
	}
	m := w.match
	slices.Sort(m.Names)
	slices.Sort(m.Prefixes)
	m.Names, m.Prefixes = slices.Compact(m.Names), slices.Compact(m.Prefixes)
	return m
}

// wrongText says why there can be no name that begins with text, or nothing.
func wrongText(text string) string {
	switch {
	case len(text) > flow.MaxName:
		return fmt.Sprintf("has %d bytes; names have at most %d", len(text), flow.MaxName)
	case !utf8.ValidString(text):
		return "is not valid UTF-8, as names are"
	case strings.ContainsFunc(text, unicode.IsControl):
		return "has a control character, which names have not"
	}
	return ""
}

// columns are what rows can be ordered by.
var columns = [...]string{
	query.BySrcApp: "src_app", query.ByDestApp: "dest_app", query.ByVPCID: "vpc_id", query.ByHour: "hour",
	query.ByBytesTx: "bytes_tx", query.ByBytesRx: "bytes_rx", query.ByBytesTotal: "bytes_total",
}

// columnFields are the columns that are names.
var columnFields = [...]query.Column{
	flow.SrcApp: query.BySrcApp, flow.DestApp: query.ByDestApp, flow.VPCID: query.ByVPCID,
}

func (q *Question) readOrder(value string) (wrong string) {
	name, descending := strings.CutPrefix(value, "-")
	by := slices.Index(columns[:], name)
	if by <= 0 { // the first is no order, and has no name
		return "must be one of " + strings.Join(columns[1:], ", ") + ", with - before it for the largest first"
	}
	q.order = query.Order{By: query.Column(by), Descending: descending}
	return ""
}

func (q *Question) readGroups(value string) (wrong string) {
	const must = "must be a comma list of src_app, dest_app, vpc_id and hour, each at most once"
	q.grouped = true
	for name := range strings.SplitSeq(value, ",") {
		if name == "hour" && !q.byHour {
			q.byHour = true
		} else if !q.addGroup(name) {
			return must
		}
	}
	return ""
}

func (q *Question) readDiffGroups(value string) (wrong string) {
	q.grouped = true
	for name := range strings.SplitSeq(value, ",") {
		if !q.addGroup(name) {
			return "must be a comma list of src_app, dest_app and vpc_id, each at most once"
		}
	}
	return ""
}

// addGroup adds a name to group by, unless it is absent, or there already.
func (q *Question) addGroup(name string) bool {
	for f := range flow.FieldCount {
		if f.String() == name && !q.groups.Has(f) {
			q.groups = q.groups.With(f)
			return true
		}
	}
	return false
}

func (q *Question) readDiffOrder(value string) (wrong string) {
	switch value {
	case "-difference":
		q.diffOrder = query.GrownFirst
	case "difference":
		q.diffOrder = query.ShrunkFirst
	default:
		return "must be -difference, for what grew most first, or difference, for what shrank most"
	}
	return ""
}

func (q *Question) readPairOrder(value string) (wrong string) {
	switch value {
	case "-disagreement":
		q.busiest = false
	case "-bytes_total":
		q.busiest = true
	default:
		return "must be -disagreement or -bytes_total"
	}
	return ""
}

func (q *Question) readLimit(value string) (wrong string) {
	if !q.setLimit(value, q.MaxGroups) {
		return fmt.Sprintf("must be a whole number from 1 to %d, which max-groups sets", q.MaxGroups)
	}
	return ""
}

func (q *Question) readNamesLimit(value string) (wrong string) {
	if !q.setLimit(value, maxNames) {
		return fmt.Sprintf("must be a whole number from 1 to %d", maxNames)
	}
	return ""
}

func (q *Question) setLimit(value string, most int) bool {
	n, err := strconv.ParseUint(value, 10, 31)
	q.limit = int(n)
	return err == nil && q.limit >= 1 && q.limit <= most
}

func (q *Question) readFormat(value string) (wrong string) {
	at := slices.Index(format.Names[:], value)
	if at <= 0 { // the first is any, and has no name
		return "must be one of " + strings.Join(format.Names[1:], ", ")
	}
	q.Format = format.Format(at)
	return ""
}

func (q *Question) readField(value string) (wrong string) {
	for f := range flow.FieldCount {
		if f.String() == value {
			q.field, q.hasField = f, true
			return ""
		}
	}
	return "must be one of src_app, dest_app and vpc_id"
}

func (q *Question) readPrefix(value string) (wrong string) {
	q.prefix = value
	return wrongText(value)
}

// match returns which rows are kept.
func (q *Question) match() (m [flow.FieldCount]query.Match) {
	for f := range m {
		m[f] = q.kept[f].kept()
	}
	m[flow.VPCID] = Within(m[flow.VPCID], q.VPCs)
	return m
}

// Flows returns the question of GET /flows.
func (q *Question) Flows() (query.Query, *reject.Problem) {
	hours, p := q.hours.hours(spanNames{"hour", "from", "to"})
	if p != nil {
		return query.Query{}, p
	}
	// Rows that are added up by everything are the rows.
	if q.groups == flow.AllFields && q.byHour {
		q.grouped, q.groups, q.byHour = false, 0, false
	}
	asked := query.Query{
		From: hours.From, To: hours.To, Match: q.match(),
		Grouped: q.grouped, GroupBy: q.groups, ByHour: q.byHour, Order: q.order, Limit: q.limit,
	}
	if by := q.order.By; by == query.ByHour && !asked.HasHour() {
		return query.Query{}, notGrouped(by)
	}
	for f, by := range columnFields {
		if by == q.order.By && !asked.Names().Has(flow.Field(f)) {
			return query.Query{}, notGrouped(by)
		}
	}
	return asked, nil
}

func notGrouped(by query.Column) *reject.Problem {
	return badParameter("order_by", fmt.Sprintf("asks for %s, which is summed over; add it to group_by, or order by one that is there",
		columns[by]))
}

// Diff returns the question of GET /diff.
func (q *Question) Diff() (query.DiffQuery, *reject.Problem) {
	before, p := q.before.closed(spanNames{"a", "a_from", "a_to"})
	if p != nil {
		return query.DiffQuery{}, p
	}
	after, p := q.after.closed(spanNames{"b", "b_from", "b_to"})
	if p != nil {
		return query.DiffQuery{}, p
	}
	if !q.grouped {
		q.groups = flow.AllFields
	}
	return query.DiffQuery{
		Before: before, After: after, Match: q.match(), GroupBy: q.groups, Order: q.diffOrder, Limit: q.limit,
	}, nil
}

// Pairs returns the question of GET /pairs.
func (q *Question) Pairs() (query.PairsQuery, *reject.Problem) {
	hours, p := q.hours.hours(spanNames{"hour", "from", "to"})
	return query.PairsQuery{
		Hours: hours, App: q.app.kept(), VPC: q.match()[flow.VPCID], Busiest: q.busiest, Limit: q.limit,
	}, p
}

// HasHours tells whether hours are asked for.
func (q *Question) HasHours() bool { return q.hours.given() }

// Names returns the question of GET /names, without hours if none are asked for.
func (q *Question) Names() (query.NamesQuery, *reject.Problem) {
	asked := query.NamesQuery{Field: q.field, Prefix: q.prefix, Match: q.match(), Limit: q.limit}
	if asked.Limit == 0 {
		asked.Limit = namesLimit
	}
	if !q.hasField {
		return asked, badParameter("field", "is missing; it must be one of src_app, dest_app and vpc_id")
	}
	if !q.HasHours() {
		return asked, nil
	}
	var p *reject.Problem
	asked.Hours, p = q.hours.hours(spanNames{"hour", "from", "to"})
	return asked, p
}
