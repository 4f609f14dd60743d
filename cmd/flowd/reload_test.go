package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// asked is a request with a token, and its answer.
func (s *server) asked(method, url, token string) (status int, body string) {
	s.t.Helper()
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// freeAddress returns one that nobody listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestReload takes a running server through new settings, bad ones and mended ones, by the admin listener
// and by SIGHUP, and holds what it says and what it does to each.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	settings, tokens := filepath.Join(dir, "flowd.yaml"), filepath.Join(dir, "tokens.yaml")
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entry := func(name, token, scopes string) string {
		return fmt.Sprintf("  - name: %s\n    sha256: %x\n    scopes: [%s]\n", name, sha256.Sum256([]byte(token)), scopes)
	}
	admin := "tokens:\n" + entry("operator", "flowd_operator", "admin, metrics, query")
	write(tokens, admin)
	write(settings, "max-flows: 10\n")
	address := freeAddress(t)
	s := start(t, "--config="+settings, "--tokens-file="+tokens, "--admin-listen="+address, "--log-level=warn")
	root, api := "http://"+address, "http://"+s.address
	reload := func(want int, says ...string) {
		t.Helper()
		status, body := s.asked("POST", root+"/-/reload", "flowd_operator")
		if status != want {
			t.Errorf("reload: %d, want %d: %s", status, want, body)
		}
		for _, text := range says {
			if !strings.Contains(body, text) {
				t.Errorf("reload does not say %s: %s", text, body)
			}
		}
	}
	metric := func(series, want string) {
		t.Helper()
		s.until(series+" is "+want, func() bool {
			_, body := s.asked("GET", root+"/metrics", "flowd_operator")
			return strings.Contains(body, "\n"+series+" "+want+"\n")
		})
	}
	reaches := func(token string, want int) {
		t.Helper()
		if status, body := s.asked("GET", api+"/hours", token); status != want {
			t.Errorf("a read with %q: %d, want %d: %s", token, status, want, body)
		}
	}

	if status, _ := s.asked("POST", root+"/-/reload", ""); status != http.StatusUnauthorized {
		t.Errorf("anybody may reload: %d", status)
	}
	metric("flowd_config_last_reload_successful", "1")
	reload(http.StatusOK, `{"changed":[],"restart":[]}`)
	reaches("flowd_reader", http.StatusUnauthorized)

	write(tokens, admin+entry("reader", "flowd_reader", "query"))
	write(settings, "max-flows: 20\nmax-header-bytes: 16KiB\n")
	reload(http.StatusOK, `{"key":"max-flows","from":"10","to":"20"}`, `"restart":[{"key":"max-header-bytes","from":"8KiB","to":"16KiB"}]`)
	reaches("flowd_reader", http.StatusOK)

	write(settings, "max-flows: many\nno-such-key: 1\n")
	reload(http.StatusBadRequest, settings+":1", settings+":2", "no-such-key")
	metric("flowd_config_last_reload_successful", "0")
	reaches("flowd_reader", http.StatusOK)

	write(settings, "max-flows: 30\n")
	write(tokens, "tokens:\n  - name: nobody\n")
	reload(http.StatusBadRequest, tokens+":2")
	reaches("flowd_reader", http.StatusOK)

	write(tokens, admin)
	s.signal(syscall.SIGHUP)
	metric("flowd_config_last_reload_successful", "1")
	metric(`flowd_config_reloads_total{result="failure"}`, "2")
	metric(`flowd_config_reloads_total{result="success"}`, "3")
	reaches("flowd_reader", http.StatusUnauthorized)
	reload(http.StatusOK, `{"changed":[],"restart":[]}`)

	s.signal(syscall.SIGTERM)
	stderr := s.exits(exitOK)
	for _, secret := range []string{"flowd_operator", "flowd_reader", fmt.Sprintf("%x", sha256.Sum256([]byte("flowd_operator")))} {
		if strings.Contains(stderr, secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}
