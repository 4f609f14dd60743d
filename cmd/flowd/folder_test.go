package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"flowd/flow"
	"flowd/local"
)

// filled makes a data folder as a kill leaves it: filled folder. Three batches are in blocks, two
// more in the log, each with a flow of hour 7 and of hour 480000.
func filled(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: filled folder")
	}
	o := local.DefaultOptions()
	o.Dir, o.Logged = ts.MkAbs("live"), true
	o.Log.SegmentBytes = 1 << 20
	o.CheckpointEvery = time.Hour
	o.Logger = slog.New(slog.DiscardHandler)
	o.Clock = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	e, err := local.New(o)
	ts.Check(err)
	ts.Check(e.Open())
	for n := range 5 {
		b := e.Acquire(time.Minute)
		for _, h := range []flow.Hour{7, 480_000} {
			b.Add(&flow.Flow{SrcApp: fmt.Sprint("app-", n), DestApp: "db", VPCID: "vpc", BytesTx: 100, BytesRx: 1 << 40, Hour: h})
		}
		_, err := e.Append(b, flow.Origin{Key: fmt.Sprint("key-", n)})
		ts.Check(err)
		if n == 2 {
			ts.Check(e.Checkpoint())
		}
	}
	for deadline := time.Now().Add(patience); e.Stats().Log.Spares < 2; {
		if time.Now().After(deadline) {
			ts.Fatalf("the log does not prepare its segments: %v", e.Stats().Log)
		}
		runtime.Gosched() // nothing tells when it has
	}
	ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(o.Dir)))
	ts.Check(e.Close())
}

// flip changes a byte of a file: flip file offset.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip file offset")
	}
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	name := ts.MkAbs(args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	b[at] ^= 1
	ts.Check(os.WriteFile(name, b, 0o600))
}

// flowd runs a command that must work and returns what it prints.
func flowd(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.Command("flowd", args...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "GORACE=" + raceOption}
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("flowd %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// A server that takes batches is looked at and copied, and the copy is served.
func TestToolsOnARunningServer(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	args := []string{"--durability=fsync", "--segment-bytes=1MiB", "--max-decoded-bytes=256KiB", "--max-body-bytes=256KiB"}
	s := start(t, append(args, "--data="+folder)...)
	var answered atomic.Int64
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			body := fmt.Sprintf(`[{"src_app":"app-%d","dest_app":"db","vpc_id":"vpc","bytes_tx":1,"bytes_rx":2,"hour":7}]`, n)
			if status, text, err := s.request(http.MethodPost, "/flows", body); status != http.StatusOK {
				stopped <- fmt.Errorf("batch %d: %d %s, %w", n, status, text, err)
				return
			}
			answered.Add(1)
		}
	}()
	s.until("batches were answered", func() bool { return answered.Load() >= 20 })
	for _, c := range []struct{ command, want string }{
		{"inspect", "in use by a server"},
		{"verify", "is as it was written"},
	} {
		if out := flowd(t, c.command, folder); !strings.Contains(out, c.want) {
			t.Errorf("flowd %s says %q, want %q", c.command, out, c.want)
		}
	}
	least := answered.Load()
	copied := filepath.Join(t.TempDir(), "copy")
	if out := flowd(t, "backup", folder, copied); !strings.Contains(out, "flowd serve --data "+copied) {
		t.Errorf("flowd backup says %q", out)
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	second := start(t, append(args, "--data="+copied)...)
	status, rows, err := second.get("/flows?hour=7")
	if n := int64(strings.Count(rows, "app-")); status != http.StatusOK || n < least || n > answered.Load() {
		t.Errorf("the copy answers %d with %d batches, %v, want %d to %d", status, n, err, least, answered.Load())
	}
}
