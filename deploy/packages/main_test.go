package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// needs leaves a test out where a tool is missing, but not with CI=true.
func needs(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing, and with CI=true no test is left out", tool)
	}
	t.Skipf("%s is missing", tool)
}

// output runs a tool that must succeed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	command := exec.Command(name, args...)
	command.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// committed is when what the tests pack was committed.
const committed = "1790000000" // 2026-09-21 14:13:20 UTC

// pack makes both packages of a stand-in for the program, and returns where they are.
func pack(t *testing.T, arch string) (deb, rpm string) {
	t.Helper()
	folder := t.TempDir()
	program := filepath.Join(folder, "program")
	if err := os.WriteFile(program, []byte("the program for "+arch), 0o600); err != nil {
		t.Fatal(err)
	}
	var paths bytes.Buffer
	if err := run([]string{"--version", "v1.2.3-rc.1-4-gabc", "--epoch", committed, "--arch", arch, "--binary", program, "--out", folder}, &paths); err != nil {
		t.Fatal(err)
	}
	made := strings.Fields(paths.String())
	if len(made) != 2 {
		t.Fatalf("made %v", made)
	}
	return made[0], made[1]
}

// holds are the files of both packages, with their modes. All belong to root.
var holds = map[string]string{
	"/usr/bin/flowd":                                 "-rwxr-xr-x",
	"/etc/flowd/flowd.yaml":                          "-rw-r--r--",
	"/usr/lib/systemd/system/flowd.service":          "-rw-r--r--",
	"/usr/lib/sysusers.d/flowd.conf":                 "-rw-r--r--",
	"/usr/share/doc/flowd/api.md":                    "-rw-r--r--",
	"/usr/share/doc/flowd/deploy.md":                 "-rw-r--r--",
	"/usr/share/doc/flowd/flowd.yaml":                "-rw-r--r--",
	"/usr/share/doc/flowd/prometheus/alerts.yml":     "-rw-r--r--",
	"/usr/share/doc/flowd/prometheus/prometheus.yml": "-rw-r--r--",
	"/usr/share/doc/flowd/grafana/flows.json":        "-rw-r--r--",
	"/usr/share/doc/flowd/grafana/server.json":       "-rw-r--r--",
}

func checkFiles(t *testing.T, files map[string]string) {
	t.Helper()
	for path, want := range holds {
		if files[path] != want+" root root" {
			t.Errorf("%s is %q, want %s", path, files[path], want)
		}
		delete(files, path)
	}
	for path, mode := range files {
		if mode != "drwxr-xr-x root root" {
			t.Errorf("there is %s, %s", path, mode)
		}
	}
}

func TestDeb(t *testing.T) {
	needs(t, "dpkg-deb")
	for _, arch := range []string{"amd64", "arm64"} {
		deb, _ := pack(t, arch)
		if base := filepath.Base(deb); base != "flowd_1.2.3~rc.1+4.gabc-1_"+arch+".deb" {
			t.Errorf("it is called %s", base)
		}
		fields := output(t, "dpkg-deb", "--field", deb)
		for _, want := range []string{"Package: flowd\n", "Version: 1.2.3~rc.1+4.gabc-1\n", "Architecture: " + arch + "\n", "Depends: systemd | systemd-standalone-sysusers"} {
			if !strings.Contains(fields, want) {
				t.Errorf("no %q in\n%s", want, fields)
			}
		}
		if conffiles := output(t, "dpkg-deb", "--info", deb, "conffiles"); conffiles != "/etc/flowd/flowd.yaml\n" {
			t.Errorf("conffiles %q", conffiles)
		}
		files := map[string]string{}
		for line := range strings.Lines(output(t, "dpkg-deb", "--contents", deb)) {
			f := strings.Fields(line)
			if when := f[3] + " " + f[4]; when != "2026-09-21 14:13" {
				t.Errorf("%s is of %s, not of the commit", f[5], when)
			}
			files[strings.TrimPrefix(f[5], ".")] = f[0] + " " + strings.Replace(f[1], "/", " ", 1)
		}
		checkFiles(t, files)
	}
}

func TestRPM(t *testing.T) {
	needs(t, "rpm")
	for arch, called := range map[string]string{"amd64": "x86_64", "arm64": "aarch64"} {
		_, path := pack(t, arch)
		if base := filepath.Base(path); base != "flowd-1.2.3~rc.1+4.gabc-1."+called+".rpm" {
			t.Errorf("it is called %s", base)
		}
		query := func(args ...string) string {
			return output(t, "rpm", append(append([]string{"--query", "--package"}, args...), path)...)
		}
		if got := query("--queryformat", "%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{BUILDTIME} %{BUILDHOST}"); got !=
			"flowd 1.2.3~rc.1+4.gabc 1 "+called+" "+committed+" localhost" {
			t.Errorf("it is %s", got)
		}
		if conffiles := query("--configfiles"); conffiles != "/etc/flowd/flowd.yaml\n" {
			t.Errorf("config files %q", conffiles)
		}
		files := map[string]string{}
		for line := range strings.Lines(query("--queryformat", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]")) {
			f := strings.Fields(line)
			files[f[3]] = strings.Join(f[:3], " ")
		}
		checkFiles(t, files)
	}
}

// Both packages are the same from whatever folder, at whatever time and under whatever umask they are made.
func TestSameAgain(t *testing.T) {
	deb, rpm := pack(t, "amd64")
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := [][]byte{read(deb), read(rpm)}

	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "deploy"), os.DirFS("..")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(root, "docs"), os.DirFS("../../docs")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := os.Chmod(path, 0o700); err != nil {
			return err
		}
		return os.Chtimes(path, time.Time{}, time.Unix(1000000000, 0))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(root, "deploy/packages"))
	deb, rpm = pack(t, "amd64")
	for i, path := range []string{deb, rpm} {
		if !bytes.Equal(read(path), first[i]) {
			t.Errorf("%s differs", filepath.Base(path))
		}
	}
}

// The scripts are shell, and name what the package holds.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("[dr]*[bm]/*")
	if err != nil || len(scripts) != 6 {
		t.Fatalf("%v, %v", scripts, err)
	}
	for _, path := range scripts {
		output(t, "sh", "-n", path)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, named := range regexp.MustCompile(`flowd\.[a-z]+`).FindAllString(string(text), -1) {
			if !slices.ContainsFunc([]string{"flowd.service", "flowd.conf"}, func(n string) bool { return n == named }) {
				t.Errorf("%s names %s", path, named)
			}
		}
	}
}

// What the unit runs, and the user that it runs as, are in the package.
func TestUnitFindsItsProgram(t *testing.T) {
	unit, err := os.ReadFile("../systemd/flowd.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`(?m)^Exec\w+=(\S+)(?: (?:serve --config|config check) (\S+))?`).FindAllStringSubmatch(string(unit), -1) {
		if found[1] == "/bin/sh" {
			continue
		}
		if holds[found[1]] == "" || holds[found[2]] == "" {
			t.Errorf("%s: not all of it is in the package", found[0])
		}
	}
	users, err := os.ReadFile("../systemd/flowd.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(unit), "\nUser=flowd\nGroup=flowd\n") || !strings.Contains(string(users), "\nu flowd ") {
		t.Errorf("the unit's user is not made by\n%s", users)
	}
}

func TestVersions(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	// In the order of the commits.
	versions := []struct{ described, want string }{
		{"0a1b2c3", "0~20261123120000.0a1b2c3"},
		{"0a1b2c3-dirty", "0~20261123120000.0a1b2c3+dirty"},
		{"v0.1.0", "0.1.0"},
		{"v0.1.0-12-g0a1b2c3", "0.1.0+12.g0a1b2c3"},
		{"v1.2.3-rc.1", "1.2.3~rc.1"},
		{"v1.2.3-rc.1-5-gabc", "1.2.3~rc.1+5.gabc"},
		{"v1.2.3-rc.2", "1.2.3~rc.2"},
		{"v1.2.3", "1.2.3"},
		{"v1.2.3-dirty", "1.2.3+dirty"},
		{"v1.2.4", "1.2.4"},
	}
	for i, c := range versions {
		got := packageVersion(c.described, at)
		if got != c.want {
			t.Errorf("%s is %s, want %s", c.described, got, c.want)
		}
		if i > 0 {
			if _, err := exec.LookPath("dpkg"); err == nil {
				output(t, "dpkg", "--compare-versions", packageVersion(versions[i-1].described, at), "lt", got)
			}
		}
	}
	if archive := packageVersion("(devel)", at); archive != "0~20261123120000.devel" {
		t.Errorf("a source archive is %s", archive)
	}
	if vault := packageVersion("vault", at); !strings.HasPrefix(vault, "0~") {
		t.Errorf("the branch vault is the version %s", vault)
	}
	later := packageVersion("0000000", at.Add(time.Second))
	if !(packageVersion("fffffff", at) < later) {
		t.Errorf("a later commit is the earlier version %s", later)
	}
}

func TestUsage(t *testing.T) {
	folder := t.TempDir()
	for _, args := range [][]string{
		{}, {"--version", "v1", "--epoch", "0", "--arch", "amd64", "--binary", "main.go", "--out", folder},
		{"--version", "v1", "--epoch", committed, "--arch", "amd64", "--binary", filepath.Join(folder, "absent"), "--out", folder},
	} {
		if err := run(args, io.Discard); err == nil {
			t.Errorf("%v is no error", args)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("what failed left %v, %v", left, err)
	}
}
