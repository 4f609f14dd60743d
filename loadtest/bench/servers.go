package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/goccy/go-json"

	"flowd/flow"
	"flowd/loadtest"
)

// server is one of those that take flows in, and how it wants them.
type server struct {
	*child
	path        string // of the POST
	contentType string
	status      int // of the answer to a POST that was taken
	encode      func(dst []byte, g *loadtest.Generator, samples []loadtest.Sample) []byte
	// counted returns how many flows the server says it took; nil if it does not say.
	counted func(context.Context) (uint64, error)
	posted  uint64 // flows that were answered with status
}

const (
	ceilingName  = "ceiling"
	flowdName    = "flowd"
	victoriaName = "VictoriaMetrics"
)

// victoriaBinary is what Debian calls it.
const victoriaBinary = "victoria-metrics"

// build makes the binary of flowd.
func (b *bench) build(ctx context.Context) error {
	b.flowd = filepath.Join(b.dir, "flowd")
	b.progress("building flowd")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", b.flowd, "flowd/cmd/flowd").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build flowd/cmd/flowd: %w\n%s", err, out)
	}
	return nil
}

func (b *bench) startCeiling(ctx context.Context) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c, err := startChild(ctx, ceilingName, "/", func(addr string) *exec.Cmd {
		return exec.Command(self, ceilingMode, addr)
	})
	return &server{child: c, path: "/flows", contentType: "application/json", status: http.StatusOK, encode: encodeJSON}, err
}

func (b *bench) startFlowd(ctx context.Context) (*server, error) {
	c, err := startChild(ctx, flowdName, "/readyz", func(addr string) *exec.Cmd {
		return exec.Command(b.flowd, "serve", "--listen", addr, "--durability", "none")
	})
	s := &server{child: c, path: "/flows", contentType: "application/json", status: http.StatusOK, encode: encodeJSON}
	s.counted = s.flowdCount
	return s, err
}

// startVictoria starts VictoriaMetrics with its defaults, but for a retention that has room for
// the hours of the load, and a place for its data that is removed afterwards.
func (b *bench) startVictoria(ctx context.Context) (*server, error) {
	binary, err := exec.LookPath(victoriaBinary)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "victoria-")
	if err != nil {
		return nil, err
	}
	c, err := startChild(ctx, victoriaName, "/health", func(addr string) *exec.Cmd {
		return exec.Command(binary, "-httpListenAddr="+addr, "-storageDataPath="+dir, "-retentionPeriod=1y")
	})
	s := &server{child: c, path: "/write", contentType: "text/plain", status: http.StatusNoContent, encode: encodeInflux}
	s.counted = s.victoriaCount
	return s, err
}

func encodeJSON(dst []byte, g *loadtest.Generator, samples []loadtest.Sample) []byte {
	return g.Encode(dst, samples, flow.JSON)
}

// encodeInflux writes the same flows as lines of InfluxDB's protocol. The names of the load
// need no escaping there.
func encodeInflux(dst []byte, g *loadtest.Generator, samples []loadtest.Sample) []byte {
	const nanosecondsPerHour = 3600 * 1_000_000_000
	for _, sample := range samples {
		f := g.Flow(sample)
		dst = fmt.Appendf(dst, "flow,src_app=%s,dest_app=%s,vpc_id=%s bytes_tx=%d,bytes_rx=%d %d\n",
			f.SrcApp, f.DestApp, f.VPCID, f.BytesTx, f.BytesRx, uint64(f.Hour)*nanosecondsPerHour)
	}
	return dst
}

// flowdCount adds up the flows of all hours.
func (s *server) flowdCount(ctx context.Context) (uint64, error) {
	body, err := s.get(ctx, "/hours")
	if err != nil {
		return 0, err
	}
	var hours []struct{ Flows uint64 }
	if err := json.Unmarshal(body, &hours); err != nil {
		return 0, fmt.Errorf("flowd answered GET /hours with %.100q: %w", body, err)
	}
	total := uint64(0)
	for _, hour := range hours {
		total += hour.Flows
	}
	return total, nil
}

// victoriaCount returns half of the rows inserted: a flow has two fields.
func (s *server) victoriaCount(ctx context.Context) (uint64, error) {
	body, err := s.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	const name = `vm_rows_inserted_total{type="influx"} `
	for line := range bytes.Lines(body) {
		if value, ok := bytes.CutPrefix(line, []byte(name)); ok {
			rows, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
			return rows / 2, err
		}
	}
	return 0, fmt.Errorf("VictoriaMetrics has no metric %s", name)
}

// readOK returns the body of a 200 and closes it.
func readOK(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", resp.Request.URL, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// machine describes what the figures were measured on.
func machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d CPUs (%s), %s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.Version())
}
