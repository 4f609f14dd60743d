package main

import (
	"context"
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"flowd/config"
)

// operations is the page for operators. What is in it is held to the program here, and its commands are
// run in operations_run_test.go.
const operations = "../../docs/operations.md"

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section returns what the page has under a heading of the second level.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(readText(t, operations), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %s", operations, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// tables returns the rows of all tables of a text, as cells, without their headings.
func tables(text string) (rows [][]string) {
	inside := false
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		switch {
		case len(cells) < 4:
			inside = false
		case strings.HasPrefix(cells[1], "---"):
			inside = true
		case inside:
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells[1:len(cells)-1])
		}
	}
	return rows
}

// Every setting is there, with its range, its default, and whether a reload takes it.
func TestOperationsHasAllSettings(t *testing.T) {
	var want, got [][]string
	typ := reflect.TypeFor[config.Config]()
	for i := range typ.NumField() {
		tag := typ.Field(i).Tag
		reload := "no"
		if tag.Get("reload") == "yes" {
			reload = "yes"
		}
		want = append(want, []string{"`" + tag.Get("name") + "`", strings.Replace(tag.Get("range"), "..", " to ", 1), tag.Get("default"), reload})
	}
	for _, row := range tables(section(t, "Settings")) {
		if len(row) != 5 || len(row[4]) < 8 {
			t.Fatalf("%q does not say when to change it", row)
		}
		got = append(got, row[:4])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-program +page):\n%s", diff)
	}
}

// family is a metric: its type, and the labels of its series.
type family struct{ Type, Labels string }

// exposedFamilies reads metrics in Prometheus' text format, those of flowd alone.
func exposedFamilies(t *testing.T, page string) map[string]family {
	t.Helper()
	all := map[string]family{}
	part := regexp.MustCompile(`_(bucket|sum|count)$`)
	label := regexp.MustCompile(`(\w+)="(?:[^"\\]|\\.)*"`)
	for line := range strings.Lines(page) {
		var name, kind string
		if n, _ := fmt.Sscanf(line, "# TYPE %s %s", &name, &kind); n == 2 && strings.HasPrefix(name, "flowd_") {
			if was, twice := all[name]; twice && was.Type != kind {
				t.Errorf("%s is a %s and a %s", name, was.Type, kind)
			}
			all[name] = family{Type: kind}
		}
	}
	for line := range strings.Lines(page) {
		name, rest, _ := strings.Cut(line, "{")
		if strings.HasPrefix(line, "#") || rest == "" || !strings.HasPrefix(name, "flowd_") {
			continue
		}
		if all[name].Type == "" {
			name = part.ReplaceAllString(name, "")
		}
		var labels []string
		for _, found := range label.FindAllStringSubmatch(rest, -1) {
			if found[1] != "le" {
				labels = append(labels, found[1])
			}
		}
		f := all[name]
		f.Labels = strings.Join(labels, ",")
		all[name] = f
	}
	return all
}

// Every metric of a server with all that there can be is described, by its type and labels, and none else is.
func TestOperationsHasAllMetrics(t *testing.T) {
	s := newSite(t)
	s.begin()
	s.post("vpc-eu-1", 482659)
	page := s.metrics()
	described := map[string]family{}
	row := regexp.MustCompile("^`(flowd_[a-z_]+)(?:{([a-z,]+)})?`$")
	for _, cells := range tables(section(t, "Metrics")) {
		found := row.FindStringSubmatch(cells[0])
		if found == nil || len(cells) != 3 || len(cells[2]) < 8 {
			t.Errorf("no description of a metric: %q", cells)
			continue
		}
		if _, twice := described[found[1]]; twice {
			t.Errorf("%s is there twice", found[1])
		}
		kind, _, _ := strings.Cut(cells[1], ",")
		described[found[1]] = family{kind, found[2]}
	}
	if diff := cmp.Diff(exposedFamilies(t, page), described); diff != "" {
		t.Errorf("metrics (-server +page):\n%s", diff)
	}
	wordsAreKnown(t, page)
}

// wordsAreKnown holds the names of metrics, alerts and settings, and reasons of refusals, wherever the page has them.
func wordsAreKnown(t *testing.T, metrics string) {
	t.Helper()
	text, families, alerts := readText(t, operations), exposedFamilies(t, metrics), alertNames(t)
	for _, name := range regexp.MustCompile(`\bflowd_[a-z_]+`).FindAllString(text, -1) {
		if _, known := families[name]; !known {
			t.Errorf("the page names the metric %s, which a server does not have", name)
		}
	}
	for _, name := range regexp.MustCompile(`\bFlowd[A-Z]\w+`).FindAllString(text, -1) {
		if !slices.Contains(alerts, name) {
			t.Errorf("the page names %s, which is no alert", name)
		}
	}
	settings := map[string]bool{}
	for _, s := range ofStruct(t) {
		settings[s.Key] = true
	}
	for _, found := range regexp.MustCompile("`([a-z]+(?:[-_][a-z]+)+)`").FindAllStringSubmatch(text, -1) {
		word := found[1]
		if !settings[word] && !strings.Contains(metrics, `="`+word+`"`) && !strings.Contains(metrics, "\n"+word) {
			t.Errorf("the page names %s, which is neither a setting nor a metric nor a reason", word)
		}
	}
}

func alertNames(t *testing.T) (names []string) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert string `yaml:"alert"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal([]byte(readText(t, "../../deploy/prometheus/alerts.yml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			names = append(names, rule.Alert)
		}
	}
	return names
}

// Every alert has a section that says what to do, and every section is of an alert.
func TestOperationsHasAllAlerts(t *testing.T) {
	var sections []string
	for _, part := range strings.Split("\n"+section(t, "Alerts"), "\n#### ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		if len(strings.TrimSpace(text)) < 20 {
			t.Errorf("%s: nothing to do", name)
		}
		sections = append(sections, name)
	}
	if diff := cmp.Diff(alertNames(t), sections); diff != "" {
		t.Errorf("alerts (-rules +page):\n%s", diff)
	}
}

// The figures are those of docs/performance.md, and the example is computed from them.
func TestOperationsFigures(t *testing.T) {
	measured := map[string]string{}
	for _, row := range tables(readText(t, "../../docs/performance.md")) {
		measured[row[0]] = row[1]
	}
	numbers := map[string]bool{}
	number := regexp.MustCompile(`^[0-9.]+(?: [kM])?`)
	computed := 0
	for _, row := range tables(section(t, "Sizing")) {
		switch len(row) {
		case 2:
			if strings.HasPrefix(row[0], "`") { // which value to choose for a setting
				continue
			}
			if measured[row[0]] != row[1] {
				t.Errorf("%s: %s, and docs/performance.md has %q", row[0], row[1], measured[row[0]])
			}
			numbers[number.FindString(row[1])] = true
		case 4:
			computed++
			for _, figure := range regexp.MustCompile(`[0-9]+\.[0-9]+(?: [kM])?`).FindAllString(row[2], -1) {
				if !numbers[figure] {
					t.Errorf("%s: %s is no figure of the table above", row[0], figure)
				}
			}
			got := evaluate(t, row[2])
			if want, half := quantity(t, row[3]); math.Abs(got-want) > half*1.001 {
				t.Errorf("%s: %s is %g, and the page says %s", row[0], row[2], got, row[3])
			}
		}
	}
	if len(numbers) < 8 || computed < 6 {
		t.Errorf("%d figures and %d lines of the example", len(numbers), computed)
	}
}

// evaluate computes a formula such as 2 × 50,000 ÷ 3.73 M.
func evaluate(t *testing.T, formula string) float64 {
	t.Helper()
	expression := strings.NewReplacer("×", "*", "÷", "/", ",", "", " k", "e3", " M", "e6").Replace(formula)
	result, err := types.Eval(token.NewFileSet(), nil, token.NoPos, expression)
	if err != nil || result.Value == nil {
		t.Fatalf("%s: %v", formula, err)
	}
	value, _ := constant.Float64Val(constant.ToFloat(result.Value))
	return value
}

// quantity reads a rounded value such as 3.9 GB, and returns half a unit of its last digit as well.
func quantity(t *testing.T, text string) (value, half float64) {
	t.Helper()
	parts := regexp.MustCompile(`^([0-9]+)(?:\.([0-9]+))? ([kMG]?)(B|s|cores|)$`).FindStringSubmatch(text)
	if parts == nil {
		t.Fatalf("%q is no quantity", text)
	}
	scale := map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[parts[3]]
	value, err := strconv.ParseFloat(parts[1]+"."+parts[2]+"0", 64)
	if err != nil {
		t.Fatal(err)
	}
	return value * scale, scale / 2 / math.Pow10(len(parts[2]))
}

// Links lead somewhere.
func TestOperationsLinks(t *testing.T) {
	anchors := func(page string) []string {
		var all []string
		for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
			word := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
			all = append(all, strings.ReplaceAll(word, " ", "-"))
		}
		return all
	}
	links := regexp.MustCompile(`\]\(([^)#]+)(?:#([^)]+))?\)`).FindAllStringSubmatch(readText(t, operations), -1)
	for _, link := range links {
		page := readText(t, "../../docs/"+link[1])
		if link[2] != "" && !slices.Contains(anchors(page), link[2]) {
			t.Errorf("%s has no heading for #%s", link[1], link[2])
		}
	}
	if len(links) < 5 {
		t.Errorf("%d links", len(links))
	}
}

// Commands within the text have flags that there are; what they lack is the arguments.
func TestOperationsInlineCommands(t *testing.T) {
	commands := map[string]bool{}
	for _, found := range regexp.MustCompile("`(flowd [^`]+)`").FindAllStringSubmatch(readText(t, operations), -1) {
		commands[found[1]] = true
	}
	for _, command := range slices.Sorted(maps.Keys(commands)) {
		var stdout, stderr strings.Builder
		args := append(strings.Fields(command)[1:], "--help")
		if code := run(context.Background(), args, nil, &stdout, &stderr); code != exitOK {
			t.Errorf("%s: exit %d: %s", command, code, stderr.String())
		}
	}
	if len(commands) < 5 {
		t.Errorf("%d commands", len(commands))
	}
}
