package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-json"
)

// leastSystemd can judge a unit that is not installed.
const leastSystemd = 250

// systemdAnalyze runs systemd-analyze, and returns what it printed.
func systemdAnalyze(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	program, err := exec.LookPath("systemd-analyze")
	if err == nil {
		out, _ := exec.Command(program, "--version").Output()
		found := regexp.MustCompile(`^systemd (\d+)`).FindStringSubmatch(string(out))
		if found == nil {
			t.Fatalf("systemd-analyze --version says %q", out)
		}
		if version, _ := strconv.Atoi(found[1]); version < leastSystemd {
			t.Skipf("systemd %d is older than %d", version, leastSystemd)
		}
	} else if os.Getenv("CI") == "true" {
		t.Fatal("systemd-analyze is missing, and with CI=true no test is left out")
	} else {
		t.Skip("systemd-analyze is missing")
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	return string(out), err
}

// unit returns the service's unit, with a change.
func unit(t *testing.T, old, new string) string {
	t.Helper()
	text, err := os.ReadFile("systemd/flowd.service")
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(text), old, new)
	if changed == string(text) {
		t.Fatalf("the unit has no %q", old)
	}
	path := filepath.Join(t.TempDir(), "flowd.service")
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// systemd knows every line of the unit.
func TestUnitIsKnown(t *testing.T) {
	const program = "/usr/bin/flowd" // which is not installed here
	path := unit(t, program, "/bin/sh")
	if out, err := systemdAnalyze(t, "verify", "--man=no", "--recursive-errors=no", path); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(text), "ProtectSystem=", "ProtectSytem=", 1)
	if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := systemdAnalyze(t, "verify", "--man=no", "--recursive-errors=no", path); !strings.Contains(out, "ProtectSytem") {
		t.Errorf("a line that systemd does not know is taken: %q", out)
	}
}

// The unit takes from the server what it does not need: at most 1.5 of the 10 points that systemd gives for what a
// service is exposed to. Those that are left are the network, and some tenths that the unit gives its reasons for.
func TestUnitIsLocked(t *testing.T) {
	const most = "15" // in tenths
	path := unit(t, "Description=flowd", "Description=Flowd")
	if out, err := systemdAnalyze(t, "security", "--offline=true", "--no-pager", "--threshold="+most, path); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	open := unit(t, "SystemCallFilter=", "#")
	if out, err := systemdAnalyze(t, "security", "--offline=true", "--no-pager", "--threshold="+most, open); err == nil {
		t.Errorf("a unit without a filter of system calls passes:\n%s", out)
	}
}

// flowd takes the settings of each way to install it, and they say where data are and who is listened to.
func TestInstalledSettings(t *testing.T) {
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]map[string]string{
		"packages/flowd.yaml":   {"data": "/var/lib/flowd", "listen": "127.0.0.1:8080", "tokens-file": ""},
		"docker/flowd.yaml":     {"data": "/var/lib/flowd", "listen": "0.0.0.0:8080", "tokens-file": "", "insecure": "true"},
		"kubernetes/flowd.yaml": {"data": "/var/lib/flowd", "listen": "0.0.0.0:8080", "tokens-file": "/etc/flowd-tokens/tokens.yaml"},
	} {
		command := exec.Command(program, "config", "show", "--config", path, "--json")
		command.Env = []string{"LANG=C"}
		if path == "docker/flowd.yaml" { // which nobody is served with who does not choose
			command.Env = append(command.Env, "FLOWD_INSECURE=true")
		}
		out, err := command.Output()
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		var report []struct{ Key, Value string }
		if err := json.Unmarshal(out, &report); err != nil {
			t.Fatal(err)
		}
		for _, s := range report {
			if value, named := want[s.Key]; named && s.Value != value {
				t.Errorf("%s: %s is %q, want %q", path, s.Key, s.Value, value)
			}
			delete(want, s.Key)
		}
		if len(want) > 0 {
			t.Errorf("%s: there are no settings %v", path, want)
		}
	}
}

// What the package suggests in comments is taken too, once its files are there.
func TestSuggestedSettings(t *testing.T) {
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("packages/flowd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	suggested := regexp.MustCompile(`(?m)^#([a-z-]+: )`).ReplaceAllString(string(text), "$1")
	path := filepath.Join(t.TempDir(), "flowd.yaml")
	if err := os.WriteFile(path, []byte(suggested), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "config", "check", path).CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	missing := func(line string) bool { return strings.Contains(line, "no such file or directory") }
	if err == nil || len(lines) < 2 || slices.ContainsFunc(lines, func(l string) bool { return !missing(l) }) {
		t.Errorf("%v: more is wrong than that files are not there:\n%s", err, out)
	}
}

// Prometheus takes what Compose gives it, with the alerts beside it as Compose mounts them.
func TestPrometheusOfCompose(t *testing.T) {
	folder := t.TempDir()
	for _, path := range []string{"docker/prometheus.yml", "prometheus/alerts.yml"} {
		text, err := os.ReadFile(filepath.FromSlash(path))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(path)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := promtool(t, "check", "config", filepath.Join(folder, "prometheus.yml"))
	if err != nil || !strings.Contains(out, "rule files found") {
		t.Errorf("%v\n%s", err, out)
	}
}
