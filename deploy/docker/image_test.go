//go:build docker

package docker

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-json"
)

// locked is how a server is run that may do as little as possible.
var locked = []string{"--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"}

// serve starts a server in a network and on a volume of its own, and waits until docker calls it healthy.
func serve(t *testing.T, args ...string) (server *container, network string) {
	t.Helper()
	network, volume := name(t, "network"), name(t, "volume")
	t.Cleanup(func() {
		docker(t, "network", "rm", network)
		docker(t, "volume", "rm", volume)
	})
	docker(t, "network", "create", network)
	docker(t, "volume", "create", volume)
	options := append(slices.Clone(locked), "--network", network, "--network-alias", "server", "--volume", volume+":/var/lib/flowd",
		"--health-interval", "200ms")
	server = run(t, "server", append(append(options, args...), image)...)
	server.healthy()
	return server, network
}

// healthy waits until flowd healthcheck says so.
func (c *container) healthy() {
	c.t.Helper()
	c.until("it is healthy", func() bool { return c.inspect("{{.State.Health.Status}}") == "healthy" })
}

// stop stops the server, which must end by itself.
func (c *container) stop() {
	c.t.Helper()
	begin := time.Now()
	docker(c.t, "stop", "--time", "60", c.name)
	if code := c.inspect("{{.State.ExitCode}}"); code != "0" {
		c.t.Errorf("exit code %s after SIGTERM", code)
	}
	if took := time.Since(begin); took > 30*time.Second {
		c.t.Errorf("it took %v to stop", took)
	}
	if logs := docker(c.t, "logs", "--tail", "1", c.name); !strings.Contains(logs, "msg=stopped") {
		c.t.Errorf("the last that it logged is %q", logs)
	}
}

// ledger returns the account of all flows, as the program in the container asks for it.
func (c *container) ledger() (ledger struct {
	Received struct{ Flows uint64 }
	Balanced bool
}) {
	c.t.Helper()
	text := c.exec("flowd", "query", "ledger", "--format", "json")
	if err := json.Unmarshal([]byte(text), &ledger); err != nil {
		c.t.Fatalf("%v: %s", err, text)
	}
	return ledger
}

// load returns flowload in a container beside the server, which it will report as JSON on.
func load(ctx context.Context, network string, args ...string) *exec.Cmd {
	words := append([]string{"run", "--rm", "--network", network, "--volume", flowload + ":/flowload:ro", "--entrypoint", "/flowload",
		"--no-healthcheck", image, "run", "--target", "http://server:8080", "--json"}, args...)
	command := exec.CommandContext(ctx, "docker", words...)
	command.Stderr = os.Stderr
	return command
}

// The image holds the program, its settings and a folder for data, and nothing else.
func TestImageHoldsLittle(t *testing.T) {
	id := docker(t, "create", image)
	t.Cleanup(func() { docker(t, "rm", "--volumes", id) })
	folder := t.TempDir()
	docker(t, "export", "--output", filepath.Join(folder, "image.tar"), id)
	out, err := output("tar", "--list", "--verbose", "--numeric-owner", "--file", filepath.Join(folder, "image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		files[fields[5]] = fields[0] + " " + fields[1]
	}
	for path, want := range map[string]string{
		"usr/bin/flowd": "-rwxr-xr-x 0/0", "etc/flowd/flowd.yaml": "-rw-r--r-- 0/0", "var/lib/flowd/": "drwxr-xr-x 65532/65532",
	} {
		if files[path] != want {
			t.Errorf("%s is %q, want %q", path, files[path], want)
		}
		delete(files, path)
	}
	for path := range files {
		ofDocker := []string{".dockerenv", "dev/", "proc/", "sys/", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"}
		isFolder := slices.Contains([]string{"etc/", "etc/flowd/", "usr/", "usr/bin/", "var/", "var/lib/"}, path)
		if !isFolder && !slices.ContainsFunc(ofDocker, func(p string) bool { return strings.HasPrefix(path, p) }) {
			t.Errorf("the image has %s", path)
		}
	}
}

func TestImageSaysWhatItIs(t *testing.T) {
	labels := map[string]string{}
	if err := json.Unmarshal([]byte(docker(t, "inspect", "--format", "{{json .Config.Labels}}", image)), &labels); err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]string{"title": "flowd", "version": "v1.2.3", "revision": "0a1b2c3"} {
		if got := labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s is %q, want %q", label, got, want)
		}
	}
	if user := docker(t, "inspect", "--format", "{{.Config.User}}", image); user != "65532:65532" {
		t.Errorf("its user is %q", user)
	}
}

// As it comes it does not serve everybody, and says what to do.
func TestImageWantsTokens(t *testing.T) {
	out, err := output("docker", append(append([]string{"run", "--rm"}, locked...), image)...)
	if exit := exitCode(err); exit != 2 || !strings.Contains(out, "tokens-file") || !strings.Contains(out, "insecure") {
		t.Errorf("exit code %d: %s", exit, out)
	}
}

// With tokens, a client gets what its token is good for, and a reload takes new ones over.
func TestServesWithTokens(t *testing.T) {
	access := filepath.Join(t.TempDir(), "access")
	if err := errors.Join(os.Mkdir(access, 0o755), os.Chmod(access, 0o755)); err != nil { // the server's user is another
		t.Fatal(err)
	}
	token := func(name string) string {
		t.Helper()
		// As README.md does it; the program is in the image.
		made := exec.Command("sh", "-ec", `{ cat tokens.yaml 2>/dev/null || echo tokens:
docker run --rm --no-healthcheck "$0" token --name "$1" --scopes query 2>&1 >"../$1.token"; } >new; mv new tokens.yaml; cat "../$1.token"`, image, name)
		made.Dir = access
		text, err := made.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	first := token("first")
	server, _ := serve(t, "--volume", access+":/etc/flowd-access:ro", "--env", "FLOWD_TOKENS_FILE=/etc/flowd-access/tokens.yaml")
	answer := func(token string) string {
		out, _ := output("docker", "exec", "--env", "FLOWD_TOKEN="+token, server.name, "flowd", "query", "hours", "--format", "json")
		return out
	}
	for _, c := range []struct{ name, token, want string }{
		{"no token", "", "401 Unauthorized"},
		{"another token", "flowd_" + strings.Repeat("A", 43), "401 Unauthorized"},
		{"its token", first, "[]"},
	} {
		if got := answer(c.token); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	second := token("second")
	if got := answer(second); !strings.Contains(got, "401 Unauthorized") {
		t.Errorf("before the reload: %q", got)
	}
	docker(t, "kill", "--signal", "HUP", server.name)
	server.until("the second token is taken", func() bool { return answer(second) == "[]" })
	server.stop()
}

// A server that is restarted while it is under load has the sums of all that it answered.
func TestRestartUnderLoad(t *testing.T) {
	server, network := serve(t, "--env", "FLOWD_INSECURE=true")
	if uid := server.inspect("{{.Config.User}}"); uid != "65532:65532" {
		t.Errorf("it runs as %s", uid)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	loading := load(ctx, network, "--for", "12s", "--connections", "8", "--tuples", "5000", "--hours", "3")
	var report strings.Builder
	loading.Stdout = &report
	if err := loading.Start(); err != nil {
		t.Fatal(err)
	}
	taken := func(least uint64) {
		server.until("flows are taken", func() bool { return server.ledger().Received.Flows > least })
	}
	taken(0)
	server.stop()
	before := docker(t, "logs", server.name)
	docker(t, "start", server.name)
	server.healthy()
	at := server.ledger().Received.Flows
	taken(at) // the load goes on after the restart
	if err := loading.Wait(); err != nil {
		t.Errorf("flowload: %v\n%s\nthe server before its restart:\n%s", err, &report, before)
	}
	var told struct {
		Verification struct {
			OK bool
		}
	}
	if err := json.Unmarshal([]byte(report.String()), &told); err != nil || !told.Verification.OK {
		t.Errorf("%v: the sums differ:\n%s", err, &report)
	}
	if after := server.ledger(); !after.Balanced || after.Received.Flows <= at {
		t.Errorf("%d flows before, and then %+v", at, after)
	}
	server.stop()
}

// A kill loses nothing that was answered, and the container becomes healthy anew.
func TestKillLosesNothing(t *testing.T) {
	server, network := serve(t, "--env", "FLOWD_INSECURE=true")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if out, err := load(ctx, network, "--for", "1s").Output(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := server.ledger()
	docker(t, "kill", server.name)
	docker(t, "start", server.name)
	server.healthy()
	if got := server.ledger(); got != want {
		t.Errorf("%+v after the kill, %+v before", got, want)
	}
	server.stop()
}

// exitCode is that of a program that ran.
func exitCode(err error) int {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}
