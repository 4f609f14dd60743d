package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// describedServer is one that takes all that its document says: no hour is too far ahead, and the
// largest limit is the document's.
func describedServer(t *testing.T) *server {
	t.Helper()
	return start(t, "--max-ahead=0s", "--max-groups=100000000")
}

// needSchemathesis returns the program, and the folder of what it is told of flowd, both as absolute
// paths. Without the program of the versions that are pinned the test is left out, or fails with CI=true.
func needSchemathesis(t *testing.T) (program, hooks string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	pinned := readText(t, filepath.Join(root, ".ci/schemathesis.txt"))
	venv := filepath.Join(root, "bin/schemathesis")
	if installed, err := os.ReadFile(filepath.Join(venv, "installed.txt")); err != nil || string(installed) != pinned {
		const why = "schemathesis is missing, or not as pinned, so nothing holds the server to its document here; " +
			"make tools installs it from PyPI into bin/"
		if os.Getenv("CI") == "true" {
			t.Fatal(why + ", and with CI=true no test is left out")
		}
		t.Skip(why)
	}
	hooks = filepath.Join(root, "cmd/flowd/testdata/schemathesis")
	for _, file := range []string{"hooks.py", "schemathesis.toml"} {
		readText(t, filepath.Join(hooks, file)) // so that go test knows that its result is of these
	}
	return filepath.Join(venv, "bin/schemathesis"), hooks
}

// schemathesis has requests made from the document of the server at url, and the answers held to it.
// It returns what is said of that, and whether all was well.
func schemathesis(t *testing.T, url string, args ...string) (report string, ok bool) {
	t.Helper()
	program, hooks := needSchemathesis(t)
	words := append([]string{"--config-file", filepath.Join(hooks, "schemathesis.toml"), "run", "--no-color", url + "/openapi.json"}, args...)
	command := exec.CommandContext(t.Context(), program, words...)
	command.Dir = t.TempDir() // it keeps notes where it runs
	command.Env = append(os.Environ(), "PYTHONPATH="+hooks, "PYTHONDONTWRITEBYTECODE=1", "PYTHONUTF8=1", "COLUMNS=200")
	out, err := command.CombinedOutput()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	return string(out), err == nil
}

// A tool that knows nothing of flowd but its document, and what the document says in words, gets no
// answer that is not in it: all that the schemas allow is taken, all else is refused, and nothing is a
// fault of the server. It is tried with the same few examples each time, or, where FLOWD_OPENAPI_SEEDS
// says of how many seeds, as in make openapi, with many of each.
func TestServerIsAsItsDocument(t *testing.T) {
	needSchemathesis(t)
	seeds, examples := 1, 10
	if text := os.Getenv("FLOWD_OPENAPI_SEEDS"); text != "" {
		var err error
		if seeds, err = strconv.Atoi(text); err != nil || seeds < 1 {
			t.Fatalf("FLOWD_OPENAPI_SEEDS is %q, not how many", text)
		}
		examples = 100
	}
	for seed := 1; seed <= seeds; seed++ {
		t.Run(strconv.Itoa(seed), func(t *testing.T) { heldToDocument(t, seed, examples) })
	}
}

// heldToDocument holds a server to its document with so many examples of a seed for each operation.
func heldToDocument(t *testing.T, seed, examples int) {
	s := describedServer(t)
	report, ok := schemathesis(t, "http://"+s.address, "--seed="+strconv.Itoa(seed), "--max-examples="+strconv.Itoa(examples))
	if !ok {
		t.Errorf("schemathesis finds what is not as the document says:\n%s", report)
	}
	tested := regexp.MustCompile(`Tested: +(\d+)`).FindStringSubmatch(report)
	cases := regexp.MustCompile(`(\d+) generated`).FindStringSubmatch(report)
	if tested == nil || cases == nil {
		t.Fatalf("schemathesis does not say what it tried:\n%s", report)
	}
	operations, _ := strconv.Atoi(tested[1])
	requests, _ := strconv.Atoi(cases[1])
	if operations < 16 || requests < 1000 {
		t.Errorf("%d requests to %d operations: not much was tried", requests, operations)
	}
	t.Logf("%d requests to %d operations", requests, operations)
	if _, ledger, err := s.get("/ledger"); err != nil || !strings.Contains(ledger, `"balanced":true`) || strings.Contains(ledger, `"received":{"flows":0`) {
		t.Errorf("the account is %.300s, %v", ledger, err)
	}
	s.signal(syscall.SIGTERM)
	if log := s.exits(0); strings.Contains(log, "level=ERROR") {
		t.Errorf("the server's log has\n%s", log)
	}
}

// That nothing is found is worth something only if it would be.
func TestFaultsOfAServerAreFound(t *testing.T) {
	needSchemathesis(t)
	target, err := url.Parse("http://" + describedServer(t).address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		switch r.Request.URL.Path {
		case "/livez":
			r.StatusCode = http.StatusInternalServerError
		case "/readyz":
			r.StatusCode = http.StatusTeapot
		case "/version":
			const text = `{"version":1}`
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
			r.Header.Set("Content-Length", strconv.Itoa(len(text)))
		}
		return nil
	}
	between := httptest.NewServer(proxy)
	defer between.Close()
	report, ok := schemathesis(t, between.URL, "--seed=1", "--phases=fuzzing", "--max-examples=1",
		"--include-path=/livez", "--include-path=/readyz", "--include-path=/version", "--include-path=/hours")
	for path, want := range map[string]string{
		"/livez": "Server error", "/readyz": "Undocumented status code", "/version": "Response violates schema",
	} {
		_, found, _ := strings.Cut(report, "_ GET "+path+" _")
		if found, _, _ = strings.Cut(found, "Reproduce with"); !strings.Contains(found, want) {
			t.Errorf("%s: no %q is found", path, want)
		}
	}
	if ok || strings.Contains(report, "_ GET /hours _") {
		t.Error("all is well, or what is well is not")
	}
	if t.Failed() {
		t.Log(report)
	}
}
