package query

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"strconv"
	"strings"

	"flowd/flow"
)

// question is a request to the server, and the way to read its answer.
type question struct {
	route      string
	parameters url.Values
	// relative has the parameters whose hours are relative to the latest one, as the user gave them.
	relative map[string]string
	// hasFormats tells that the answer is rows, available as JSON, NDJSON and CSV. Other answers are JSON
	// only.
	hasFormats bool
	// tableOrder is the default order of a table.
	tableOrder string
	// newestLast tells that the last rows matter most if not all fit.
	newestLast bool
	columns    []column
	read       func(r io.Reader, columns []column, limit int) (*listing, error)
}

func newQuestion(route string, columns []column) *question {
	return &question{
		route: route, parameters: url.Values{}, relative: map[string]string{}, columns: columns, read: readRows,
	}
}

// add adds a parameter for each non-empty value.
func (q *question) add(name string, values ...string) {
	for _, value := range values {
		if value != "" {
			q.parameters.Add(name, value)
		}
	}
}

// latest is the prefix of an hour that is relative to the newest one.
const latest = "latest"

// addHour adds a parameter that is an hour.
func (q *question) addHour(name, value string) {
	if strings.HasPrefix(value, latest) {
		q.relative[name] = value
		return
	}
	q.add(name, value)
}

// asked returns the parameters, with relative hours resolved.
func (q *question) asked(ctx context.Context, c *client) (url.Values, error) {
	if len(q.relative) == 0 {
		return q.parameters, nil
	}
	newest, err := c.newestHour(ctx)
	if err != nil {
		return nil, err
	}
	parameters := maps.Clone(q.parameters)
	for name, value := range q.relative {
		h, err := hoursBefore(newest, value)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", strings.ReplaceAll(name, "_", "-"), err)
		}
		parameters.Set(name, strconv.FormatUint(uint64(h), 10))
	}
	return parameters, nil
}

// hoursBefore parses latest or latest-N.
func hoursBefore(newest flow.Hour, value string) (flow.Hour, error) {
	if value == latest {
		return newest, nil
	}
	digits, ok := strings.CutPrefix(value, latest+"-")
	n, err := strconv.ParseUint(digits, 10, 31)
	switch {
	case !ok || err != nil:
		return 0, fmt.Errorf("%q is no hour; one is a number, %s, or %s-N", value, latest, latest)
	case n > uint64(newest):
		return 0, fmt.Errorf("%s is before hour 0, as the latest is hour %d", value, newest)
	}
	return newest - flow.Hour(n), nil
}

// newestHour returns the newest hour of the server.
func (c *client) newestHour(ctx context.Context) (flow.Hour, error) {
	r, err := c.get(ctx, "/hours", nil, jsonMedia)
	if err != nil {
		return 0, err
	}
	defer r.close()
	var hours []struct {
		Hour flow.Hour `json:"hour"`
	}
	if err := readJSON(r, &hours); err != nil {
		return 0, err
	}
	if len(hours) == 0 {
		return 0, errNoHours
	}
	return hours[len(hours)-1].Hour, nil
}

// errNoHours is an absentError, since flows may arrive later.
var errNoHours = &absentError{"the server has no hours yet, so there is no latest one: post some flows, or name an hour"}
