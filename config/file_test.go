package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGoodFiles(t *testing.T) {
	for name, text := range map[string]string{
		"empty":          "",
		"comment":        "# nothing yet\n",
		"empty document": "---\n",
		"null":           "~",
		"block":          "max-flows: 9\nlisten: \"[::1]:1\"\n",
		"flow":           "{max-flows: 9, listen: '[::1]:1'}",
		"document":       "--- # settings\nmax-flows: 9\nlisten: \"[::1]:1\"\n...\n",
		"windows":        "max-flows: 9\r\nlisten: \"[::1]:1\"\r\n",
		"anchor":         "max-flows: &n 9\nmax-queries: *n\nlisten: \"[::1]:1\"\n",
	} {
		got, _, err := parse(t, nil, "--config", write(t, text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(text, "9") && (got.MaxFlows != 9 || got.Listen != "[::1]:1") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestBadFiles(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"\n\nlisen: x", `flowd.yaml:3: unknown key "lisen" (did you mean "listen"?)`},
		{"max_flows: 1", `flowd.yaml:1: unknown key "max_flows" (did you mean "max-flows"?)`},
		{"colour: red", `flowd.yaml:1: unknown key "colour"`},
		{"Listen: :1", `flowd.yaml:1: unknown key "Listen" (did you mean "listen"?)`},
		{"<<: {max-flows: 1}", `flowd.yaml:1: unknown key "<<"`},
		{"max-flows: 1\n\nmax-flows: 1\n", `flowd.yaml:3: key "max-flows" stands on line 1 already`},
		{"lisen: x\nlisen: x\n", "flowd.yaml:1: unknown key \"lisen\" (did you mean \"listen\"?)\nflowd.yaml:2: key \"lisen\" stands on line 1 already"},
		{"max-flows: many", `flowd.yaml:1: max-flows: "many" is not a whole number from 1 to 1000000`},
		{"max-flows:\n  - 1\n", `flowd.yaml:1: key "max-flows" needs one plain value`},
		{"max-flows: {a: 1}", `flowd.yaml:1: key "max-flows" needs one plain value`},
		{"max-flows:", `flowd.yaml:1: key "max-flows" needs one plain value`},
		{"max-flows: ''", `flowd.yaml:1: max-flows: is empty; leave it out for the default, or give a value`},
		{"limits:\n  max-flows: 1\n", `flowd.yaml:1: unknown key "limits"`},
		{"config: other.yaml", `flowd.yaml:1: key "config" names this file; give it by flag or by environment`},
		{"? [a, b]\n: 1\n", `flowd.yaml:1: a key is a plain word`},
		{"- listen\n", `flowd.yaml:1: settings are lines of the form "key: value"`},
		{"\nlisten\n", `flowd.yaml:2: settings are lines of the form "key: value"`},
		{"max-flows: 1\n---\nmax-flows: 2\n", `flowd.yaml:2: a second document begins here; settings are one document`},
		{"max-flows: 1\nlisten: [\n", `flowd.yaml:2: is not YAML: did not find expected node content`},
		{"max-flows: 1\nlisten: \"a\n", `flowd.yaml:2: is not YAML: found unexpected end of stream`},
		{"\tmax-flows: 1", `flowd.yaml:1: is not YAML: found character that cannot start any token`},
		{"max-flows: *nobody", `flowd.yaml:1: is not YAML: unknown anchor 'nobody' referenced`},
		{"max-flows: 1\x00", `flowd.yaml:1: is not YAML: control characters are not allowed`},
		{"# " + strings.Repeat("x", maxFile), `flowd.yaml: is no settings file: it is longer than 1MiB`},
	} {
		_, _, err := parse(t, nil, "--config", write(t, test.text))
		if diff := cmp.Diff(test.want, problems(t, err)); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", test.text, diff)
		}
	}
}

func TestMissingFile(t *testing.T) {
	folder := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(folder, "none.yaml"): "none.yaml: cannot be read: no such file or directory",
		folder:                             filepath.Base(folder) + ": cannot be read: is a directory",
	} {
		_, _, err := parse(t, nil, "--config", path)
		if got := problems(t, err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestFileIsReadOnce holds that a pipe works: flowd --config <(make-settings).
func TestFileIsReadOnce(t *testing.T) {
	read, writeEnd, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if _, err := writeEnd.WriteString("max-flows: 11\n"); err != nil {
		t.Fatal(err)
	}
	if err := writeEnd.Close(); err != nil {
		t.Fatal(err)
	}
	got, _, err := parse(t, nil, "--config", fmt.Sprintf("/dev/fd/%d", read.Fd()))
	if err != nil || got.MaxFlows != 11 {
		t.Errorf("got %+v, %v", got, err)
	}
}
