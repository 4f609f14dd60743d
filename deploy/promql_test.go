package deploy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// selector is where an expression of PromQL names a metric: its name, and what it says of labels.
type selector struct {
	name     string
	matchers []matcher
}

// matcher is label="value", or another comparison.
type matcher struct{ label, compare, value string }

// promql is what an expression names.
type promql struct {
	selectors []selector
	labels    []string // of by, on and their like
}

var (
	// token is a piece of PromQL: a text, a duration or number, a name, or a sign.
	token = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[0-9][0-9a-zA-Z.]*|[a-zA-Z_:][a-zA-Z0-9_:]*|=~|!~|!=|>=|<=|==|[^\s]`)
	name  = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

	labelLists = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	operators  = []string{"and", "or", "unless", "bool", "offset", "inf", "nan"}
)

// readPromQL finds what an expression names. Whether it is PromQL at all is for promtool to say.
func readPromQL(expression string) (found promql) {
	tokens := token.FindAllString(expression, -1)
	at := func(i int) string {
		if i < len(tokens) {
			return tokens[i]
		}
		return ""
	}
	for i := 0; i < len(tokens); i++ {
		word := tokens[i]
		switch {
		case slices.Contains(labelLists, word) && at(i+1) == "(":
			for i += 2; i < len(tokens) && tokens[i] != ")"; i++ {
				if tokens[i] != "," {
					found.labels = append(found.labels, tokens[i])
				}
			}
		case !name.MatchString(word), slices.Contains(operators, word), slices.Contains(labelLists, word):
		case at(i+1) == "(", at(i+1) == "by", at(i+1) == "without": // a function
		default:
			s := selector{name: word}
			if at(i+1) == "{" {
				for i += 2; i < len(tokens) && tokens[i] != "}"; i++ {
					if tokens[i] != "," {
						s.matchers = append(s.matchers, matcher{tokens[i], at(i + 1), strings.Trim(at(i+2), `"`)})
						i += 2
					}
				}
			}
			found.selectors = append(found.selectors, s)
		}
	}
	return found
}

// exposed is what a server's /metrics has: the labels of each series, by the name of the metric.
type exposed map[string][]map[string]string

var (
	sample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$`)
	pair   = regexp.MustCompile(`([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"`)
)

// readExposed reads metrics in Prometheus' text format.
func readExposed(page string) (exposed, error) {
	all := exposed{}
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		parts := sample.FindStringSubmatch(line)
		if parts == nil {
			return nil, fmt.Errorf("not a sample: %q", line)
		}
		labels := map[string]string{}
		for _, p := range pair.FindAllStringSubmatch(parts[2], -1) {
			labels[p[1]] = p[2]
		}
		all[parts[1]] = append(all[parts[1]], labels)
	}
	return all, nil
}

// scraped are the labels that Prometheus itself gives to every series of a scrape.
var scraped = []string{"job", "instance"}

// missing returns what an expression names that the server does not have: a metric, a label of it, or
// a value of a label. Status codes are left out, for most never come.
func (e exposed) missing(expression string) (wrong []string) {
	found := readPromQL(expression)
	labels := map[string]bool{}
	for _, l := range scraped {
		labels[l] = true
	}
	for _, s := range found.selectors {
		if s.name == "up" {
			continue // Prometheus' own
		}
		series := e[s.name]
		if len(series) == 0 {
			wrong = append(wrong, s.name)
			continue
		}
		for label := range series[0] {
			labels[label] = true
		}
		for _, m := range s.matchers {
			if slices.Contains(scraped, m.label) || m.label == "code" && series[0]["code"] != "" {
				continue
			}
			for _, value := range m.values() {
				if !slices.ContainsFunc(series, func(l map[string]string) bool { return l[m.label] == value }) {
					wrong = append(wrong, fmt.Sprintf("%s{%s=%q}", s.name, m.label, value))
				}
			}
		}
	}
	for _, l := range found.labels {
		if !labels[l] {
			wrong = append(wrong, fmt.Sprintf("label %s in %s", l, expression))
		}
	}
	return wrong
}

// values returns the values that a matcher names: those of a regular expression that is a list, with
// what stands before and behind its brackets.
func (m matcher) values() (all []string) {
	before, rest, bracketed := strings.Cut(m.value, "(")
	list, after, _ := strings.Cut(rest, ")")
	if m.compare == "=" || m.compare == "!=" {
		return []string{m.value}
	} else if !bracketed {
		list, before = m.value, ""
	}
	for one := range strings.SplitSeq(list, "|") {
		all = append(all, before+one+after)
	}
	return all
}

func TestReadPromQL(t *testing.T) {
	e, err := readExposed("# TYPE a counter\na{x=\"1\",code=\"200\"} 1\na{x=\"GET /y, {z}\",code=\"200\"} 2\nb 3\nc_bucket{le=\"+Inf\"} 1e+06\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ expression, missing string }{
		{`a`, ""},
		{`a{x="1"} and b > 1e3`, ""},
		{`sum by (x, job) (rate(a{x="GET /y, {z}",code=~"5.."}[5m])) / on (instance) b`, ""},
		{`histogram_quantile(0.99, sum(rate(c_bucket[5m])) without (le)) > bool 2.5`, ""},
		{`a{x=~"1|GET /y, {z}"} unless on (job) b offset 5m`, ""},
		{`absent(up{job="x"})`, ""},
		{`A`, "A"},
		{`sum(rate(a_total[5m]))`, "a_total"},
		{`b + (c)`, "c"},
		{`a{x="2"}`, `a{x="2"}`},
		{`a{y="1"}`, `a{y="1"}`},
		{`a{x=~"(1|2)"}`, `a{x="2"}`},
		{`sum by (y) (a)`, "label y in sum by (y) (a)"},
		{`a * on (y) group_left (z) b`, "label y in a * on (y) group_left (z) b label z in a * on (y) group_left (z) b"},
	} {
		if got := strings.Join(e.missing(c.expression), " "); got != c.missing {
			t.Errorf("%s: %q is missing, want %q", c.expression, got, c.missing)
		}
	}
	if got := slices.Sorted(maps.Keys(e)); len(got) != 3 {
		t.Errorf("metrics %v", got)
	}
}
