package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// alert is a rule of alerts.yml.
type alert struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// alerts reads alerts.yml.
func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []alert `yaml:"rules"`
		} `yaml:"groups"`
	}
	readYAML(t, "prometheus/alerts.yml", &file)
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("%d alerts", len(all))
	}
	return all
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(path))
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// Prometheus takes the files, and the alerts fire when they should and no others do.
func TestPromtool(t *testing.T) {
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"}, {"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"},
	} {
		if out, err := promtool(t, args...); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// Everybody who is woken by an alert is told what it means and what to do.
func TestAlertsSayWhatToDo(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range alerts(t) {
		if seen[a.Alert] || !strings.HasPrefix(a.Alert, "Flowd") {
			t.Errorf("alert %q: its name must begin with Flowd, and be there once", a.Alert)
		}
		seen[a.Alert] = true
		if s := a.Labels["severity"]; s != "critical" && s != "warning" || len(a.Labels) != 1 {
			t.Errorf("%s: labels %v", a.Alert, a.Labels)
		}
		summary, description := a.Annotations["summary"], a.Annotations["description"]
		if len(summary) < 20 || len(summary) > 110 || len(description) < 120 || len(a.Annotations) != 2 {
			t.Errorf("%s: a summary of %d and a description of %d characters", a.Alert, len(summary), len(description))
		}
		// What counts an event needs no patience; what compares a level must not wake anybody for a peak.
		counts := regexp.MustCompile(`^(increase|changes)\(`).MatchString(a.Expr)
		if a.For == "" && !counts {
			t.Errorf("%s: a level without for", a.Alert)
		}
	}
}

// Each alert is seen to fire by alerts_test.yml.
func TestEveryAlertIsTested(t *testing.T) {
	var file struct {
		Tests []struct {
			PromQL []struct {
				Samples []struct {
					Labels string `yaml:"labels"`
				} `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		} `yaml:"tests"`
	}
	readYAML(t, "prometheus/alerts_test.yml", &file)
	fired := ""
	for _, test := range file.Tests {
		for _, question := range test.PromQL {
			for _, s := range question.Samples {
				fired += s.Labels
			}
		}
	}
	for _, a := range alerts(t) {
		if !strings.Contains(fired, `alertname="`+a.Alert+`"`) {
			t.Errorf("%s fires in no test", a.Alert)
		}
	}
}

// The metrics, labels and values of labels that the alerts name are those that a server has, and so are
// those that its alerts are tested with.
func TestAlertsNameRealMetrics(t *testing.T) {
	metrics := scrape(t)
	for _, a := range alerts(t) {
		for _, wrong := range metrics.missing(a.Expr) {
			t.Errorf("%s: a server has no %s", a.Alert, wrong)
		}
		for _, named := range regexp.MustCompile(`\bflowd_[a-z_]+`).FindAllString(a.Annotations["description"], -1) {
			if len(metrics[named]) == 0 {
				t.Errorf("%s: its description names %s, which a server does not have", a.Alert, named)
			}
		}
	}
	text, err := os.ReadFile("prometheus/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	tested := regexp.MustCompile(`\{series: '([^']+)'`).FindAllStringSubmatch(string(text), -1)
	if len(tested) < 50 {
		t.Errorf("%d series in alerts_test.yml", len(tested))
	}
	for _, series := range tested {
		// Buckets are those of the test, and an instance has any name.
		expression := regexp.MustCompile(`,le="[^"]*"`).ReplaceAllString(series[1], "")
		for _, wrong := range metrics.missing(expression) {
			t.Errorf("alerts_test.yml: a server has no %s", wrong)
		}
	}
}

// scrape returns the metrics of a server that was asked on every route, with those that one with TLS has.
func scrape(t *testing.T) exposed {
	t.Helper()
	f := start(t)
	f.fill(time.Now())
	for _, target := range []string{
		"/flows?from=0", "/diff?a=0&b=1", "/pairs?from=0", "/names?field=vpc_id", "/hours", "/ledger", "/metrics", "/livez", "/readyz",
	} {
		f.get(target)
	}
	metrics, err := readExposed(f.get("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(metrics["flowd_flows_received_total"], func(l map[string]string) bool { return l["outcome"] == "accepted" }) {
		t.Fatal("/metrics does not have what all begins with")
	}
	more, err := readExposed(secured(t).get("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	for name, series := range more {
		if strings.HasPrefix(name, "flowd_tls_") {
			metrics[name] = series
		}
	}
	return metrics
}
