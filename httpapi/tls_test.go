package httpapi

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"flowd/certs"
	"flowd/httpapi/certtest"
	"flowd/httpapi/conn"
)

// writeFiles puts a certificate and its key in place of those of files.
func writeFiles(t testing.TB, files conn.TLSFiles, i *certtest.Issued) {
	i.Write(t, files.Certificate, files.Key)
}

// newFiles writes a certificate into a folder of its own. clients may be nil.
func newFiles(t testing.TB, i *certtest.Issued, clients *certtest.Authority) conn.TLSFiles {
	dir := t.TempDir()
	f := conn.TLSFiles{Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	i.Write(t, f.Certificate, f.Key)
	if clients != nil {
		f.ClientCA = filepath.Join(dir, "ca.crt")
		certtest.Put(t, f.ClientCA, clients.PEM())
	}
	return f
}

// secureServer is a server with TLS, whose certificate ca has issued.
type secureServer struct {
	*testServer
	ca    *certtest.Authority
	files conn.TLSFiles
}

// serveSecured starts a server with TLS over e, as serve does one in clear. Clients may show
// certificates of clients, if it is not nil.
func serveSecured(t testing.TB, e Engine, clients *certtest.Authority, change func(*Limits)) *secureServer {
	t.Helper()
	if e == nil {
		e = newTable(t)
	}
	ss := newSecured(t, e, clients, change)
	ss.run()
	return ss
}

func newSecured(t testing.TB, e Engine, clients *certtest.Authority, change func(*Limits)) *secureServer {
	t.Helper()
	ca := certtest.New(t, "servers")
	files := newFiles(t, ca.Issue("flowd", nil), clients)
	return &secureServer{testServer: newServerOver(t, e, change, &files), ca: ca, files: files}
}

// secureClient is one connection with TLS.
type secureClient struct {
	client // over TLS is what is read; what is written to it itself goes to the socket
	tls    *tls.Conn
}

// config is what a client needs to trust the server.
func (ss *secureServer) config() *tls.Config {
	return &tls.Config{RootCAs: ss.ca.Pool(), ServerName: "127.0.0.1"}
}

// secure shakes hands. The connection is left to the caller if that fails.
func (ss *secureServer) shake(config *tls.Config) (*secureClient, error) {
	ss.t.Helper()
	raw := ss.dial()
	c := &secureClient{client: *raw, tls: tls.Client(raw.TCPConn, config)}
	c.r = bufio.NewReader(c.tls)
	return c, c.tls.Handshake()
}

// open returns a connection to the server that is ready for requests.
func (ss *secureServer) open() *secureClient {
	ss.t.Helper()
	c, err := ss.shake(ss.config())
	if err != nil {
		ss.t.Fatal(err)
	}
	return c
}

func (c *secureClient) write(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.tls, text); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
}

// ask sends a request without a body and returns the answer.
func (c *secureClient) ask(method, target string, headers ...string) reply {
	c.t.Helper()
	c.write(head(method, target, headers...))
	return c.read(method)
}

// secureDo is do with TLS.
func (ss *secureServer) secureDo(method, target, body string, headers ...string) reply {
	ss.t.Helper()
	c := ss.open()
	defer c.Close()
	c.write(head(method, target, append(headers, "Content-Length: "+itoa(len(body)))...) + body)
	return c.read(method)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ss := serveSecured(t, nil, nil, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := ss.config()
		config.MaxVersion, config.NextProtos = version, []string{"h2", "http/1.1"}
		c, err := ss.shake(config)
		if err != nil {
			t.Fatal(err)
		}
		if state := c.tls.ConnectionState(); state.Version != version || state.NegotiatedProtocol != "http/1.1" {
			t.Errorf("version %x, protocol %q", state.Version, state.NegotiatedProtocol)
		}
		body := oneFlow("a"+itoa(int(version)), 5)
		c.write(head("POST", "/flows", "Content-Length: "+itoa(len(body))) + body)
		if r := c.read("POST"); r.StatusCode != 200 {
			t.Fatalf("%d: %s", r.StatusCode, r.body)
		}
		c.write(head("GET", "/flows?hour=5") + head("GET", "/livez"))
		if r := c.read("GET"); !strings.Contains(r.body, "a"+itoa(int(version))) {
			t.Errorf("%d: %s", r.StatusCode, r.body)
		}
		if r := c.read("GET"); r.StatusCode != 200 || r.Close {
			t.Errorf("the pipelined one: %d, close %t", r.StatusCode, r.Close)
		}
		c.write("GET /livez HTTP/1.0\r\n\r\n")
		if r := c.read("GET"); r.StatusCode != 200 || !r.Close {
			t.Errorf("HTTP/1.0: %d, close %t", r.StatusCode, r.Close)
		}
		c.ends()
	}
	if got := ss.metric(`flowd_tls_handshakes_total{resumed="no"}`); got != "2" {
		t.Errorf("%s handshakes counted", got)
	}
}

// Bodies and answers of any size pass, and answers that come before the body was read arrive.
func TestTLSSizes(t *testing.T) {
	t.Parallel()
	many := newMany(20_000)
	ss := serveSecured(t, &hookEngine{Engine: newTable(t), rows: many.Rows}, nil, func(l *Limits) { l.BodyBytes = 1 << 20 })
	wantRows(t, ss.secureDo("GET", "/flows?hour=5", "").body, 20_000)
	c := ss.open()
	c.write("GET /flows?hour=5 HTTP/1.0\r\n\r\n")
	wantRows(t, c.read("GET").body, 20_000)
	c.ends()

	if r := ss.secureDo("POST", "/flows", string(flowsBody(9000))); r.StatusCode != 200 {
		t.Errorf("%d: %s", r.StatusCode, r.body)
	}
	problemIn(t, ss.secureDo("POST", "/flows", strings.Repeat(" ", 3<<20)), 413)
	c = ss.open()
	c.write(head("POST", "/flows", "Expect: 100-continue", "Content-Length: 9000000"))
	problemIn(t, c.read("POST"), 413)
}

// A chunked body that ends with the connection is cut short, however that ends.
func TestTLSEndsInABody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(*secureClient)
	}{
		{"closed in TLS", func(c *secureClient) { _ = c.tls.CloseWrite() }},
		{"closed below TLS", func(c *secureClient) { _ = c.CloseWrite() }},
		{"in a record", func(c *secureClient) { c.client.write("\x17\x03\x03\x00\x40abc"); _ = c.CloseWrite() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			ss := serveSecured(t, nil, nil, nil)
			client := ss.open()
			client.write(head("POST", "/flows", "Transfer-Encoding: chunked") + "10\r\n[")
			eventually(t, "the body is begun", func() bool { return ss.bodyBytes() > 0 })
			c.end(client)
			problemIn(t, client.read("POST"), 400)
			if got := ss.metric(`flowd_http_requests_rejected_total{reason="cut_short"}`); got != "1" {
				t.Errorf("%s counted", got)
			}
		})
	}
}

func TestLoadTLSErrors(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t, "a")
	one, two := ca.Issue("one", nil), ca.Issue("two", nil)
	for _, c := range []struct {
		name  string
		spoil func(*conn.TLSFiles)
		want  string
	}{
		{"no certificate", func(f *conn.TLSFiles) { _ = os.Remove(f.Certificate) }, "tls.crt"},
		{"no key", func(f *conn.TLSFiles) { _ = os.Remove(f.Key) }, "tls.key"},
		{"no authority", func(f *conn.TLSFiles) { _ = os.Remove(f.ClientCA) }, "ca.crt"},
		{"key of another", func(f *conn.TLSFiles) { certtest.Put(t, f.Key, two.KeyPEM(t)) }, "private key does not match"},
		{"no PEM", func(f *conn.TLSFiles) { certtest.Put(t, f.Certificate, []byte("x")) }, "tls.crt has no certificate in PEM form"},
		{"key and certificate exchanged", func(f *conn.TLSFiles) { f.Key, f.Certificate = f.Certificate, f.Key }, "no certificate in PEM form"},
		{"authority without certificates", func(f *conn.TLSFiles) { certtest.Put(t, f.ClientCA, []byte("hello")) }, "no certificate in PEM form"},
		{"authority with a key", func(f *conn.TLSFiles) { certtest.Put(t, f.ClientCA, one.KeyPEM(t)) }, "ca.crt is a PRIVATE KEY"},
		{"authority with damage", func(f *conn.TLSFiles) { certtest.Put(t, f.ClientCA, append(ca.PEM(), certtest.PemOf([]byte("no"))...)) }, "certificate 2 in"},
		{"authority cut off", func(f *conn.TLSFiles) { certtest.Put(t, f.ClientCA, append(ca.PEM(), ca.PEM()[:100]...)) }, "follows block 1"},
		{"no end", func(f *conn.TLSFiles) { certtest.Put(t, f.ClientCA, bytes.Repeat([]byte("x"), certs.MaxFile+1)) }, "more than 1 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &logBuffer{}
			files := newFiles(t, one, ca)
			c.spoil(&files)
			set := metrics.NewSet()
			_, err := conn.LoadTLS(conn.TLSOptions{Files: files, Logger: log.logger(), Metrics: set})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "PRIVATE KEY-") {
				t.Errorf("%v", err)
			}
			if names := set.ListMetricNames(); len(names) > 0 {
				t.Errorf("metrics of no TLS: %q", names)
			}
		})
	}
}

// expiry returns the gauge of it.
func (ss *secureServer) expiry() int64 {
	f, err := strconv.ParseFloat(ss.metric("flowd_tls_certificate_expiry_timestamp_seconds"), 64)
	if err != nil {
		ss.t.Fatal(err)
	}
	return int64(f)
}
