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
	*instance
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
	p, err := startProcess(ctx, ceilingName, "/", func(addr string) *exec.Cmd {
		return exec.Command(self, ceilingMode, addr)
	})
	if err != nil {
		return nil, err
	}
	return &server{instance: p, path: "/flows", contentType: "application/json", status: http.StatusOK, encode: encodeJSON}, nil
}

// startMemory starts flowd without a folder of data.
func (b *bench) startMemory(ctx context.Context) (*server, error) {
	return b.startFlowd(ctx, flowdName, "--data=", "--durability=none")
}

// startFlowd starts flowd with these settings. Name is what the figures call it.
func (b *bench) startFlowd(ctx context.Context, name string, settings ...string) (*server, error) {
	// Not /readyz, which early commits lack.
	p, err := startProcess(ctx, name, "/hours", func(addr string) *exec.Cmd {
		settings = append([]string{"--listen=" + addr, "--admin-listen=off"}, settings...)
		return exec.Command(b.flowd, append([]string{"serve"}, b.known(settings)...)...)
	})
	if err != nil {
		return nil, err
	}
	s := &server{instance: p, path: "/flows", contentType: "application/json", status: http.StatusOK, encode: encodeJSON}
	s.counted = s.flowdCount
	return s, nil
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
	p, err := startProcess(ctx, victoriaName, "/health", func(addr string) *exec.Cmd {
		return exec.Command(binary, "-httpListenAddr="+addr, "-storageDataPath="+dir, "-retentionPeriod=1y")
	})
	if err != nil {
		return nil, err
	}
	s := &server{instance: p, path: "/write", contentType: "text/plain", status: http.StatusNoContent, encode: encodeInflux}
	s.counted = s.victoriaCount
	return s, nil
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

// hourLine is what flowd says of an hour.
type hourLine struct{ Tuples, Flows uint64 }

// flowdHours returns all hours that flowd has.
func (s *server) flowdHours(ctx context.Context) ([]hourLine, error) {
	body, err := s.get(ctx, "/hours")
	if err != nil {
		return nil, err
	}
	var hours []hourLine
	if err := json.Unmarshal(body, &hours); err != nil {
		return nil, fmt.Errorf("flowd answered GET /hours with %.100q: %w", body, err)
	}
	return hours, nil
}

// flowdCount adds up the flows of all hours.
func (s *server) flowdCount(ctx context.Context) (uint64, error) {
	hours, err := s.flowdHours(ctx)
	total := uint64(0)
	for _, hour := range hours {
		total += hour.Flows
	}
	return total, err
}

// victoriaCount returns half of the rows inserted: a flow has two fields.
func (s *server) victoriaCount(ctx context.Context) (uint64, error) {
	rows, err := s.metric(ctx, `vm_rows_inserted_total{type="influx"}`)
	return uint64(rows) / 2, err
}

// metric returns the value of one of the server's metrics, with the labels in its name.
func (s *server) metric(ctx context.Context, name string) (float64, error) {
	body, err := s.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(body) {
		if value, ok := bytes.CutPrefix(line, []byte(name+" ")); ok {
			return strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
		}
	}
	return 0, fmt.Errorf("%s has no metric %s", s.name, name)
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
