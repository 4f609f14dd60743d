package client

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowd/flow"
)

// asAgent names the variable that makes the test binary run as an agent with this folder.
const asAgent = "FLOWD_TEST_AS_AGENT"

const (
	childServer = "FLOWD_TEST_SERVER"
	childFirst  = "FLOWD_TEST_FIRST"
)

// childOptions returns the options of the agent that is killed, and of the client that continues with
// its folder.
func childOptions(dir, url string) Options {
	o := DefaultOptions()
	o.Dir, o.URL, o.Agent = dir, url, "child"
	o.WhenFull, o.Encoding = Wait, Zstandard
	o.BatchFlows, o.Connections, o.minBackoff, o.MaxBackoff = 7, 4, time.Millisecond, time.Second
	return o
}

// agentMain is the agent: it adds flows with ascending numbers, and writes a line each time Save
// succeeds, with the number below which all flows are saved. It runs until it is killed.
func agentMain(dir string) int {
	first, err := strconv.Atoi(os.Getenv(childFirst))
	if err != nil {
		return 1
	}
	c, err := New(childOptions(dir, os.Getenv(childServer)))
	if err == nil {
		err = c.Open()
	}
	for n := first; err == nil; n++ {
		f := countedFlow(n)
		if err = c.Add(&f); err == nil && n%11 == 0 {
			if err = c.Save(); err == nil {
				_, err = fmt.Println(n + 1)
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func countedFlow(n int) flow.Flow {
	return flow.Flow{SrcApp: strconv.Itoa(n), DestApp: "db", VPCID: "vpc-0", BytesTx: uint64(n), BytesRx: 1, Hour: 7}
}

// TestKilledAgent kills an agent at random moments while the network and the server fail too. It holds
// that no saved flow is lost, and no flow counts twice.
func TestKilledAgent(t *testing.T) {
	server := startFlowd(t, nil)
	proxy, url := startFlakyProxy(t, server.url, 5)
	dir := t.TempDir()
	const (
		kills  = 12
		stride = 1_000_000 // between the first flows of two agents
	)
	var saved [kills]int // below this number all flows are saved
	for kill := range kills {
		saved[kill] = runAgent(t, dir, url, kill*stride+1, 1+proxy.random(40))
	}
	c := open(t, childOptions(dir, url))
	mustClose(t, c)
	if stats := checkBalance(t, c); stats.Refused.Batches+stats.InDoubt.Batches+stats.Dropped.Batches+stats.Damaged.Batches > 0 {
		t.Errorf("%+v", stats)
	}
	counted := map[int]bool{}
	for _, row := range server.rows() {
		n, err := strconv.Atoi(row.SrcApp)
		if want := countedFlow(n); err != nil || row != want {
			t.Errorf("the server has %+v, want %+v", row, want)
		}
		counted[n] = true
	}
	for kill := range kills {
		for n := kill*stride + 1; n < saved[kill]; n++ {
			if !counted[n] {
				t.Errorf("flow %d does not count, though all before %d were saved", n, saved[kill])
			}
		}
	}
	ledger := server.ledger()
	if ledger.Stored.Flows != uint64(len(counted)) {
		t.Errorf("the server stored %d flows of %d tuples", ledger.Stored.Flows, len(counted))
	}
	t.Logf("%d flows, %d duplicates", ledger.Stored.Flows, ledger.Duplicate.Flows)
}

// runAgent runs an agent until it has written this number of lines, kills it, and returns the number in
// its last line.
func runAgent(t *testing.T, dir, url string, first, lines int) (saved int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), asAgent+"="+dir, childServer+"="+url, childFirst+"="+strconv.Itoa(first))
	var stderr strings.Builder
	child.Stderr = &stderr
	stdout, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	saved = first
	scanner := bufio.NewScanner(stdout)
	for read := 0; scanner.Scan(); read++ {
		if saved, err = strconv.Atoi(scanner.Text()); err != nil {
			t.Fatalf("the agent wrote %q", scanner.Text())
		}
		if read == lines {
			must(t, child.Process.Kill()) // its output so far is still read
		}
	}
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "signal: killed") || ctx.Err() != nil {
		t.Fatalf("the agent was not killed, or wrote too few lines in time: %v: %s", err, &stderr)
	}
	return saved
}
