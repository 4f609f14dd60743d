package loadtest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/goccy/go-json"
)

// rightCrash is a report of a crash test in which nothing went wrong.
func rightCrash() *CrashReport {
	fine := &Verification{OK: true, Hours: 9, Tuples: 4500, Differences: []Difference{}, BookErrors: []string{}}
	return &CrashReport{
		Settings: CrashSettings{
			Agents: 4, HourPosts: 500, Duplicates: 0.2, Kills: 20, KillEvery: 0.3,
			WorkloadSettings: WorkloadSettings{
				FlowsPerPost: 20, Tuples: 500, FirstHour: 482659, Hours: 1, Skew: Uniform, Seed: 1,
				ContentType: "application/json", Encoding: Plain,
			},
		},
		Started: time.Date(2025, 1, 23, 19, 30, 0, 0, time.UTC), Elapsed: 8.2,
		Kills: 20, EarlyKills: 6, Starts: 22, Ready: Spread{0.012, 0.031, 0.08},
		Batches: 12345, BatchesPerSecond: 1505.5, Flows: 246_900, Retries: 130, Rescued: 45,
		Duplicates: 2469, Recognised: 2469,
		Errors:     []ErrorCount{{Kind: failedConnect, Count: 80, Example: "connection refused"}},
		Complaints: []string{}, AfterKills: fine, AfterStop: fine, OK: true,
	}
}

func wrongCrash() *CrashReport {
	c := rightCrash()
	c.OK, c.Interrupted, c.Kills, c.Unfinished, c.Recognised = false, true, 7, 1, 2468
	c.Settings.HourPosts, c.Settings.Skew, c.Settings.ZipfS, c.Settings.Encoding = 0, Zipf, 1.1, Gzip
	c.ComplaintCount, c.Complaints = 2, []string{"batch crash-1-0 7 was sent again after a 200, and answered as if it were new"}
	c.AfterKills = wrongReport().Verification
	return c
}

func TestCrashReport(t *testing.T) {
	for name, c := range map[string]*CrashReport{"right-crash": rightCrash(), "wrong-crash": wrongCrash()} {
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
