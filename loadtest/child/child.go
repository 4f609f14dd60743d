// Package child runs a server as a process that never outlives this one, so that it can be
// killed, stopped and started again, and measured for itself.
package child

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// Process is a process that was started. It belongs to one goroutine, all but Exited, PID and Output.
type Process struct {
	name   string
	cmd    *exec.Cmd
	output tail
	exited chan struct{} // closed when the process has ended
	end    error         // how it ended; set before exited is closed
}

// pipeDelay is how long after the end of a process its output may still come: from a process that
// it started itself and that has not ended with it.
const pipeDelay = time.Second

// Start starts cmd in a group of its own, and keeps the end of its output, both where cmd has
// no other place for it. Name is what errors call it.
//
// On Linux the kernel kills the process when the thread that started it ends. A goroutine that
// starts processes is on the safe side if it is locked to its thread until they have ended.
func Start(name string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{name: name, cmd: cmd, exited: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.output
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.output
	}
	cmd.WaitDelay = pipeDelay
	tie(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		p.end = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// PID returns the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended, in whatever way.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Output returns the end of the process's output, at most some KiB.
func (p *Process) Output() string { return p.output.String() }

// Kill ends the process and those of its group by SIGKILL, and waits until it has ended.
func (p *Process) Kill() {
	killGroup(p.cmd.Process)
	<-p.exited
}

// Stop asks the process to end by SIGTERM and waits for it. It returns an error if the process
// ended in any way but with exit code 0, or had to be killed because it took longer than within.
func (p *Process) Stop(within time.Duration) error {
	// It fails if the process has ended already, which is seen below.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	patience := time.NewTimer(within)
	defer patience.Stop()
	select {
	case <-p.exited:
		return p.Failure()
	case <-patience.C:
	}
	p.Kill()
	return fmt.Errorf("%s did not stop within %v of SIGTERM, and was killed%s", p.name, within, p.printed())
}

// Failure returns how the process ended, with the end of its output: nil for exit code 0, and
// while it runs.
func (p *Process) Failure() error {
	select {
	case <-p.exited:
	default:
		return nil
	}
	if p.end == nil {
		return nil
	}
	return fmt.Errorf("%s ended by itself: %w%s", p.name, p.end, p.printed())
}

// printed is the output as the end of a message.
func (p *Process) printed() string {
	if text := p.Output(); text != "" {
		return ", and printed:\n" + text
	}
	return ""
}

// FreeAddr returns an address on loopback on which no program listens, with a port below those that
// the kernel gives to clients: one that is free while a server restarts stays free for it.
func FreeAddr() (string, error) {
	var err error
	for range portTries {
		port := firstPort + rand.IntN(ports)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.Join(errors.New("no free port was found"), err)
}

// Linux gives clients the ports from 32768 on, others from 49152 on.
const (
	firstPort = 16384
	ports     = 16384
	portTries = 100
)
