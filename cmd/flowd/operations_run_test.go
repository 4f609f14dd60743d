package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// site is a machine as the page for operators describes it, with its folders below one of the test's: the
// settings of the page, its commands, and a server with TLS, tokens and a log.
type site struct {
	t          *testing.T
	dir        string
	api, admin string
	here       *strings.Replacer // makes what the page has that of this machine
	client     http.Client

	command *exec.Cmd
	stderr  bytes.Buffer
	ended   chan struct{}
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, dir: dir, api: freeAddress(t), admin: freeAddress(t)}
	s.here = strings.NewReplacer(
		"/etc/flowd", dir+"/etc", "/var/lib/flowd", dir+"/data", "/mnt/backup", dir+"/backup",
		"0.0.0.0:8443", s.api, "127.0.0.1:8081", s.admin, "$MAINPID", "${MAINPID:?}",
	)
	if err := os.Mkdir(dir+"/etc", 0o700); err != nil {
		t.Fatal(err)
	}
	certificate, key := pair(t, time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour))
	s.write("etc/tls.crt", string(certificate))
	s.write("etc/tls.key", string(key))
	s.write("etc/flowd.yaml", s.here.Replace(fence(t, "Access", "yaml")[0]))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	s.client = http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"},
	}}
	s.sh(fence(t, "Access", "sh")[0])
	return s
}

// fence returns the blocks of a language in a section of the page.
func fence(t *testing.T, heading, language string) (blocks []string) {
	t.Helper()
	for _, found := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(section(t, heading), -1) {
		blocks = append(blocks, found[1])
	}
	if blocks == nil {
		t.Fatalf("no %s in section %s", language, heading)
	}
	return blocks
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) read(name string) string {
	s.t.Helper()
	return readText(s.t, filepath.Join(s.dir, name))
}

// try runs commands of the page, and returns what they print, and whether all was well.
func (s *site) try(commands string) (output string, ok bool) {
	s.t.Helper()
	command := exec.Command("sh", "-e", "-c", s.here.Replace(commands))
	command.Dir = s.dir
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "GORACE=" + raceOption}
	if s.command != nil {
		command.Env = append(command.Env, fmt.Sprintf("MAINPID=%d", s.command.Process.Pid))
	}
	out, err := command.CombinedOutput()
	return string(out), err == nil
}

// sh is try of commands that must succeed, and whose output must have these texts.
func (s *site) sh(commands string, says ...string) {
	s.t.Helper()
	output, ok := s.try(commands)
	if !ok {
		s.t.Fatalf("%s fails:\n%s", commands, output)
	}
	for _, text := range says {
		if !strings.Contains(output, text) {
			s.t.Errorf("%s does not say %q:\n%s", commands, text, output)
		}
	}
}

// begin starts the server, and returns once it serves.
func (s *site) begin() {
	s.t.Helper()
	command := exec.Command("flowd", "serve", "--config", s.dir+"/etc/flowd.yaml")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "GORACE=" + raceOption}
	command.Stderr = &s.stderr
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	first, ended := make(chan string, 1), make(chan struct{})
	s.command, s.ended = command, ended
	go func() {
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadString('\n')
		first <- line
		_, _ = io.Copy(io.Discard, lines)
		_ = command.Wait() // its exit code is in ProcessState
		close(ended)
	}()
	s.t.Cleanup(func() {
		_ = command.Process.Kill() // most often it has ended by now
		<-ended
	})
	select {
	case line := <-first:
		if line != "flowd serves on https://"+s.api+"\n" {
			<-ended
			s.t.Fatalf("flowd's first line is %q; on stderr:\n%s", line, s.stderr.String())
		}
	case <-time.After(patience):
		s.t.Fatal("flowd does not say that it serves")
	}
}

// end stops the server gracefully.
func (s *site) end() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Fatal("flowd does not end")
	}
	if code := s.command.ProcessState.ExitCode(); code != exitOK {
		s.t.Fatalf("flowd ended with %d; on stderr:\n%s", code, s.stderr.String())
	}
}

func (s *site) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.command.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// ask sends a request with the token in a file.
func (s *site) ask(method, url, token, body string) (status int, answer string) {
	s.t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(s.read("etc/"+token+".token")))
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// post posts a flow as an agent, and returns the status.
func (s *site) post(vpc string, hour int) int {
	s.t.Helper()
	flow := fmt.Sprintf(`[{"src_app":"a","dest_app":"b","vpc_id":%q,"bytes_tx":1,"bytes_rx":2,"hour":%d}]`, vpc, hour)
	status, _ := s.ask(http.MethodPost, "https://"+s.api+"/flows", "agents-eu", flow)
	return status
}

// metrics returns them as Prometheus would get them.
func (s *site) metrics() string {
	s.t.Helper()
	status, text := s.ask(http.MethodGet, "https://"+s.api+"/metrics", "prometheus", "")
	if status != http.StatusOK {
		s.t.Fatalf("/metrics: %d: %s", status, text)
	}
	return text
}

// until waits until the metrics have a line.
func (s *site) until(line string) {
	s.t.Helper()
	// Nothing tells when another process has come to a state.
	poll, deadline := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer poll.Stop()
	for !strings.Contains(s.metrics(), "\n"+line+"\n") {
		select {
		case <-poll.C:
		case <-deadline:
			s.t.Fatalf("waited in vain for %s", line)
		}
	}
}

// Every block of commands on the page is run, in its order, with a server that has what they are about.
func TestOperationsCommands(t *testing.T) {
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing, and with CI=true no test is left out", program)
			}
			t.Skipf("%s is missing", program)
		}
	}
	if blocks := strings.Count(readText(t, operations), "```sh\n"); blocks != 5 {
		t.Fatalf("the page has %d blocks of commands, and this test runs 5", blocks)
	}
	s := newSite(t)
	settings := s.read("etc/flowd.yaml") + "checkpoint-interval: 1s\n"
	s.write("etc/flowd.yaml", settings)
	s.begin()
	if in, out := s.post("vpc-eu-1", 482659), s.post("vpc-us-1", 482659); in != http.StatusOK || out != http.StatusForbidden {
		t.Errorf("a token for vpc-eu-* posts flows of that with %d, and of others with %d", in, out)
	}
	s.reloads(settings)
	s.until("flowd_hours_on_disk 1")

	backup := fence(t, "Backup, restore, move", "sh")
	s.sh(backup[0], "linked    0 files", "monday is as it was written: generation 1, 1 hour with 1 tuple", "hours/hour=482659/00000001.parquet")
	if status := s.post("vpc-eu-1", 482660); status != http.StatusOK {
		t.Errorf("a POST after the backup: %d", status)
	}
	s.end()
	s.sh(backup[1], "is as it was written")
	s.begin()
	if _, hours := s.ask(http.MethodGet, "https://"+s.api+"/hours", "operator", ""); hours != `[{"hour":482659,"tuples":1,"flows":1,"bytes_tx":1,"bytes_rx":2}]` {
		t.Errorf("after the backup was restored there are %s", hours)
	}
	s.end()
	s.repairs()
}

// reloads runs what the page says of reloads with settings that are good, bad and mended.
func (s *site) reloads(settings string) {
	t := s.t
	t.Helper()
	commands := fence(t, "Reload", "sh")[0]
	lines := strings.Split(strings.TrimSpace(commands), "\n")
	if len(lines) != 3 {
		t.Fatalf("commands of a reload: %q", lines)
	}
	ask, tell := lines[1], lines[2]
	s.sh(commands, "good: 7 settings, 3 tokens", `{"changed":[],"restart":[]}`, "flowd_config_last_reload_successful 1\n")
	s.until(`flowd_config_reloads_total{result="success"} 2`) // by the signal, and by the request

	s.write("etc/flowd.yaml", settings+"max-flow: 7\n")
	const wrong = `flowd.yaml:8: unknown key "max-flow" (did you mean "max-flows"?)`
	if output, ok := s.try(lines[0]); ok || !strings.Contains(output, wrong) {
		t.Errorf("flowd config check of a bad file: %t, %s", ok, output)
	}
	s.sh(tell, "flowd_config_last_reload_successful 1\n") // nobody has told the server
	s.signal(syscall.SIGHUP)
	s.until("flowd_config_last_reload_successful 0")
	s.sh(tell, "flowd_config_last_reload_successful 0\n")
	s.sh(ask, `"status":400`, `flowd.yaml:8"`)
	s.sh(tell, "flowd_config_last_reload_successful 0\n")

	s.write("etc/flowd.yaml", settings+"max-flows: 7\n")
	s.signal(syscall.SIGHUP)
	s.until("flowd_config_last_reload_successful 1")
	s.until(`flowd_config_reloads_total{result="failure"} 2`)
	s.write("etc/flowd.yaml", settings+"shards: 4\n")
	s.sh(ask, `"changed":[{"key":"max-flows","from":"7","to":"50000"}]`, `"restart":[{"key":"shards",`)
	s.write("etc/flowd.yaml", settings)
	s.sh(commands, "flowd_config_last_reload_successful 1\n")
}

// repairs damages an hour, and does as the page says. The folder is that of the backup, with the hour's file
// under the same name.
func (s *site) repairs() {
	t := s.t
	t.Helper()
	block := "data/hours/hour=482659/00000001.parquet"
	data := []byte(s.read(block))
	data[100] ^= 1
	s.write(block, string(data))
	const verify = "flowd verify /var/lib/flowd"
	if output, ok := s.try(verify); ok || !strings.Contains(output, "hours/hour=482659/00000001.parquet at byte ") {
		t.Errorf("verify of a damaged folder: %t, %s", ok, output)
	}
	s.sh(strings.ReplaceAll(fence(t, "When something breaks", "sh")[0], "00000007", "00000001"))
	s.sh(verify, "is as it was written")
}
