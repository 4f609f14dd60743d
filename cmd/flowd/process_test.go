package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for an event that must come, on a machine that is busy with much else
// too: it ends a test that waits in vain, and says nothing of how fast flowd is.
const patience = 3 * time.Minute

// server is flowd as a process of its own.
type server struct {
	t       *testing.T
	command *exec.Cmd
	address string
	stderr  bytes.Buffer  // to be read once ended
	ended   chan struct{} // closed once the process is gone
}

// start starts flowd serve on a free port, and waits for the line that it serves.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	return startBy(t, nil, args...)
}

// startBy is start by another program, which gets the command and its arguments.
func startBy(t *testing.T, by []string, args ...string) *server {
	t.Helper()
	return startWithin(t, patience, by, args...)
}

// startWithin is startBy of a server that may take longer until it serves.
func startWithin(t *testing.T, within time.Duration, by []string, args ...string) *server {
	t.Helper()
	s := &server{t: t, ended: make(chan struct{})}
	words := append(by, "flowd", "serve", "--listen=127.0.0.1:0", "--admin-listen=off", "--data="+t.TempDir())
	words = append(words, args...)
	s.command = exec.Command(words[0], words[1:]...)
	s.command.Stderr = &s.stderr
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that kill gets all of it
	s.command.Env = []string{"PATH=" + os.Getenv("PATH"), "GORACE=" + raceOption}
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	first := make(chan string, 1)
	go func() {
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadString('\n')
		first <- line
		_, _ = io.Copy(io.Discard, lines)
		_ = s.command.Wait() // its exit code is in ProcessState
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-s.command.Process.Pid, syscall.SIGKILL) // most often it has ended by now
		<-s.ended
	})
	select {
	case line := <-first:
		address, ok := strings.CutPrefix(strings.TrimSpace(line), "flowd serves on http://")
		if !ok {
			<-s.ended
			t.Fatalf("flowd's first line is %q; on stderr:\n%s", line, s.stderr.String())
		}
		s.address = address
	case <-time.After(within):
		t.Fatal("flowd does not say that it serves")
	}
	return s
}

// signal sends flowd a signal.
func (s *server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.command.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// exits waits for flowd's end, holds its exit code, and returns what it wrote on stderr.
func (s *server) exits(code int) string {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Fatal("flowd does not end")
	}
	if got := s.command.ProcessState.ExitCode(); got != code {
		s.t.Errorf("flowd ended with %v, want exit code %d; on stderr:\n%s", s.command.ProcessState, code, s.stderr.String())
	}
	return s.stderr.String()
}

// get asks for a path on a connection of its own.
func (s *server) get(path string) (status int, body string, err error) {
	return s.request(http.MethodGet, path, "")
}

func (s *server) request(method, path, body string) (status int, answer string, err error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequest(method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// until polls done, since nothing tells when another process has come to a state.
func (s *server) until(what string, done func() bool) {
	s.t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-poll.C:
		case <-s.ended:
			s.t.Fatalf("flowd ended before %s; on stderr:\n%s", what, s.stderr.String())
		case <-deadline:
			s.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// refuses tells whether flowd takes no new connection.
func (s *server) refuses() bool {
	conn, err := net.Dial("tcp", s.address)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

const oneFlow = `[{"src_app":"foo","dest_app":"bar","vpc_id":"vpc-0","bytes_tx":100,"bytes_rx":300,"hour":1}]`

// slowPost is a request under way: flowd has its header, and waits for its body.
type slowPost struct {
	t      *testing.T
	conn   net.Conn
	answer *bufio.Reader
}

// beginPost sends the header of a POST, and returns once flowd has seen it: it says so itself,
// since the header expects a 100.
func (s *server) beginPost() *slowPost {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	header := "POST /flows HTTP/1.1\r\nHost: flowd\r\nContent-Type: application/json\r\n" +
		"Expect: 100-continue\r\nContent-Length: " + strconv.Itoa(len(oneFlow)) + "\r\n\r\n"
	if _, err := io.WriteString(conn, header); err != nil {
		s.t.Fatal(err)
	}
	p := &slowPost{s.t, conn, bufio.NewReader(conn)}
	if line, err := p.answer.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		s.t.Fatalf("answer to the header: %q, %v, want 100", line, err)
	}
	if _, err := p.answer.ReadString('\n'); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// finish sends the body and returns the answer's status.
func (p *slowPost) finish() int {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, oneFlow); err != nil {
		p.t.Fatal(err)
	}
	response, err := http.ReadResponse(p.answer, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode
}
