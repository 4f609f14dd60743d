package process

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Read returns the usage of process pid. It is an error if there is no such process,
// or if it has ended.
func Read(pid int) (Usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return Usage{}, err
	}
	u := Usage{}
	if u.Name, err = parseStat(stat); err == nil {
		u.CPU, err = processorTime(pid)
	}
	if err != nil {
		return Usage{}, fmt.Errorf("process %d: %w", pid, err)
	}
	u.RSS = statusBytes(status, "VmRSS:")
	u.PeakRSS = statusBytes(status, "VmHWM:")
	return u, nil
}

// processorTime reads the clock of a process, which has nanoseconds where /proc/PID/stat has ticks of 10 ms. Its
// number is what clock_getcpuclockid(3) returns.
func processorTime(pid int) (time.Duration, error) {
	const ofProcess = 2 // and of all its threads, user and system
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|ofProcess), &t); err != nil {
		return 0, fmt.Errorf("the clock of its processor time: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

// ForgetPeak has the PeakRSS of process pid begin anew, from what it holds now.
func ForgetPeak(pid int) error {
	const peak = "5" // man 5 proc_pid_clear_refs
	return os.WriteFile(filepath.Join("/proc", strconv.Itoa(pid), "clear_refs"), []byte(peak), 0)
}

var errEnded = errors.New("it has ended")

// parseStat reads the name of a process of "PID (NAME) STATE ...", where the name may hold spaces and parentheses.
func parseStat(stat []byte) (name string, err error) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return "", fmt.Errorf("stat has no name: %q", stat)
	}
	state, _, more := bytes.Cut(bytes.TrimPrefix(stat[end+1:], []byte{' '}), []byte{' '})
	if !more {
		return "", fmt.Errorf("stat has no state: %q", stat)
	}
	// A process that was not waited for yet still has times, but no memory.
	if s := string(state); s == "Z" || s == "X" {
		return "", errEnded
	}
	return string(stat[open+1 : end]), nil
}

// statusBytes returns a line of /proc/PID/status that counts kB; 0 where it is missing.
func statusBytes(status []byte, name string) uint64 {
	_, after, _ := bytes.Cut(status, []byte("\n"+name))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	kb, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(string(line)), " kB"), 10, 64)
	return kb << 10
}

// FindListener returns the process that listens on addr, a host:port. It sees servers on this
// machine's loopback, and of those only what this user may look at.
func FindListener(addr string) (int, error) {
	remote, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return 0, err
	}
	want := remote.AddrPort()
	want = netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
	if !want.Addr().IsLoopback() {
		return 0, fmt.Errorf("%s is not on this machine's loopback", addr)
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(table)
		if err != nil {
			continue // A kernel without IPv6 has no such file.
		}
		inode, ok := listenerInode(bufio.NewScanner(file), want)
		file.Close()
		if ok {
			return findOwner(inode)
		}
	}
	return 0, fmt.Errorf("no process of this machine listens on %s", addr)
}

// listenerInode reads a table of sockets for the one that takes connections to want, and
// returns its inode. A line is
//
//	0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 ...
//
// with the local address in second place, the state in fourth (0A listens), the inode in tenth.
func listenerInode(lines *bufio.Scanner, want netip.AddrPort) (inode string, ok bool) {
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != "0A" {
			continue
		}
		local, err := parseSocketAddr(f[1])
		if err != nil || local.Port() != want.Port() {
			continue
		}
		if local.Addr() == want.Addr() || local.Addr().IsUnspecified() {
			return f[9], true
		}
	}
	return "", false
}

// parseSocketAddr reads "0100007F:1F90": the address in words of four bytes as this machine
// holds them, the port as a number.
func parseSocketAddr(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for word := range slices.Chunk(raw, 4) {
		if len(word) == 4 {
			binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
		}
	}
	addr, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("not the address of a socket: %q", s)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}

// findOwner returns the process that has the socket open.
func findOwner(inode string) (int, error) {
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, err
	}
	socket := "socket:[" + inode + "]"
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == socket {
			return strconv.Atoi(strings.Split(link, "/")[2])
		}
	}
	return 0, fmt.Errorf("the process of socket %s is not this user's to see", inode)
}
