package child

import (
	"os"
	"os/exec"
	"syscall"
)

// tie puts the process into a group of its own, so that it can be killed with all that it starts
// and no interrupt of a terminal reaches it, and makes the kernel end it when this one ends.
func tie(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

// killGroup kills the group that p leads, as tie made it. It fails if all of it has ended, which
// is what is wanted.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
