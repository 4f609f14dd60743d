//go:build !linux

package child

import (
	"os"
	"os/exec"
)

// tie does nothing: only Linux ends a process with the one that started it.
func tie(*exec.Cmd) {}

// killGroup kills p alone. It fails if that has ended, which is what is wanted.
func killGroup(p *os.Process) { _ = p.Kill() }
