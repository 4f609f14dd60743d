package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowd/problem"
)

// healthcheck runs the command, and returns its exit code and what it printed.
func healthcheck(t *testing.T, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(t.Context(), append([]string{"healthcheck"}, args...), nil, &out, &err)
	return code, out.String(), err.String()
}

func TestHealthcheckOfAServer(t *testing.T) {
	s := start(t)
	if code, stdout, stderr := healthcheck(t, "--server", "http://"+s.address); code != exitOK || stdout != "ready\n" || stderr != "" {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
}

func TestHealthcheckSaysWhy(t *testing.T) {
	status, body := 0, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/readyz":
			t.Errorf("asked for %s", r.URL)
		case status == 0: // silent until the client has gone
			<-r.Context().Done()
			return
		}
		w.Header().Set("Location", "/livez")
		if strings.HasPrefix(body, "{") {
			w.Header().Set("Content-Type", problem.MediaType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{503, `{"detail":"The server is starting.","reasons":["recovering"]}`, "is not ready: recovering: The server is starting."},
		{503, `{"detail":"It stops, as the disk is full.","reasons":["draining","disk-full"]}`, "draining, disk-full: It stops"},
		{503, `{"detail":"There are 9 connections already."}`, "is not ready: There are 9 connections already."},
		{503, `{"detail":"a \u001b[31m red one"}`, `a \x1b[31m red one`},
		{503, `{"detail":"a red one","reasons":["\u001b[31m"]}`, `\x1b[31m: a red one`},
		{502, `<h1>Bad Gateway</h1>`, "is not ready: it answered 502 Bad Gateway"},
		{302, ``, "is not ready: it answered 302 Found"},
		{0, ``, "does not answer within 50ms"},
	} {
		status, body = c.status, c.body
		timeout := "30s"
		if status == 0 {
			timeout = "50ms"
		}
		code, stdout, stderr := healthcheck(t, "--server", server.URL+"/", "--timeout", timeout)
		if code != exitRuntime || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%d %s: exit code %d, %q, %q, want %q", c.status, c.body, code, stdout, stderr, c.want)
		}
	}
	server.Close()
	if code, _, stderr := healthcheck(t, "--server", server.URL); code != exitRuntime || !strings.Contains(stderr, "connection refused") {
		t.Errorf("of a closed port: exit code %d, %q", code, stderr)
	}
}

func TestHealthcheckOverTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that must fail
	server.StartTLS()
	defer server.Close()
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.pem", certificatePEM(server.Certificate().Raw))
	for _, c := range []struct {
		name string
		args []string
		want string // on stderr; none is exit code 0
	}{
		{"loopback", nil, ""},
		{"loopback, verified", []string{"--ca-file", good}, ""},
		{"another authority", []string{"--ca-file", file("other.pem", authority(t))}, "certificate signed by unknown authority"},
		{"no authority", []string{"--ca-file", file("none.pem", "-")}, "has no certificate in PEM form"},
		{"no file", []string{"--ca-file", filepath.Join(folder, "absent")}, "absent cannot be read: no such file"},
	} {
		code, stdout, stderr := healthcheck(t, append(c.args, "--server", server.URL)...)
		switch {
		case c.want == "" && (code != exitOK || stdout != "ready\n"):
			t.Errorf("%s: exit code %d, %q, %q", c.name, code, stdout, stderr)
		case c.want != "" && (code != exitRuntime || !strings.Contains(stderr, c.want)):
			t.Errorf("%s: exit code %d, %q, want %q", c.name, code, stderr, c.want)
		}
	}
}

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// authority returns a certificate that signed none of the server's.
func authority(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return certificatePEM(der)
}

func TestHealthcheckVerifiesBeyondLoopback(t *testing.T) {
	for server, want := range map[string]bool{
		"https://127.0.0.1:8080": true, "https://127.9.9.9": true, "https://[::1]:8080": true, "https://localhost:8080": true,
		"https://localhost.example.com": false, "https://10.0.0.1:8080": false, "https://flowd": false, "https://[::2]": false,
		"https://127.0.0.1.example.com": false,
	} {
		config, err := (&healthcheckCommand{Server: server}).tls()
		if err != nil || config.InsecureSkipVerify != want {
			t.Errorf("%s: unverified %v, %v", server, config.InsecureSkipVerify, err)
		}
	}
}

func TestHealthcheckUsage(t *testing.T) {
	for _, c := range []struct{ flag, value, want string }{
		{"--server", "127.0.0.1:8080", "--server: must look like http://host:port"},
		{"--server", "ftp://127.0.0.1", "--server: must look like http://host:port"},
		{"--server", "http://flowd?ready", "must have no user, no ? and no #"},
		{"--server", "http://me:secret@flowd", "http://me:xxxxx@flowd"},
		{"--timeout", "0s", "--timeout: must be over 0"},
	} {
		if code, _, stderr := healthcheck(t, c.flag, c.value); code != exitUsage || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "secret") {
			t.Errorf("%s %s: exit code %d, %q, want %q", c.flag, c.value, code, stderr, c.want)
		}
	}
}
