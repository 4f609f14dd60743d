package flowd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// vulnerabilities writes a database in which symbols of a module are vulnerable, and returns its URL.
func vulnerabilities(t *testing.T, module, symbol string) string {
	t.Helper()
	folder := t.TempDir()
	const id, day = "GO-2026-9999", "2026-01-01T00:00:00Z"
	for path, text := range map[string]string{
		"index/db.json":      fmt.Sprintf(`{"modified":%q}`, day),
		"index/modules.json": fmt.Sprintf(`[{"path":%q,"vulns":[{"id":%q,"modified":%q}]}]`, module, id, day),
		"ID/" + id + ".json": fmt.Sprintf(`{"schema_version":"1.3.1","id":%q,"modified":%q,"summary":"made up",
			"database_specific":{"url":"https://pkg.go.dev/vuln/"},"affected":[{
			"package":{"name":%q,"ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],
			"ecosystem_specific":{"imports":[{"path":%[3]q,"symbols":[%q]}]}}]}`, id, day, module, symbol),
	} {
		file := filepath.Join(folder, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "file://" + folder
}

// What is known to be vulnerable stops a change where it is called, and where nobody can be asked it is said.
func TestKnownVulnerabilitiesAreFound(t *testing.T) {
	const yaml = "go.yaml.in/yaml/v3"
	for _, c := range []struct {
		name    string
		environ []string
		fails   bool
		want    string // of what is printed
		leftOut bool
	}{
		{"called", []string{"GOVULNDB=" + vulnerabilities(t, yaml, "NewDecoder")}, true, "calls yaml.NewDecoder", false},
		{"not called", []string{"GOVULNDB=" + vulnerabilities(t, yaml, "NewEncoder")}, false, "no known vulnerability is called", false},
		{"nobody answers", []string{"HTTPS_PROXY=http://127.0.0.1:1", "https_proxy=http://127.0.0.1:1", "NO_PROXY=", "no_proxy="}, false, "WERE NOT LOOKED FOR", true},
		{"no database", []string{"GOVULNDB=file://" + filepath.Join(t.TempDir(), "absent")}, true, "no such file", false},
	} {
		leftOut := filepath.Join(t.TempDir(), "left-out")
		command := exec.Command("sh", ".ci/vulnerabilities", "./config")
		command.Env = append(append(os.Environ(), "GOVULNDB=", "LEFT_OUT="+leftOut), c.environ...)
		out, err := command.CombinedOutput()
		if _, ended := err.(*exec.ExitError); ended != c.fails || err != nil && !ended || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v, want %q\n%s", c.name, err, c.want, out)
		}
		text, _ := os.ReadFile(leftOut)
		if said := strings.Contains(string(text), "NOT LOOKED FOR"); said != c.leftOut {
			t.Errorf("%s: left out is %q", c.name, text)
		}
	}
}
