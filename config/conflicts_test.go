package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConflicts(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"--max-body-bytes=32MiB", "--max-body-bytes: max-decoded-bytes (16MiB) is less than max-body-bytes (32MiB), and a plain body must keep both"},
		{"--max-decoded-bytes=1MiB", "--max-decoded-bytes: max-decoded-bytes (1MiB) is less than max-body-bytes (4MiB), and a plain body must keep both"},
		{"--max-inflight-bytes=55MiB", "--max-inflight-bytes: max-inflight-bytes (55MiB) is less than the 56MiB that one request may need with max-body-bytes 4MiB and max-decoded-bytes 16MiB (2 and 3 times as much)"},
		{"--max-decoded-bytes=1GiB", "--max-decoded-bytes: max-inflight-bytes (256MiB) is less than the 3080MiB that one request may need with max-body-bytes 4MiB and max-decoded-bytes 1GiB (2 and 3 times as much)"},
		{"--max-inflight-bytes=56MiB", ""},
		{"--data=", "--data: data is empty, so flows are kept in memory only, but durability is fsync, which writes them to disk: give durability none too, or a folder as data"},
		{"--durability=interval --data=", "--data: data is empty, so flows are kept in memory only, but durability is interval, which writes them to disk: give durability none too, or a folder as data"},
		{"--data= --durability=none", ""},
		{"--durability=none", ""},
		{"--segment-bytes=16MiB", "--segment-bytes: segment-bytes (16MiB) is less than the 16512KiB that the log may need for one batch with max-decoded-bytes 16MiB and max-flows 50000 (the lesser of the first and 1KiB per flow, and 128KiB)"},
		{"--segment-bytes=16MiB --durability=none", ""},
		{"--segment-bytes=16512KiB", ""},
		{"--segment-bytes=1MiB --max-flows=896", ""},
		{"--segment-bytes=1MiB --max-flows=897", "--segment-bytes: segment-bytes (1MiB) is less than the 1025KiB that the log may need for one batch with max-decoded-bytes 16MiB and max-flows 897 (the lesser of the first and 1KiB per flow, and 128KiB)"},
		{"--max-flows=1000000 --max-decoded-bytes=64MiB", "--max-decoded-bytes: segment-bytes (64MiB) is less than the 65664KiB that the log may need for one batch with max-decoded-bytes 64MiB and max-flows 1000000 (the lesser of the first and 1KiB per flow, and 128KiB)"},
		{"--max-body-bytes=1KiB --max-decoded-bytes=1KiB --max-inflight-bytes=5KiB", ""},

		{"--tls-cert-file=a.pem", "--tls-cert-file: tls-cert-file is a.pem, but there is no tls-key-file: give both, or neither"},
		{"--tls-key-file=a.key", "--tls-key-file: tls-key-file is a.key, but there is no tls-cert-file: give both, or neither"},
		{"--tls-cert-file=a.pem --tls-key-file=a.key", ""},
		{"--tls-client-ca-file=ca.pem --tokens-file=t", "--tls-client-ca-file: tls-client-ca-file is ca.pem, but there is no TLS for clients to show a certificate in: give tls-cert-file and tls-key-file too"},
		{"--tls-client-ca-file=ca.pem --tls-cert-file=a.pem --tls-key-file=a.key", "--tls-client-ca-file: tls-client-ca-file is ca.pem, but there is no tokens-file, so that any client may do everything, with a certificate or without: give tokens-file too, which says what the certificates may do"},
		{"--tls-client-ca-file=ca.pem --tls-cert-file=a.pem --tls-key-file=a.key --tokens-file=t", ""},

		{"--rate-flows=1 --rate-flows-burst=49999", "--rate-flows-burst: rate-flows-burst (49999) is less than max-flows (50000), so that a batch of as many flows could never come in"},
		{"--rate-flows=1 --rate-flows-burst=50000", ""},
		{"--rate-flows=1", ""},
		{"--rate-flows-burst=1", ""},
		{"--rate-bytes=1KiB --rate-bytes-burst=4095KiB", "--rate-bytes-burst: rate-bytes-burst (4095KiB) is less than max-body-bytes (4MiB), so that a body of that size could never come in"},
		{"--rate-bytes=1KiB --rate-bytes-burst=4MiB", ""},
		{"--rate-bytes=1KiB", ""},
		{"--rate-bytes-burst=1KiB", ""},
		{"--max-tuples=4999999", "--max-tuples: max-tuples-hour (5000000) is more than max-tuples (4999999), which bounds all hours together"},
		{"--max-tuples-hour=20000001", "--max-tuples-hour: max-tuples-hour (20000001) is more than max-tuples (20000000), which bounds all hours together"},
		{"--max-tuples=5000000", ""},
		{"--max-tuples=0 --max-tuples-hour=20000001", ""},
		{"--max-tuples=1 --max-tuples-hour=0", ""},
	} {
		_, _, err := parse(t, nil, strings.Fields(test.args)...)
		if diff := cmp.Diff(test.want, problems(t, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.args, diff)
		}
	}
}

// TestBeyondLoopback holds which addresses take tokens, or the word that they are not wanted.
func TestBeyondLoopback(t *testing.T) {
	for _, address := range []string{"127.0.0.1:8080", "127.9.9.9:0", "[::1]:8080", "[::ffff:127.0.0.1]:8080", "localhost:8080", "LocalHost:0"} {
		_, _, err := parse(t, nil, "--listen", address, "--admin-listen", strings.Replace(address, ":8080", ":9090", 1))
		if err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{
		":8080", "0.0.0.0:8080", "[::]:8080", "10.0.0.7:8080", "[2001:db8::1]:8080", "[fe80::1%eth0]:8080", "flows.example:8080",
		"127.0.0.1.example:8080", "localhost.example:8080", "127.1:8080", "[::ffff:10.0.0.7]:8080", ":0",
	} {
		for _, key := range []string{"listen", "admin-listen"} {
			want := fmt.Sprintf("--%s: %s is %s, which is beyond loopback, but there is no tokens-file, so that any client that reaches it could do everything: "+
				"give tokens-file, or an address of loopback such as 127.0.0.1:8080, or insecure if that is what you want", key, key, address)
			// The default of the other must not be in its way.
			flag, other := "--"+key+"="+address, "--admin-listen=off"
			if key == "admin-listen" {
				other = "--listen=127.0.0.1:0"
			}
			_, _, err := parse(t, nil, other, flag)
			if diff := cmp.Diff(want, problems(t, err)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", flag, diff)
			}
			if _, _, err = parse(t, nil, other, flag, "--insecure=false"); err == nil {
				t.Errorf("%s is let in by --insecure=false", flag)
			}
			for _, allows := range []string{"--insecure", "--insecure=true", "--tokens-file=tokens.yaml"} {
				if _, _, err := parse(t, nil, other, flag, allows); err != nil {
					t.Errorf("%s %s: %v", flag, allows, err)
				}
			}
		}
	}
}

func TestListenersOfOneAddress(t *testing.T) {
	for _, test := range []struct {
		listen, admin string
		one           bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.1:080", true},
		{"127.0.0.1:80", "localhost:80", true},
		{"LOCALHOST:80", "localhost:80", true},
		{"127.0.0.1:80", "[::ffff:127.0.0.1]:80", true},
		{":80", "127.0.0.1:80", true},
		{":80", "[::1]:80", true},
		{"[::1]:80", "[::]:80", true},
		{"0.0.0.0:80", "127.0.0.1:80", true},
		{"10.0.0.7:80", "0.0.0.0:80", true},
		{"flows.example:80", "0.0.0.0:80", true},
		{"flows.example:80", "Flows.Example:80", true},
		{":80", "0.0.0.0:80", true},
		{"[::1]:80", "[0:0::1]:80", true},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"127.0.0.1:80", "[::1]:80", false},
		{"0.0.0.0:80", "[::1]:80", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{":80", "off", false},
	} {
		_, _, err := parse(t, nil, "--insecure", "--listen", test.listen, "--admin-listen", test.admin)
		want := ""
		if test.one {
			want = fmt.Sprintf("--admin-listen: admin-listen (%s) takes the port of listen (%s): give it another one, or off", test.admin, test.listen)
		}
		if diff := cmp.Diff(want, problems(t, err)); diff != "" {
			t.Errorf("%s and %s (-want +got):\n%s", test.listen, test.admin, diff)
		}
	}
	// Where nobody gave admin-listen, the server does without.
	if _, _, err := parse(t, nil, "--listen=127.0.0.1:8081"); err != nil {
		t.Error(err)
	}
}
