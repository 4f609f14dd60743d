//go:build docker

package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// debian starts a Debian with systemd as its first process. make docker-test makes its file system from Debian's
// packages.
func debian(t *testing.T) *container {
	t.Helper()
	if _, err := os.Stat("../../bin/debian.tar"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no file system of Debian, and with CI=true no test is left out")
		}
		t.Skip("there is no file system of Debian, which mmdebstrap makes")
	}
	root := name(t, "debian")
	docker(t, "import", "../../bin/debian.tar", root)
	t.Cleanup(func() { docker(t, "image", "rm", "--force", root) })
	// What systemd needs to be the first process, and to lock its services in as the unit asks for.
	d := run(t, "systemd", "--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined",
		"--security-opt", "apparmor=unconfined", "--cgroupns", "host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw",
		"--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp", "--env", "container=docker", root, "/sbin/init")
	d.until("systemd has started", func() bool {
		state, _ := output("docker", "exec", d.name, "systemctl", "is-system-running")
		return state == "running" || state == "degraded"
	})
	docker(t, "cp", flowload, d.name+":/usr/bin/flowload")
	return d
}

// sh runs a script in the container, which must succeed.
func (c *container) sh(script string) string {
	c.t.Helper()
	return c.exec("sh", "-ec", script)
}

// fails runs a script in the container, which must not succeed, and returns what it said.
func (c *container) fails(script string) string {
	c.t.Helper()
	out, err := output("docker", "exec", c.name, "sh", "-ec", script)
	if exitCode(err) == 0 {
		c.t.Errorf("%s: %v, want an exit code\n%s", script, err, out)
	}
	return out
}

// property returns one of the service.
func (c *container) property(name string) string {
	c.t.Helper()
	return c.exec("systemctl", "show", "flowd", "--value", "--property", name)
}

// active waits until the service serves, and returns its process.
func (c *container) active() (pid string) {
	c.t.Helper()
	c.until("flowd is active", func() bool { return c.property("ActiveState") == "active" })
	if status := c.property("StatusText"); !strings.HasPrefix(status, "serves on http://127.0.0.1:8080") {
		c.t.Errorf("its status is %q", status)
	}
	if out := c.exec("flowd", "healthcheck"); out != "ready" {
		c.t.Errorf("flowd healthcheck: %s", out)
	}
	return c.property("MainPID")
}

// fill puts a load on the server, and returns the account of it.
func (c *container) fill() (account string) {
	c.t.Helper()
	c.exec("flowload", "run", "--for", "500ms", "--tuples", "1000")
	return c.account()
}

func (c *container) account() string {
	c.t.Helper()
	return c.exec("flowd", "query", "ledger", "--format", "json")
}

// packed makes both packages of a version, and copies one of them into the container.
func (c *container) packed(version, suffix string) (path string) {
	c.t.Helper()
	folder := c.t.TempDir()
	program, err := filepath.Abs("../../bin/image/flowd")
	if err != nil {
		c.t.Fatal(err)
	}
	arch, err := output("go", "env", "GOARCH")
	if err != nil {
		c.t.Fatal(err)
	}
	command := exec.Command("go", "run", ".", "--version", version, "--epoch", "1000000000", "--arch", arch, "--binary", program, "--out", folder)
	command.Dir = "../packages"
	if out, err := command.CombinedOutput(); err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(folder, "*"+suffix))
	if err != nil || len(found) != 1 {
		c.t.Fatalf("%v, %v", found, err)
	}
	path = "/root/" + filepath.Base(found[0])
	docker(c.t, "cp", found[0], c.name+":"+path)
	return path
}

// The .deb is installed, configured, upgraded, removed, installed again and purged, and its data stays until then.
func TestDeb(t *testing.T) {
	d := debian(t)
	first, second := d.packed("v1.2.3", ".deb"), d.packed("v1.2.4", ".deb")
	d.exec("dpkg", "--install", first)
	pid := d.active()
	if user := d.sh("stat --format %U /proc/" + pid); user != "flowd" {
		t.Errorf("it runs as %s", user)
	}
	if modes := d.sh("stat --format '%A %U %n' /etc/flowd /etc/flowd/flowd.yaml /var/lib/flowd"); modes !=
		"drwxr-xr-x root /etc/flowd\n-rw-r--r-- root /etc/flowd/flowd.yaml\ndrwxr-x--- flowd /var/lib/flowd" {
		t.Errorf("folders:\n%s", modes)
	}
	account := d.fill()

	d.sh("echo 'max-flows: 40000' >> /etc/flowd/flowd.yaml")
	d.exec("dpkg", "--install", second)
	if now := d.active(); now == pid {
		t.Error("the upgrade went on with the old program")
	}
	if got := d.account(); got != account {
		t.Errorf("after the upgrade\n%s\nbefore\n%s", got, account)
	}
	d.sh("grep -q 'max-flows: 40000' /etc/flowd/flowd.yaml")

	d.exec("systemctl", "stop", "flowd")
	if result := d.property("Result") + " " + d.property("ExecMainStatus"); result != "success 0" {
		t.Errorf("it stopped with %s", result)
	}
	d.exec("systemctl", "disable", "flowd")
	d.exec("dpkg", "--install", second)
	if state := d.property("ActiveState"); state != "inactive" {
		t.Errorf("a server that was disabled is %s after an upgrade", state)
	}
	d.exec("systemctl", "enable", "flowd")

	d.exec("dpkg", "--remove", "flowd")
	d.fails("systemctl cat flowd")
	d.sh("test ! -e /usr/bin/flowd; test -e /etc/flowd/flowd.yaml; test -e /var/lib/flowd/MANIFEST")
	d.exec("dpkg", "--install", first)
	d.active()
	if got := d.account(); got != account {
		t.Errorf("after it was installed again\n%s\nbefore\n%s", got, account)
	}

	d.sh("install -m 640 -g flowd /dev/null /etc/flowd/tokens.yaml")
	d.exec("dpkg", "--purge", "flowd")
	d.sh("test ! -e /etc/flowd; test ! -e /var/lib/flowd; getent passwd flowd")
	if left := d.sh("find / -xdev -name '*flowd*' -not -path '/root/*' -not -path '/proc/*' -not -path '/usr/bin/flowload'"); left != "" {
		t.Errorf("a purge left\n%s", left)
	}
}

// The .rpm does the same with its own scripts, and leaves it to the operator to start.
func TestRPM(t *testing.T) {
	d := debian(t)
	first, second := d.packed("v1.2.3", ".rpm"), d.packed("v1.2.4", ".rpm")
	d.exec("rpm", "--install", "--nodeps", first)
	d.exec("systemctl", "start", "flowd")
	pid, account := d.active(), d.fill()

	d.sh("echo 'max-flows: 40000' >> /etc/flowd/flowd.yaml")
	d.exec("rpm", "--upgrade", "--nodeps", second)
	if now := d.active(); now == pid {
		t.Error("the upgrade went on with the old program")
	}
	if got := d.account(); got != account {
		t.Errorf("after the upgrade\n%s\nbefore\n%s", got, account)
	}
	d.sh("grep -q 'max-flows: 40000' /etc/flowd/flowd.yaml")

	d.exec("rpm", "--erase", "flowd")
	d.fails("systemctl is-active flowd")
	d.sh("test ! -e /usr/bin/flowd; test -e /etc/flowd/flowd.yaml.rpmsave; test -e /var/lib/flowd/MANIFEST")
}

// systemctl reload takes good settings over, and says of bad ones what is wrong while the server serves on.
func TestServiceReloads(t *testing.T) {
	d := debian(t)
	d.exec("dpkg", "--install", d.packed("v1.2.3", ".deb"))
	pid := d.active()
	d.sh("echo 'max-flow: 40000' >> /etc/flowd/flowd.yaml")
	d.fails("systemctl reload flowd")
	d.sh(`journalctl --unit flowd --output cat | grep -q 'unknown key "max-flow"'`)
	d.active()
	d.sh("sed -i 's/max-flow:/max-flows:/' /etc/flowd/flowd.yaml")
	d.exec("systemctl", "reload", "flowd")
	d.until("the settings are reloaded", func() bool {
		return strings.Contains(d.sh("journalctl --unit flowd --output cat --grep 'reloaded the settings' || true"), "max-flows")
	})
	if now := d.active(); now != pid {
		t.Errorf("the reload ended process %s; now there is %s", pid, now)
	}
}

// A server that hangs is ended with a dump of what it did, and started anew, with all that it answered.
func TestServiceIsWatched(t *testing.T) {
	d := debian(t)
	d.exec("dpkg", "--install", d.packed("v1.2.3", ".deb"))
	d.sh("mkdir /etc/systemd/system/flowd.service.d")
	d.sh("printf '[Service]\nWatchdogSec=2s\nRestartSec=100ms\n' > /etc/systemd/system/flowd.service.d/quick.conf")
	d.sh("systemctl daemon-reload; systemctl restart flowd")
	pid, account := d.active(), d.fill()
	d.sh("kill -STOP " + pid)
	d.until("it is started anew", func() bool { return d.property("NRestarts") == "1" })
	if now := d.active(); now == pid {
		t.Error("the process that hung is still there")
	}
	if got := d.account(); got != account {
		t.Errorf("after the restart\n%s\nbefore\n%s", got, account)
	}
	journal := d.sh("journalctl --unit flowd --output cat")
	for _, want := range []string{"Watchdog timeout", "goroutine 1 ", "Failed with result 'watchdog'"} {
		if !strings.Contains(journal, want) {
			t.Errorf("the journal has no %q", want)
		}
	}
	// A watchdog that is answered lets it be: many times its patience pass.
	pid = d.property("MainPID")
	d.sh("sleep 7")
	if now := d.property("MainPID"); now != pid {
		t.Errorf("process %s was ended although it answers; now there is %s", pid, now)
	}
}
