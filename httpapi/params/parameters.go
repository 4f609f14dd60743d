// Package params reads the parameters of reads into questions of package query. A parameter that a path does not take, or
// that is malformed, is rejected, since to ignore it would answer another question.
package params

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/httpapi/reject"
)

// Parameter is one that a read takes.
type Parameter struct {
	Name string // as it is in a query
	// read puts a value down, and returns what is wrong with it, or nothing.
	read func(q *Question, value string) (wrong string)
	// Repeats says that it may be given more than once.
	Repeats bool
}

// The parameters of each path.
var (
	Flows = slices.Concat(hourParameters, nameParameters, []Parameter{
		{Name: "group_by", read: (*Question).readGroups},
		{Name: "order_by", read: (*Question).readOrder},
	}, listParameters)

	Diff = slices.Concat([]Parameter{
		{Name: "a", read: func(q *Question, v string) string { return q.before.readHour(v) }},
		{Name: "a_from", read: func(q *Question, v string) string { return q.before.readFrom(v) }},
		{Name: "a_to", read: func(q *Question, v string) string { return q.before.readTo(v) }},
		{Name: "b", read: func(q *Question, v string) string { return q.after.readHour(v) }},
		{Name: "b_from", read: func(q *Question, v string) string { return q.after.readFrom(v) }},
		{Name: "b_to", read: func(q *Question, v string) string { return q.after.readTo(v) }},
	}, nameParameters, []Parameter{
		{Name: "group_by", read: (*Question).readDiffGroups},
		{Name: "order_by", read: (*Question).readDiffOrder},
	}, listParameters)

	Pairs = slices.Concat(hourParameters, []Parameter{
		{Name: "app", read: func(q *Question, v string) string { return q.app.read(v) }, Repeats: true},
		nameParameters[flow.VPCID],
		{Name: "order_by", read: (*Question).readPairOrder},
	}, listParameters)

	Names = slices.Concat([]Parameter{
		{Name: "field", read: (*Question).readField},
		{Name: "prefix", read: (*Question).readPrefix},
	}, hourParameters, nameParameters, []Parameter{
		{Name: "limit", read: (*Question).readNamesLimit},
	})
)

// Parameters that more than one path has.
var (
	hourParameters = []Parameter{
		{Name: "hour", read: func(q *Question, v string) string { return q.hours.readHour(v) }},
		{Name: "from", read: func(q *Question, v string) string { return q.hours.readFrom(v) }},
		{Name: "to", read: func(q *Question, v string) string { return q.hours.readTo(v) }},
	}
	nameParameters = []Parameter{
		flow.SrcApp:  {Name: "src_app", read: func(q *Question, v string) string { return q.kept[flow.SrcApp].read(v) }, Repeats: true},
		flow.DestApp: {Name: "dest_app", read: func(q *Question, v string) string { return q.kept[flow.DestApp].read(v) }, Repeats: true},
		flow.VPCID:   {Name: "vpc_id", read: func(q *Question, v string) string { return q.kept[flow.VPCID].read(v) }, Repeats: true},
	}
	listParameters = []Parameter{
		{Name: "limit", read: (*Question).readLimit},
		{Name: "format", read: (*Question).readFormat},
	}
)

// Read reads the query of a request into q. A parameter that the path does not take is an
// error: to ignore one would answer another question than was asked.
func Read(raw []byte, known []Parameter, q *Question) *reject.Problem {
	given := uint32(0) // a bit for each of known
	return eachParameter(raw, func(name, value string) *reject.Problem {
		i := slices.IndexFunc(known, func(p Parameter) bool { return p.Name == name })
		if i < 0 {
			return badParameter(name, "is not known; this path takes "+listing(known))
		}
		if given&(1<<i) != 0 && !known[i].Repeats {
			return badParameter(name, "is given more than once")
		}
		given |= 1 << i
		if wrong := known[i].read(q, value); wrong != "" {
			return badParameter(name, wrong)
		}
		return nil
	})
}

// listing names parameters in a sentence.
func listing(known []Parameter) string {
	names := make([]string, len(known))
	for i := range known {
		names[i] = known[i].Name
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// None rejects any parameter.
func None(raw []byte) *reject.Problem {
	return eachParameter(raw, func(name, _ string) *reject.Problem {
		return badParameter(name, "is not known; this path takes none")
	})
}

// eachParameter calls take with the parameters of a query in their order, until one is a
// problem. It leaves none out, as fasthttp's own parser does with "=".
func eachParameter(raw []byte, take func(name, value string) *reject.Problem) *reject.Problem {
	for pair := range strings.SplitSeq(string(raw), "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return badParameter(rawName, "is not well-formed: two hex digits must follow each %")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return badParameter(name, "is not well-formed: two hex digits must follow each %")
		}
		if p := take(name, value); p != nil {
			return p
		}
	}
	return nil
}

// maxQuoted is how much of a parameter's name an answer repeats.
const maxQuoted = 64

func badParameter(name, wrong string) *reject.Problem {
	quoted := strings.ToValidUTF8(name[:min(len(name), maxQuoted)], "\ufffd")
	return &reject.Problem{
		Status: fasthttp.StatusBadRequest, Reason: reject.Parameter,
		Detail: fmt.Sprintf("The parameter %q %s.", quoted, wrong),
	}
}
