package deploy

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-json"
	"go.yaml.in/yaml/v3"
)

// dashboard is a file that Grafana reads, as far as it is looked at here.
type dashboard struct {
	UID         string  `json:"uid"`
	Title       string  `json:"title"`
	Description string  `json:"description"`
	Panels      []panel `json:"panels"`
	Links       []struct {
		URL string `json:"url"`
	} `json:"links"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	GridPos struct {
		H, W, X, Y int
	} `json:"gridPos"`
	Transformations []struct {
		ID      string         `json:"id"`
		Options map[string]any `json:"options"`
	} `json:"transformations"`
	Datasource source   `json:"datasource"`
	Targets    []target `json:"targets"`
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// target is a question of a panel: to Prometheus, or by the Infinity plugin to flowd.
type target struct {
	RefID      string   `json:"refId"`
	Datasource source   `json:"datasource"`
	Expr       string   `json:"expr"`
	URL        string   `json:"url"`
	Parser     string   `json:"parser"`
	Root       string   `json:"root_selector"`
	Columns    []column `json:"columns"`
}

type column struct{ Selector, Text, Type string }

type variable struct {
	Name        string          `json:"name"`
	Type        string          `json:"type"`
	Label       string          `json:"label"`
	Description string          `json:"description"`
	AllValue    string          `json:"allValue"`
	Query       json.RawMessage `json:"query"`
}

const (
	prometheusType = "prometheus"
	infinityType   = "yesoreyeram-infinity-datasource"
)

// dashboards reads all dashboards by their files' names.
func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	paths, err := filepath.Glob("grafana/dashboards/*")
	if err != nil || len(paths) != 2 {
		t.Fatalf("dashboards %v, %v", paths, err)
	}
	all := map[string]dashboard{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[filepath.Base(path)] = d
	}
	return all
}

// Every panel says what it shows and in which unit, asks for it, and has a place of its own.
func TestPanelsAreWhole(t *testing.T) {
	uids := map[string]bool{}
	for file, d := range dashboards(t) {
		uids[d.UID] = true
		if d.UID == "" || d.Title == "" || d.Description == "" || len(d.Panels) < 10 {
			t.Errorf("%s: uid %q, title %q, description %q, %d panels", file, d.UID, d.Title, d.Description, len(d.Panels))
		}
		ids := map[int]string{}
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			if ids[p.ID] != "" || p.ID == 0 {
				t.Errorf("%s: %q and %q have the id %d", file, p.Title, ids[p.ID], p.ID)
			}
			ids[p.ID] = p.Title
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if at := [2]int{x, y}; taken[at] != "" || x >= 24 {
						t.Errorf("%s: %q is on %q at %v", file, p.Title, taken[at], at)
					} else {
						taken[at] = p.Title
					}
				}
			}
			if p.Type == "row" {
				continue
			}
			if p.Title == "" || len(p.Description) < 15 || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %d: title %q, description %q, unit %q, %d targets", file, p.ID, p.Title, p.Description, p.FieldConfig.Defaults.Unit, len(p.Targets))
			}
			refs := map[string]bool{}
			for _, q := range p.Targets {
				if q.Datasource != p.Datasource || q.Datasource.UID != "${datasource}" || refs[q.RefID] || q.RefID == "" {
					t.Errorf("%s: %s: target %q of %+v", file, p.Title, q.RefID, q.Datasource)
				}
				refs[q.RefID] = true
				if isPrometheus := q.Datasource.Type == prometheusType; isPrometheus != (q.Expr != "") || isPrometheus == (q.URL != "") {
					t.Errorf("%s: %s: a target of %s with the expression %q and the URL %q", file, p.Title, q.Datasource.Type, q.Expr, q.URL)
				}
			}
		}
		for _, v := range d.Templating.List {
			if v.Name == "" || v.Label == "" || v.Description == "" || len(v.Query) == 0 {
				t.Errorf("%s: variable %q, label %q, description %q, query %s", file, v.Name, v.Label, v.Description, v.Query)
			}
		}
	}
	for file, d := range dashboards(t) {
		for _, l := range d.Links {
			if !uids[strings.TrimPrefix(l.URL, "/d/")] {
				t.Errorf("%s: link to %s, which is none of %v", file, l.URL, uids)
			}
		}
	}
}

// What a dashboard says in ${} or $ it also defines.
func TestVariablesAreDefined(t *testing.T) {
	for file, d := range dashboards(t) {
		defined := []string{"__rate_interval", "__from", "__to"}
		for _, v := range d.Templating.List {
			defined = append(defined, v.Name)
		}
		used := map[string]bool{}
		for _, p := range d.Panels {
			texts := []string{p.Title, p.Datasource.UID}
			for _, q := range p.Targets {
				texts = append(texts, q.Expr, q.URL, q.Datasource.UID)
			}
			for _, found := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(strings.Join(texts, " "), -1) {
				used[found[1]] = true
				if !slices.Contains(defined, found[1]) {
					t.Errorf("%s: %s: $%s is not defined", file, p.Title, found[1])
				}
			}
		}
		for _, v := range d.Templating.List {
			if !used[v.Name] {
				t.Errorf("%s: the variable %s is not used", file, v.Name)
			}
		}
	}
}

// rule is an expression of a panel as a file of rules has it.
type rule struct {
	Record string `yaml:"record"`
	Expr   string `yaml:"expr"`
}

// expressions returns those of all panels, with an interval in the place of Grafana's.
func expressions(t *testing.T) (all []rule) {
	t.Helper()
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if q.Expr != "" {
					all = append(all, rule{fmt.Sprintf("panel:%d:%s", p.ID, q.RefID), strings.ReplaceAll(q.Expr, "$__rate_interval", "5m")})
				}
			}
		}
	}
	if len(all) < 50 {
		t.Fatalf("%d expressions", len(all))
	}
	return all
}

// Every expression is PromQL.
func TestExpressionsArePromQL(t *testing.T) {
	if out, err := checkRules(t, expressions(t)); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := checkRules(t, []rule{{"broken", "sum by (x (a)"}}); err == nil {
		t.Errorf("an expression that is none is taken: %s", out)
	}
}

// Every expression names metrics and labels that a server has, and so do the questions for the values
// of variables.
func TestExpressionsNameRealMetrics(t *testing.T) {
	metrics := scrape(t)
	for _, r := range expressions(t) {
		for _, wrong := range metrics.missing(r.Expr) {
			t.Errorf("%s: a server has no %s", r.Record, wrong)
		}
	}
	asked := 0
	for _, v := range dashboards(t)["server.json"].Templating.List {
		for _, found := range regexp.MustCompile(`label_values\((\w+), (\w+)\)`).FindAllStringSubmatch(string(v.Query), -1) {
			asked++
			for _, wrong := range metrics.missing("sum by (" + found[2] + ") (" + found[1] + ")") {
				t.Errorf("variable %s: a server has no %s", v.Name, wrong)
			}
		}
	}
	if asked == 0 {
		t.Error("no variable asks for the values of a label")
	}
}

func checkRules(t *testing.T, rules any) (output string, err error) {
	t.Helper()
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "expressions", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return promtool(t, "check", "rules", path)
}

// What is provisioned are data sources of the types that the dashboards choose from.
func TestProvisioning(t *testing.T) {
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, URL string
			JSONData             struct {
				AllowedHosts []string `yaml:"allowedHosts"`
			} `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	readYAML(t, "grafana/provisioning/datasources/flowd.yml", &sources)
	types := []string{}
	for _, s := range sources.Datasources {
		types = append(types, s.Type)
		if u, err := url.Parse(s.URL); err != nil || u.Host == "" || s.Name == "" || s.UID == "" {
			t.Errorf("data source %+v: %v", s, err)
		}
		if s.Type == infinityType && !slices.Equal(s.JSONData.AllowedHosts, []string{s.URL}) {
			t.Errorf("%s may ask %v, but is at %s", s.Name, s.JSONData.AllowedHosts, s.URL)
		}
	}
	if !slices.Equal(types, []string{prometheusType, infinityType}) || sources.APIVersion != 1 {
		t.Errorf("data sources of the types %v, version %d", types, sources.APIVersion)
	}
	var providers struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Type    string `yaml:"type"`
			Options struct {
				Path string `yaml:"path"`
			} `yaml:"options"`
		} `yaml:"providers"`
	}
	readYAML(t, "grafana/provisioning/dashboards/flowd.yml", &providers)
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range providers.Providers {
		if p.Type != "file" || !strings.Contains(string(readme), p.Options.Path) {
			t.Errorf("the provider of dashboards is %+v; README.md says where they go", p)
		}
	}
	for _, d := range dashboards(t) {
		for _, v := range d.Templating.List {
			if v.Type == "datasource" && !slices.Contains(types, strings.Trim(string(v.Query), `"`)) {
				t.Errorf("%s chooses from data sources of the type %s", d.Title, v.Query)
			}
		}
	}
}
