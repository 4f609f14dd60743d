package deploy

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-json"
	"go.uber.org/goleak"

	"flowd/loadtest/child"
)

// scratch is a folder for all tests of this package.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "flowd-deploy"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(scratch); code == 0 && err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

// built is the program, made from the sources once.
var built = sync.OnceValues(func() (string, error) {
	program := filepath.Join(scratch, "flowd")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "flowd/cmd/flowd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as released, and as other tests build it: Go compiles it once
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, nil
})

// patience is how long a test waits for what must happen, on a machine that is busy with much else too.
const patience = 2 * time.Minute

// flowd is a server as operators run it: the program, with a log and blocks on disk.
type flowd struct {
	t    *testing.T
	root string // its URL
}

// start starts a server, and stops it at the end of the test.
func start(t *testing.T) flowd {
	t.Helper()
	return startAt(t, "http://")
}

// secured starts one with TLS. Nobody verifies its certificate.
func secured(t *testing.T) flowd {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"crt": {Type: "CERTIFICATE", Bytes: certificate}, "key": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return startAt(t, "https://", "--tls-cert-file", filepath.Join(dir, "crt"), "--tls-key-file", filepath.Join(dir, "key"))
}

// startAt starts a server that serves by scheme, with more settings.
func startAt(t *testing.T, scheme string, settings ...string) flowd {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	addr, err := child.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	settings = append([]string{"serve", "--listen", addr, "--admin-listen", "off", "--data", t.TempDir(), "--log-level", "warn"}, settings...)
	process, err := child.Start("flowd", exec.Command(program, settings...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(patience); err != nil {
			t.Error(err)
		}
	})
	f := flowd{t, scheme + addr}
	deadline := time.After(patience)
	for tick := time.Tick(5 * time.Millisecond); ; {
		if status, _, err := f.ask(http.MethodGet, "/readyz", ""); err == nil && status == http.StatusOK {
			return f
		}
		select {
		case <-tick:
		case <-process.Exited():
			t.Fatal(process.Failure())
		case <-deadline:
			t.Fatal("flowd is not ready")
		}
	}
}

// ask sends a request on a connection of its own.
func (f flowd) ask(method, target, body string) (status int, answer string, err error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // its own
	}}
	request, err := http.NewRequest(method, f.root+target, strings.NewReader(body))
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

// get returns the answer to a GET, which must be 200.
func (f flowd) get(target string) string {
	f.t.Helper()
	status, body, err := f.ask(http.MethodGet, target, "")
	if err != nil || status != http.StatusOK {
		f.t.Fatalf("GET %s: %d, %v: %s", target, status, err, body)
	}
	return body
}

// fill posts flows of two hours that ended before now, so that every question has an answer: names
// that must be escaped, a tuple that changes, and a conversation that one end alone reports.
func (f flowd) fill(now time.Time) {
	f.t.Helper()
	hour := now.Unix()/3600 - 2
	var flows []map[string]any
	add := func(src, dest, vpc string, tx, rx, hour int64) {
		flows = append(flows, map[string]any{"src_app": src, "dest_app": dest, "vpc_id": vpc, "bytes_tx": tx, "bytes_rx": rx, "hour": hour})
	}
	add("web & co", "db", "vpc=1", 100, 900, hour)
	add("web & co", "db", "vpc=1", 300, 900, hour+1)
	add("db", "web & co", "vpc=1", 700, 100, hour)
	add("cron", "queue", "vpc-2", 5, 5, hour+1)
	body, err := json.Marshal(flows)
	if err != nil {
		f.t.Fatal(err)
	}
	if status, answer, err := f.ask(http.MethodPost, "/flows", string(body)); err != nil || status != http.StatusOK {
		f.t.Fatalf("POST /flows: %d, %v: %s", status, err, answer)
	}
}

// promtool runs promtool on files of the folder prometheus.
func promtool(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is missing, and with CI=true no test is left out")
		}
		t.Skip("promtool is missing")
	}
	command := exec.Command(program, args...)
	command.Dir = "prometheus"
	out, err := command.CombinedOutput()
	return string(out), err
}
