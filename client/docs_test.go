package client

import (
	"bytes"
	"context"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowd/flow"
)

// pageBlocks returns the code blocks of docs/clients.md by language, in their order.
func pageBlocks(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../docs/clients.md")
	must(t, err)
	blocks := map[string][]string{}
	for _, match := range regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks[match[1]] = append(blocks[match[1]], match[2])
	}
	if len(blocks["go"]) != 1 || len(blocks["python"]) != 1 || len(blocks["sh"]) != 4 || len(blocks) != 3 {
		t.Fatalf("the page has other blocks than this test expects: %d of Go, %d of Python, %d of sh, %d languages",
			len(blocks["go"]), len(blocks["python"]), len(blocks["sh"]), len(blocks))
	}
	return blocks
}

// requirePrograms skips a test if a program is missing. With CI=true it fails the test.
func requirePrograms(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing, and with CI=true no test is skipped", program)
			}
			t.Skipf("%s is missing", program)
		}
	}
}

// pageSandbox is a folder with the programs of the page, and the environment to run them.
type pageSandbox struct {
	t   *testing.T
	dir string
	env []string
}

const agentToken = "flowd_desk-token"

func newPageSandbox(t *testing.T, url string) *pageSandbox {
	t.Helper()
	d := &pageSandbox{t: t, dir: t.TempDir()}
	blocks := pageBlocks(t)
	if formatted, err := format.Source([]byte(blocks["go"][0])); err != nil || string(formatted) != blocks["go"][0] {
		t.Errorf("the Go of the page is not formatted: %v\n%s", err, formatted)
	}
	for name, text := range map[string]string{"main.go": blocks["go"][0], "agent.py": blocks["python"][0], "token": agentToken + "\n"} {
		must(t, os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600))
	}
	d.env = append(os.Environ(), "FLOWD_URL="+url, "FLOWD_TOKEN_FILE="+filepath.Join(d.dir, "token"), "TMPDIR="+d.dir)
	return d
}

// build compiles the page's agent in Go, as part of this module.
func (d *pageSandbox) build() {
	d.t.Helper()
	build := exec.CommandContext(d.t.Context(), "go", "build", "-o", filepath.Join(d.dir, "agent"), filepath.Join(d.dir, "main.go"))
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0") // like the other builds, to share their cache
	if out, err := build.CombinedOutput(); err != nil {
		d.t.Fatalf("%v: %s", err, out)
	}
}

// run runs a command in the folder with stdin, and returns its stdout and stderr.
func (d *pageSandbox) run(stdin string, command ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(d.t.Context(), 2*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, command[0], command[1:]...)
	run.Dir, run.Env, run.Stdin = d.dir, d.env, strings.NewReader(stdin)
	var out, errs bytes.Buffer
	run.Stdout, run.Stderr = &out, &errs
	err = run.Run()
	return out.String(), errs.String(), err
}

// TestPageCommands runs the command blocks in order, and compares the output with the page.
func TestPageCommands(t *testing.T) {
	requirePrograms(t, "sh", "curl", "python3", "gzip", "sha256sum", "go")
	server := startFlowd(t, newTokenGate(t))
	d := newPageSandbox(t, server.url)
	d.build()
	for i, block := range pageBlocks(t)["sh"] {
		var commands, want strings.Builder
		for line := range strings.Lines(block) {
			if said, ok := strings.CutPrefix(line, "# "); ok {
				want.WriteString(said)
			} else {
				commands.WriteString(line)
			}
		}
		stdout, stderr, err := d.run("", "sh", "-euc", commands.String())
		if diff := cmp.Diff(want.String(), stdout); diff != "" || err != nil {
			t.Errorf("block %d: %v\n%s(-want +got):\n%s", i+1, err, stderr, diff)
		}
	}
	want := map[flow.Flow]flow.Totals{
		{SrcApp: "web", DestApp: "db", VPCID: "vpc-0", Hour: 482664}:       {BytesTx: 300, BytesRx: 900},
		{SrcApp: "backup", DestApp: "nas", VPCID: "vpc-0", Hour: 482664}:   {BytesTx: 2000, BytesRx: 20},
		{SrcApp: "backup", DestApp: "cloud", VPCID: "vpc-0", Hour: 482664}: {BytesTx: 4000, BytesRx: 40},
	}
	got := map[flow.Flow]flow.Totals{}
	for _, row := range server.rows() {
		addTo(got, row)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// TestPageAgents runs the agents of the page over a flaky network, and holds that each flow counts once.
func TestPageAgents(t *testing.T) {
	requirePrograms(t, "python3", "go")
	const flows = 20_000 // 20 batches
	hour := flow.Hour(time.Now().Unix() / 3600)
	for name, agent := range map[string]struct {
		command []string
		line    string
	}{
		"Go":     {[]string{"./agent"}, "app-%[1]d db vpc-0 %[1]d 3\n"},
		"Python": {[]string{"python3", "agent.py", "spool"}, `{"src_app":"app-%[1]d","dest_app":"db","vpc_id":"vpc-0","bytes_tx":%[1]d,"bytes_rx":3,"hour":` + fmt.Sprint(hour) + "}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			server := startFlowd(t, newTokenGate(t))
			proxy, url := startFlakyProxy(t, server.url, 3)
			d := newPageSandbox(t, url)
			if name == "Go" {
				d.build()
			}
			var lines strings.Builder
			for i := range flows {
				fmt.Fprintf(&lines, agent.line, i)
			}
			if _, stderr, err := d.run(lines.String(), agent.command...); err != nil {
				t.Fatalf("%v: %s", err, stderr)
			}
			checkOnce(t, server, flows)
			if len(proxy.coverage) < 3 {
				t.Errorf("the proxy injected too few faults: %v", proxy.coverage)
			}
			for _, pattern := range []string{"*.batch", "refused/*"} {
				if left, _ := filepath.Glob(filepath.Join(d.dir, "spool", pattern)); len(left) > 0 {
					t.Errorf("the folder still has %q", left)
				}
			}
		})
	}
}

// checkOnce holds that the server has this number of flows, numbered from 0, and that each counts once.
func checkOnce(t *testing.T, server *flowd, flows int) {
	t.Helper()
	rows := server.rows()
	for _, row := range rows {
		if n, err := strconv.Atoi(strings.TrimPrefix(row.SrcApp, "app-")); err != nil || row.BytesTx != uint64(n) || row.BytesRx != 3 {
			t.Errorf("%+v", row)
		}
	}
	if ledger := server.ledger(); len(rows) != flows || ledger.Stored.Flows != uint64(flows) {
		t.Errorf("%d tuples and %d flows, want %d of each", len(rows), ledger.Stored.Flows, flows)
	}
}

// TestPythonAgentIsKilled kills the Python agent in an outage, and holds that the next run continues. A
// batch that the server refuses is moved aside and does not block the others.
func TestPythonAgentIsKilled(t *testing.T) {
	requirePrograms(t, "python3")
	server := startFlowd(t, newTokenGate(t))
	proxy, url := startFlakyProxy(t, server.url, 1)
	proxy.set(1, 1) // 503 to all
	d := newPageSandbox(t, url)
	const flows = 3000
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	agent := exec.CommandContext(ctx, "python3", "agent.py", "spool")
	agent.Dir, agent.Env = d.dir, d.env
	stdin, err := agent.StdinPipe()
	must(t, err)
	must(t, agent.Start())
	for i := range flows {
		_, err := fmt.Fprintf(stdin, `{"src_app":"app-%[1]d","dest_app":"db","vpc_id":"vpc-0","bytes_tx":%[1]d,"bytes_rx":3,"hour":1}`+"\n", i)
		must(t, err)
	}
	for files := 0; files < 3; { // no event tells that another process wrote a file
		names, err := filepath.Glob(filepath.Join(d.dir, "spool", "*.batch"))
		must(t, err)
		files = len(names)
		if ctx.Err() != nil {
			t.Fatalf("the agent stored %d batches", files)
		}
		time.Sleep(5 * time.Millisecond)
	}
	must(t, agent.Process.Kill())
	_ = agent.Wait() // it was killed
	proxy.set(3, 0)
	_, stderr, err := d.run(`{"src_app":"app","dest_app":"db","vpc_id":"test-0","bytes_tx":1,"bytes_rx":3,"hour":1}`+"\n", "python3", "agent.py", "spool")
	must(t, err)
	checkOnce(t, server, flows)
	if set, _ := filepath.Glob(filepath.Join(d.dir, "spool", "refused", "*4 python.*.batch")); len(set) != 1 || !strings.Contains(stderr, "403") {
		t.Errorf("the refused batches are %q; stderr is %s", set, stderr)
	}
}
