//go:build docker

// Package docker holds the image and the packages to what they promise, in containers. make docker-test runs it.
package docker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen, on a machine that is busy with much else too.
const patience = 2 * time.Minute

// What all tests share: the image under test, a folder, and the load generator in it. make image-files has made the
// program that the image holds.
var image, scratch, flowload string

func TestMain(m *testing.M) {
	code, err := prepared(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// prepared runs the tests with what they share.
func prepared(m *testing.M) (code int, err error) {
	if scratch, err = os.MkdirTemp("", "flowd-docker"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(scratch)
	// Its user in a container is not this one.
	if err := os.Chmod(scratch, 0o755); err != nil {
		return 0, err
	}
	image = "flowd-test:" + filepath.Base(scratch)
	if _, err := output("docker", "build", "--build-arg", "VERSION=v1.2.3", "--build-arg", "REVISION=0a1b2c3",
		"-t", image, "-f", "Dockerfile", "../.."); err != nil {
		return 0, err
	}
	defer output("docker", "image", "rm", "--force", image)
	flowload = filepath.Join(scratch, "flowload")
	build := exec.Command("go", "build", "-o", flowload, "flowd/cmd/flowload")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // the image has no libraries
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	return m.Run(), nil
}

// output runs a program, and returns what it printed.
func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text)
	}
	return text, err
}

// docker runs a command of docker that must succeed.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := output("docker", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// name returns one for a container, a volume or a network of this test.
func name(t *testing.T, what string) string {
	return strings.ToLower(filepath.Base(scratch) + "-" + strings.ReplaceAll(t.Name(), "/", "-") + "-" + what)
}

// container is one that runs.
type container struct {
	t    *testing.T
	name string
}

// run starts a container, and removes it at the end of the test.
func run(t *testing.T, what string, args ...string) *container {
	t.Helper()
	c := &container{t, name(t, what)}
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := output("docker", "logs", "--tail", "50", c.name)
			t.Logf("%s:\n%s", c.name, logs)
		}
		if _, err := output("docker", "rm", "--force", "--volumes", c.name); err != nil {
			t.Error(err)
		}
	})
	docker(t, append([]string{"run", "--detach", "--name", c.name}, args...)...)
	return c
}

// inspect returns a part of what docker knows of it.
func (c *container) inspect(template string) string {
	c.t.Helper()
	return docker(c.t, "inspect", "--format", template, c.name)
}

// exec runs a command in it, which must succeed.
func (c *container) exec(args ...string) string {
	c.t.Helper()
	return docker(c.t, append([]string{"exec", c.name}, args...)...)
}

// until polls done, since nothing tells when a container has come to a state.
func (c *container) until(what string, done func() bool) {
	c.t.Helper()
	deadline := time.After(patience)
	for poll := time.Tick(100 * time.Millisecond); !done(); {
		select {
		case <-poll:
		case <-deadline:
			c.t.Fatalf("waited in vain until %s", what)
		}
	}
}
