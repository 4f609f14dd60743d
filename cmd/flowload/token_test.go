package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"flowd/loadtest/faulty"
)

// guarded starts a server that answers 401 to all that do not show a token, and tells of those that do.
func guarded(t *testing.T, token string, entered func()) *httptest.Server {
	t.Helper()
	behind, err := url.Parse(startServer(t, faulty.Faults{}).URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.Transport = transport
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Values("Authorization"); len(got) != 1 || got[0] != "Bearer "+token {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(401)
			_, _ = w.Write([]byte(`{"title":"Unauthorized","detail":"The token is not known."}`))
			return
		}
		entered()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// Every command that talks to a server shows it the token, and no command shows it to another server.
func TestTokens(t *testing.T) {
	dir := replayFiles(t)
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(" flowd_secret \nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var entered atomic.Pointer[func()]
	s := guarded(t, "flowd_secret", func() { (*entered.Load())() })
	for _, command := range []string{
		"run --for 50ms --tuples 10", "demo", "replay " + filepath.Join(dir, "own.ndjson"),
	} {
		for _, test := range []struct {
			name        string
			flags       string
			environment map[string]string
			code        int
			say         string
		}{
			{"none", "", nil, exitRuntime, "401"},
			{"flag", "--token flowd_secret", nil, exitOK, ""},
			{"file", "--token-file " + file, nil, exitOK, ""},
			{"variable", "", map[string]string{"FLOWD_TOKEN": "flowd_secret"}, exitOK, ""},
			{"variable with a file", "", map[string]string{"FLOWD_TOKEN_FILE": file}, exitOK, ""},
			{"flag before variables", "--token-file " + file, map[string]string{"FLOWD_TOKEN": "flowd_wrong"}, exitOK, ""},
			{"wrong", "--token flowd_wrong", nil, exitRuntime, "401"},
			{"both flags", "--token flowd_secret --token-file " + file, nil, exitUsage, "--token: there is --token-file too"},
			{"both variables", "", map[string]string{"FLOWD_TOKEN": "flowd_secret", "FLOWD_TOKEN_FILE": file}, exitUsage, "FLOWD_TOKEN: there is FLOWD_TOKEN_FILE too"},
			{"no file", "--token-file " + file + "s", nil, exitUsage, "--token-file: open "},
			{"an empty file", "--token-file " + filepath.Join(dir, "empty"), nil, exitUsage, "has no token on its first line"},
			{"no token", "--token flowd_secret\x7f", nil, exitUsage, "only visible ASCII"},
		} {
			t.Run(strings.Fields(command)[0]+"/"+test.name, func(t *testing.T) {
				for name, value := range test.environment {
					t.Setenv(name, value)
				}
				ctx, interrupt := context.WithCancel(t.Context())
				defer interrupt()
				want, nothing := test.code, func() {}
				entered.Store(&nothing)
				if command == "demo" && want == exitOK && test.name != "flag" {
					// It has been let in. The rest of two days takes seconds, and once is enough.
					want = exitRuntime
					entered.Store((*func())(&interrupt))
				}
				args := append(strings.Fields(command), "--target", s.URL)
				var stdout, stderr bytes.Buffer
				code := run(ctx, append(args, strings.Fields(test.flags)...), &stdout, &stderr)
				said := stdout.String() + stderr.String()
				if interrupted := ctx.Err() != nil; interrupted != (want != test.code) || interrupted != strings.Contains(said, "interrupted") {
					t.Errorf("interrupted %t, and it says\n%s", interrupted, said)
				}
				if code != want || !strings.Contains(said, test.say) || strings.Contains(said, "flowd_secret") || strings.Contains(said, "flowd_wrong") {
					t.Errorf("exit code %d, want %d\n%s", code, want, said)
				}
			})
		}
	}
}

// The search for the highest load shows the token as well; no rate holds the bound here.
func TestTokenOfMax(t *testing.T) {
	s := guarded(t, "flowd_secret", func() {})
	for token, want := range map[string]string{"flowd_secret": "no rate held", "flowd_wrong": "401"} {
		var stdout, stderr bytes.Buffer
		args := []string{"max", "--target", s.URL, "--token", token, "--step", "100ms", "--start", "100", "--p99", "1ns", "--precision", "0.5"}
		code := run(context.Background(), args, &stdout, &stderr)
		said := stdout.String() + stderr.String()
		if code != exitRuntime || !strings.Contains(said, want) || want != "401" && strings.Contains(said, "401") {
			t.Errorf("%s: exit code %d\n%s", token, code, said)
		}
	}
}
