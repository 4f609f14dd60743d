//go:build schemathesis

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

// schemathesis has requests made from the document of the server at url, and the answers held to it.
// It returns what is said of that, and whether all was well.
func schemathesis(t *testing.T, url string, args ...string) (report string, ok bool) {
	t.Helper()
	program, err := filepath.Abs("../../bin/schemathesis/bin/schemathesis")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("schemathesis is missing, which make openapi installs into bin/schemathesis")
	}
	hooks, err := filepath.Abs("testdata/schemathesis")
	if err != nil {
		t.Fatal(err)
	}
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
// fault of the server.
func TestServerIsAsItsDocument(t *testing.T) {
	s := describedServer(t)
	report, ok := schemathesis(t, "http://"+s.address)
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
	report, ok := schemathesis(t, between.URL, "--phases=fuzzing", "--max-examples=1",
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
