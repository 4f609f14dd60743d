package httpapi

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/httpapi/reject"
)

// parameter is one that a read takes.
type parameter struct {
	name string
	// read puts a value down, and returns what is wrong with it, or nothing.
	read func(q *question, value string) (wrong string)
	// repeats says that it may be given more than once.
	repeats bool
}

// The parameters of each path.
var (
	flowsParameters = slices.Concat(hourParameters, nameParameters, []parameter{
		{name: "group_by", read: (*question).readGroups},
		{name: "order_by", read: (*question).readOrder},
	}, listParameters)

	diffParameters = slices.Concat([]parameter{
		{name: "a", read: func(q *question, v string) string { return q.before.readHour(v) }},
		{name: "a_from", read: func(q *question, v string) string { return q.before.readFrom(v) }},
		{name: "a_to", read: func(q *question, v string) string { return q.before.readTo(v) }},
		{name: "b", read: func(q *question, v string) string { return q.after.readHour(v) }},
		{name: "b_from", read: func(q *question, v string) string { return q.after.readFrom(v) }},
		{name: "b_to", read: func(q *question, v string) string { return q.after.readTo(v) }},
	}, nameParameters, []parameter{
		{name: "group_by", read: (*question).readDiffGroups},
		{name: "order_by", read: (*question).readDiffOrder},
	}, listParameters)

	pairsParameters = slices.Concat(hourParameters, []parameter{
		{name: "app", read: func(q *question, v string) string { return q.app.read(v) }, repeats: true},
		nameParameters[flow.VPCID],
		{name: "order_by", read: (*question).readPairOrder},
	}, listParameters)

	namesParameters = slices.Concat([]parameter{
		{name: "field", read: (*question).readField},
		{name: "prefix", read: (*question).readPrefix},
	}, hourParameters, nameParameters, []parameter{
		{name: "limit", read: (*question).readNamesLimit},
	})
)

// Parameters that more than one path has.
var (
	hourParameters = []parameter{
		{name: "hour", read: func(q *question, v string) string { return q.hours.readHour(v) }},
		{name: "from", read: func(q *question, v string) string { return q.hours.readFrom(v) }},
		{name: "to", read: func(q *question, v string) string { return q.hours.readTo(v) }},
	}
	nameParameters = []parameter{
		flow.SrcApp:  {name: "src_app", read: func(q *question, v string) string { return q.names[flow.SrcApp].read(v) }, repeats: true},
		flow.DestApp: {name: "dest_app", read: func(q *question, v string) string { return q.names[flow.DestApp].read(v) }, repeats: true},
		flow.VPCID:   {name: "vpc_id", read: func(q *question, v string) string { return q.names[flow.VPCID].read(v) }, repeats: true},
	}
	listParameters = []parameter{
		{name: "limit", read: (*question).readLimit},
		{name: "format", read: (*question).readFormat},
	}
)

// readParameters reads the query of a request into q. A parameter that the path does not take is an
// error: to ignore one would answer another question than was asked.
func readParameters(raw []byte, known []parameter, q *question) *reject.Problem {
	given := uint32(0) // a bit for each of known
	return eachParameter(raw, func(name, value string) *reject.Problem {
		i := slices.IndexFunc(known, func(p parameter) bool { return p.name == name })
		if i < 0 {
			return badParameter(name, "is not known; this path takes "+listing(known))
		}
		if given&(1<<i) != 0 && !known[i].repeats {
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
func listing(known []parameter) string {
	names := make([]string, len(known))
	for i := range known {
		names[i] = known[i].name
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// noParameters refuses any parameter.
func noParameters(raw []byte) *reject.Problem {
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
