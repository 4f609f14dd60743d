package process

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseStat(t *testing.T) {
	const tail = " S 1 2 3 4 5 6 7 8 9 10 150 25 16 17 18"
	for _, c := range []struct{ stat, name string }{
		{"12 (flowd)" + tail, "flowd"},
		{"12 (a) b (c)" + tail, "a) b (c"},
		{"12 ()" + tail, ""},
	} {
		if name, err := parseStat([]byte(c.stat)); err != nil || name != c.name {
			t.Errorf("%q: %q, error %v", c.stat, name, err)
		}
	}
	for _, stat := range []string{"", "12 flowd S", "12 (flowd) S", "12 )flowd(" + tail, "12 (flowd)" + strings.Replace(tail, "S", "Z", 1)} {
		if name, err := parseStat([]byte(stat)); err == nil {
			t.Errorf("%q is taken as %q", stat, name)
		}
	}
}

func TestReadProcess(t *testing.T) {
	var own unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &own); err != nil {
		t.Fatal(err)
	}
	u, err := Read(os.Getpid())
	if used := time.Duration(own.Utime.Nano() + own.Stime.Nano()); u.CPU < used-time.Millisecond {
		t.Errorf("this process used %v, before which it was %v", u.CPU, used)
	}
	if err != nil || u.Name == "" || u.RSS < 1<<20 || u.PeakRSS < u.RSS {
		t.Errorf("this process: %+v, error %v", u, err)
	}
	if u, err := Read(1 << 30); err == nil {
		t.Errorf("a process that cannot exist: %+v", u)
	}
}

func TestFindServer(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", ":0"} {
		l, err := net.Listen("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), l.Addr().(*net.TCPAddr).AddrPort().Port()).String()
		if pid, err := FindListener(addr); err != nil || pid != os.Getpid() {
			t.Errorf("listening on %s: process %d, error %v", listen, pid, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if pid, err := FindListener(addr); err == nil {
			t.Errorf("listening on %s no more: process %d", listen, pid)
		}
	}
	for _, addr := range []string{"192.0.2.1:80", "nonsense"} {
		if pid, err := FindListener(addr); err == nil {
			t.Errorf("%s: process %d", addr, pid)
		}
	}
}

// socketAddr writes an address as the kernel does: words of four bytes, as this machine holds
// them.
func socketAddr(addr string) string {
	a := netip.MustParseAddrPort(addr)
	text := ""
	for word := range slices.Chunk(a.Addr().AsSlice(), 4) {
		text += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(word))
	}
	return fmt.Sprintf("%s:%04X", text, a.Port())
}

func TestFindListener(t *testing.T) {
	const established, listens = "01", "0A"
	table := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for i, s := range []struct{ addr, state string }{
		{"127.0.0.1:8080", established},
		{"127.0.0.2:8080", listens},
		{"127.0.0.1:8081", listens},
		{"127.0.0.1:8080", listens},
		{"0.0.0.0:8082", listens},
		{"[::ffff:127.0.0.1]:8083", listens},
		{"[::1]:8084", listens},
		{"[::]:8085", listens},
	} {
		table += fmt.Sprintf("%4d: %s 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 %d 1 0\n",
			i, socketAddr(s.addr), s.state, 10+i)
	}
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "13",
		"127.0.0.2:8080": "11",
		"127.0.0.1:8081": "12",
		"127.0.0.9:8082": "14",
		"127.0.0.1:8083": "15",
		"[::1]:8084":     "16",
		"127.0.0.1:8085": "17",
		"127.0.0.1:8086": "",
	} {
		inode, ok := listenerInode(bufio.NewScanner(strings.NewReader(table)), netip.MustParseAddrPort(addr))
		if inode != want || ok != (want != "") {
			t.Errorf("%s: inode %q, %v, want %q", addr, inode, ok, want)
		}
	}
}
