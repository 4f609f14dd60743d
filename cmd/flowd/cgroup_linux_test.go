package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// cgroup is a group of processes that have a limit of memory together.
type cgroup struct {
	dir string
	v2  bool
}

// newCgroup makes a cgroup, whose processes the kernel ends when they need more than so many bytes. Where this
// machine has none to give, which only its administrator can change, the test is skipped and says so. With
// CI=true a failure is one, for there root owns the hierarchy.
func newCgroup(t *testing.T, limit int64) *cgroup {
	t.Helper()
	parent, v2, why := memoryHierarchy()
	if why != "" {
		t.Skipf("flowd is not tried in a cgroup: %s", why)
	}
	g := &cgroup{filepath.Join(parent, fmt.Sprintf("flowd-test-%d-%d", os.Getpid(), limit>>20)), v2}
	err := os.Mkdir(g.dir, 0o755)
	if err == nil {
		t.Cleanup(func() {
			if err := os.Remove(g.dir); err != nil {
				t.Error(err)
			}
		})
		err = g.limit(limit)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a cgroup cannot be made, and with CI=true no test is left out: %v", err)
		}
		t.Skipf("flowd is not tried in a cgroup: %v", err)
	}
	return g
}

// memoryHierarchy finds the folder in which cgroups with a limit of memory can be made, of v1 or v2, or why there
// is none.
func memoryHierarchy() (dir string, v2 bool, why string) {
	if os.Geteuid() != 0 {
		return "", false, "only root may make one"
	}
	if _, err := os.Stat("/sys/fs/cgroup/memory/memory.limit_in_bytes"); err == nil {
		dir = "/sys/fs/cgroup/memory"
	} else {
		controllers, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
		if err != nil || !slices.Contains(strings.Fields(string(controllers)), "memory") {
			return "", false, "/sys/fs/cgroup has no controller of memory"
		}
		// What is passed on to groups below is decided at each level.
		if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+memory"), 0); err != nil {
			return "", false, "the controller of memory is not passed on to groups of ours: " + err.Error()
		}
		dir, v2 = "/sys/fs/cgroup", true
	}
	var mount syscall.Statfs_t
	if err := syscall.Statfs(dir, &mount); err != nil || mount.Flags&syscall.MS_RDONLY != 0 {
		return "", false, dir + " is read-only"
	}
	return dir, v2, ""
}

// limit sets the limit, without swap where there is a bound of that.
func (g *cgroup) limit(bytes int64) error {
	limit, swap, most := "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", strconv.FormatInt(bytes, 10)
	if g.v2 {
		limit, swap = "memory.max", "memory.swap.max"
	}
	if err := g.write(limit, most); err != nil {
		return err
	}
	if g.v2 {
		most = "0"
	}
	if err := g.write(swap, most); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (g *cgroup) write(file, text string) error {
	return os.WriteFile(filepath.Join(g.dir, file), []byte(text), 0)
}

// killed returns how many processes the kernel has ended for want of memory.
func (g *cgroup) killed(t *testing.T) int {
	t.Helper()
	file := "memory.oom_control"
	if g.v2 {
		file = "memory.events"
	}
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(count))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("%s does not say how many were killed:\n%s", file, text)
	return 0
}

// runs returns what startBy needs to have program run in the group in place of flowd.
func (g *cgroup) runs(program string) []string {
	script := `echo $$ > "$0/cgroup.procs" && shift && exec ` + program + ` "$@"`
	return []string{"sh", "-c", script, g.dir}
}
