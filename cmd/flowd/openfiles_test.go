package main

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// limited is a program that runs another with so many open files at most.
func limited(t *testing.T, files string) []string {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	return []string{shell, "-c", "ulimit -n " + files + ` && exec "$@"`, "sh"}
}

func TestOpenFilesAreTooFew(t *testing.T) {
	const warning = "max-connections is above what the limit of open files allows"
	for _, c := range []struct {
		connections, files string
		warned             bool
	}{
		{"500", "600", true},
		{"244", "500", false},
		{"245", "500", true},
	} {
		s := startBy(t, limited(t, c.files), "--max-connections="+c.connections)
		s.signal(syscall.SIGTERM)
		text := s.exits(exitOK)
		if strings.Contains(text, warning) != c.warned {
			t.Errorf("%s connections, %s files: the log is\n%s", c.connections, c.files, text)
		}
		if values := "max-connections=" + c.connections + " files-beside=256 open-files=" + c.files; c.warned && !strings.Contains(text, values) {
			t.Errorf("the log does not have %q:\n%s", values, text)
		}
	}
}

// do sends a request by a client, whose connection is kept.
func do(t *testing.T, client *http.Client, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// A log that cannot open a file says that, and not that the disk is full; and goes on once it can.
func TestOpenFilesRunOut(t *testing.T) {
	args := append([]string{"--checkpoint-log=1GiB"}, smallLog...)
	s := startBy(t, limited(t, "60"), args...)
	// A connection of its own for posting, before all are taken.
	client := http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConns: 1}}
	defer client.CloseIdleConnections()
	body := batch()
	post := func() (int, string) {
		t.Helper()
		return do(t, &client, http.MethodPost, "http://"+s.address+"/flows", body)
	}
	if status, answer := post(); status != http.StatusOK {
		t.Fatalf("%d: %s", status, answer)
	}
	var idle []net.Conn
	closeIdle := func() {
		for _, c := range idle {
			_ = c.Close() // it is done with
		}
		idle = nil
	}
	defer closeIdle()
	for range 100 {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	status, answer := http.StatusOK, ""
	for n := 0; status == http.StatusOK; n++ {
		if status, answer = post(); n > 100_000 {
			t.Fatal("the log never needs another file")
		}
	}
	if status != http.StatusServiceUnavailable || !strings.Contains(answer, "as many files and connections open as it may") ||
		strings.Contains(answer, "full") {
		t.Errorf("without files to open a POST got %d, %s", status, answer)
	}
	if status, answer := do(t, &client, http.MethodGet, "http://"+s.address+"/readyz", ""); status != http.StatusServiceUnavailable ||
		!strings.Contains(answer, `"open-files"`) {
		t.Errorf("readyz: %d, %s", status, answer)
	}
	closeIdle()
	s.until("it is ready again", func() bool {
		status, _, _ := s.get("/readyz")
		return status == http.StatusOK
	})
	if status, answer := post(); status != http.StatusOK {
		t.Errorf("with files again a POST got %d, %s", status, answer)
	}
	s.signal(syscall.SIGTERM)
	s.exits(exitOK)
}
