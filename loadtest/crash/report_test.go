package crash

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"flowd/loadtest"
	"flowd/loadtest/verify"

	"github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"
)

// rightCrash is a report of a crash test in which nothing went wrong.
func rightCrash() *Report {
	fine := &verify.Verification{OK: true, Hours: 9, Tuples: 4500, Differences: []verify.Difference{}, TotalsErrors: []string{}}
	return &Report{
		Settings: Settings{
			Agents: 4, HourPosts: 500, Duplicates: 0.2, Kills: 20, KillEvery: 0.3,
			WorkloadSettings: loadtest.WorkloadSettings{
				FlowsPerPost: 20, Tuples: 500, FirstHour: 482659, Hours: 1, Skew: loadtest.Uniform, Seed: 1,
				ContentType: "application/json", Encoding: loadtest.Plain,
			},
		},
		Started: time.Date(2025, 1, 23, 19, 30, 0, 0, time.UTC), Elapsed: 8.2,
		Kills: 20, EarlyKills: 6, Starts: 22, Ready: Spread{0.012, 0.031, 0.08},
		Batches: 12345, BatchesPerSecond: 1505.5, Flows: 246_900, Retries: 130, Rescued: 45,
		Duplicates: 2469, Recognised: 2469,
		Errors:     []loadtest.ErrorCount{{Kind: "connect", Count: 80, Example: "connection refused"}},
		Complaints: []string{}, AfterKills: fine, AfterStop: fine, OK: true,
	}
}

// wrongVerification finds all that a verification can find.
func wrongVerification() *verify.Verification {
	return &verify.Verification{
		Hours: 24, Tuples: 240_000, Unanswered: 2, Miscounted: 1, DifferenceCount: 21,
		Differences: []verify.Difference{
			{Hour: 482659, SrcApp: "cart-1", DestApp: "web-2", VPCID: "vpc-0",
				Has: verify.Bytes{Tx: 1, Rx: 2}, Least: verify.Bytes{Tx: 3, Rx: 4}, Most: verify.Bytes{Tx: 3, Rx: 4},
				What: "hour 482659, cart-1 to web-2 in vpc-0 differs: the server has tx 1 rx 2, it was given tx 3 rx 4"},
		},
		ExpiredHours: 3, Expired: amount(300, 3000, 4000), Lost: amount(1, 2, 2), CountedTwice: amount(0, 0, 7),
		TotalsErrorCount: 1, TotalsErrors: []string{"the ledger says of itself that it is not balanced"},
	}
}

func amount(flows, tx, rx uint64) verify.Amount {
	return verify.Amount{Flows: flows, Bytes: verify.Bytes{Tx: tx, Rx: rx}}
}

func wrongCrash() *Report {
	c := rightCrash()
	c.OK, c.Interrupted, c.Kills, c.Unfinished, c.Recognised = false, true, 7, 1, 2468
	c.Settings.HourPosts, c.Settings.Skew, c.Settings.ZipfS, c.Settings.Encoding = 0, loadtest.Zipf, 1.1, loadtest.Gzip
	c.ComplaintCount, c.Complaints = 2, []string{"batch crash-1-0 7 was sent again after a 200, and answered as if it were new"}
	c.AfterKills = wrongVerification()
	return c
}

func TestCrashReport(t *testing.T) {
	for name, c := range map[string]*Report{"right-crash": rightCrash(), "wrong-crash": wrongCrash()} {
		var b bytes.Buffer
		if err := c.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", b.Bytes())
		text, err := json.MarshalIndent(c, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", append(text, '\n'))
	}
	if err := rightCrash().WriteText(failing{}); !errors.Is(err, errNoRoom) {
		t.Errorf("error %v", err)
	}
}

// update is the flag that has the golden files written anew.
var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "report", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant, run the test with -update:\n%s", path, diff)
	}
}

// failing is a writer without room.
type failing struct{}

var errNoRoom = errors.New("no room")

func (failing) Write([]byte) (int, error) { return 0, errNoRoom }
