package disk_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"flowd/disk"
)

// holdVariable has the name of a file that this program, started again, locks.
const holdVariable = "FLOWD_TEST_HOLD"

// hold takes the lock, says so, and keeps it until nobody listens any more, or it is killed.
func hold(name string) {
	lock, err := disk.OS.Lock(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("locked")
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = lock.Close()
	os.Exit(0)
}

// holder starts a process that holds the lock when it returns.
func holder(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program)
	c.Env = append(os.Environ(), holdVariable+"="+name)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe() // ends the process if this one ends
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Fatal(err)
	}
	return c
}
