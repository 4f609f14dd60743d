package deploy

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-json"
)

// choices are the values of variables, as a person chose them; none is All.
type choices map[string][]string

var reference = regexp.MustCompile(`\$\{(\w+)((?::\w+)*)\}`)

// interpolate puts values in the place of variables as Grafana does: the time range in RFC 3339, lists as
// parameters of a query, and All as it stands in the variable.
func interpolate(text string, variables []variable, chosen choices, now time.Time) string {
	return reference.ReplaceAllStringFunc(text, func(found string) string {
		parts := reference.FindStringSubmatch(found)
		name, format := parts[1], parts[2]
		switch {
		case name == "__from" && format == ":date:iso":
			return now.Add(-24 * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
		case name == "__to" && format == ":date:iso":
			return now.UTC().Format("2006-01-02T15:04:05.000Z")
		}
		i := slices.IndexFunc(variables, func(v variable) bool { return v.Name == name })
		parameter, listed := strings.CutPrefix(format, ":customqueryparam:")
		switch {
		case i < 0:
			return found
		case len(chosen[name]) == 0:
			return variables[i].AllValue
		case listed:
			var pairs []string
			for _, value := range chosen[name] {
				pairs = append(pairs, parameter+"="+url.QueryEscape(value))
			}
			return strings.Join(pairs, "&")
		case format == "":
			return chosen[name][0]
		}
		return found
	})
}

// asked is the request that the Infinity plugin makes of a URL: it reads the parameters and writes
// them anew.
func asked(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	u.RawQuery = u.Query().Encode()
	return u.String(), nil
}

// Every question of the flows' dashboard is answered by a server, with the columns that its panel shows, for
// all names and for those that are chosen.
func TestPanelsAreAnswered(t *testing.T) {
	d := dashboards(t)["flows.json"]
	f, now := start(t), time.Now()
	f.fill(now)
	hours := f.hours()
	if len(hours) != 2 {
		t.Fatalf("hours %v", hours)
	}
	for _, names := range []choices{
		{}, {"vpc": {"vpc=1", "nope"}, "src": {"web & co", "db"}, "dest": {"d*", "web*"}},
	} {
		names["before"], names["after"] = hours[:1], hours[1:]
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				rows := f.rows(q, interpolate(q.URL, d.Templating.List, names, now))
				if len(rows) == 0 {
					t.Errorf("%s shows nothing for %v", p.Title, names)
				}
				for _, c := range q.Columns {
					for _, row := range rows {
						if wrong := c.wrong(row); wrong != "" {
							t.Errorf("%s: column %s %s in %v", p.Title, c.Selector, wrong, row)
						}
					}
				}
				p.checkTransformations(t, q.Columns)
			}
		}
	}
}

// rows asks a question and returns the rows of its answer: an object is one.
func (f flowd) rows(q target, to string) (rows []any) {
	f.t.Helper()
	request, err := asked(to)
	if err != nil || reference.MatchString(to) || q.Parser != "backend" {
		f.t.Errorf("%s by parser %s: %v", to, q.Parser, err)
		return nil
	}
	if status, body, err := f.ask("GET", request, ""); err != nil || status != 200 {
		f.t.Errorf("GET %s: %d, %v: %s", request, status, err, body)
		return nil
	} else if json.Unmarshal([]byte(body), &rows) != nil {
		var one any
		if err := json.Unmarshal([]byte(body), &one); err != nil {
			f.t.Errorf("GET %s: %v: %s", request, err, body)
		}
		return []any{one}
	}
	return rows
}

// hours returns the hours that the server has.
func (f flowd) hours() (all []string) {
	f.t.Helper()
	for _, row := range f.rows(target{Parser: "backend"}, "/hours") {
		all = append(all, fmt.Sprint(int(row.(map[string]any)["hour"].(float64))))
	}
	return all
}

// wrong says what is wrong with a row's value for a column, or nothing. Points in a selector lead into
// objects.
func (c column) wrong(row any) string {
	for name := range strings.SplitSeq(c.Selector, ".") {
		object, _ := row.(map[string]any)
		var there bool
		if row, there = object[name]; !there {
			return "is not there"
		}
	}
	ok := false
	switch c.Type {
	case "number":
		_, ok = row.(float64)
	case "string":
		_, ok = row.(string)
	case "boolean":
		_, ok = row.(bool)
	}
	if !ok {
		return fmt.Sprintf("is a %T, not a %s", row, c.Type)
	}
	return ""
}

// checkTransformations follows the names of fields through what a panel does with them.
func (p panel) checkTransformations(t *testing.T, columns []column) {
	t.Helper()
	var fields []string
	for _, c := range columns {
		fields = append(fields, c.Text)
	}
	need := func(names ...string) {
		for _, n := range names {
			if !slices.Contains(fields, n) {
				t.Errorf("%s: a transformation uses the field %q, where there are %v", p.Title, n, fields)
			}
		}
	}
	for _, step := range p.Transformations {
		encoded, err := json.Marshal(step.Options)
		var o struct {
			Alias  string
			Binary struct{ Left, Right string }

			Conversions []struct{ TargetField string }
			Sort        []struct{ Field string }
			IndexByName map[string]int

			ExcludeByName map[string]bool
		}
		if err == nil {
			err = json.Unmarshal(encoded, &o)
		}
		if err != nil {
			t.Errorf("%s: %s: %v", p.Title, step.ID, err)
		}
		switch step.ID {
		case "calculateField":
			need(o.Binary.Left)
			if !regexp.MustCompile(`^[0-9]+$`).MatchString(o.Binary.Right) {
				need(o.Binary.Right)
			}
			fields = append(fields, o.Alias)
		case "convertFieldType":
			need(o.Conversions[0].TargetField)
		case "sortBy":
			need(o.Sort[0].Field)
		case "organize":
			for n := range o.IndexByName {
				need(n)
			}
			for n := range o.ExcludeByName {
				need(n)
				fields = slices.DeleteFunc(fields, func(f string) bool { return f == n })
			}
		case "prepareTimeSeries":
			need("Time")
		default:
			t.Errorf("%s: unknown transformation %s", p.Title, step.ID)
		}
	}
	if p.Type == "timeseries" {
		need("Time")
	}
}

// The variables of the flows' dashboard are filled by a server: names by what there is in the time range,
// hours by what hours there are.
func TestVariablesAreFilled(t *testing.T) {
	d := dashboards(t)["flows.json"]
	f, now := start(t), time.Now()
	f.fill(now)
	want := map[string]string{
		"vpc": "[vpc-2 vpc=1]", "src": "[cron db web & co]", "dest": "[db queue web & co]", "before": f.hours()[0], "after": f.hours()[0],
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		var query struct {
			QueryType     string `json:"queryType"`
			InfinityQuery target `json:"infinityQuery"`
		}
		if err := json.Unmarshal(v.Query, &query); err != nil || query.QueryType != "infinity" {
			t.Errorf("%s: %v, %s", v.Name, err, v.Query)
		}
		q := query.InfinityQuery
		rows := f.rows(q, interpolate(q.URL, d.Templating.List, nil, now))
		got := fmt.Sprint(rows)
		if q.Root != "" { // an expression that makes a time of the hour
			if !strings.Contains(q.Root, "$h.hour ") || !strings.Contains(q.Root, `"__text":`) || !strings.Contains(q.Root, `"__value":`) {
				t.Errorf("%s: %s", v.Name, q.Root)
			}
			got = fmt.Sprint(int(rows[0].(map[string]any)["hour"].(float64)))
		}
		if got != want[v.Name] {
			t.Errorf("%s has %s, want %s", v.Name, got, want[v.Name])
		}
		if v.AllValue != "" && !strings.HasSuffix(v.AllValue, "=*") {
			t.Errorf("%s: All is %q", v.Name, v.AllValue)
		}
		delete(want, v.Name)
	}
	if len(want) > 0 {
		t.Errorf("there are no variables %v", want)
	}
}
