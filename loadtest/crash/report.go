package crash

import (
	"slices"
	"time"

	"flowd/loadtest"
	"flowd/loadtest/verify"
)

// Report is the result of a crash test. Times are in seconds, sizes in bytes.
type Report struct {
	Settings Settings  `json:"settings"`
	Started  time.Time `json:"started"`
	// Elapsed is how long the agents sent.
	Elapsed float64 `json:"elapsed_seconds"`
	// Interrupted is true if the run was ended before its last kill.
	Interrupted bool `json:"interrupted"`
	// Kills by SIGKILL; EarlyKills of them came before the server was ready. Starts are all of the
	// server, with those before the first kill and after the stop by SIGTERM.
	Kills      int `json:"kills"`
	EarlyKills int `json:"early_kills"`
	Starts     int `json:"starts"`
	// Ready is how long it took from a start until the server was ready, where it came to that.
	Ready Spread `json:"ready_seconds"`
	// Batches were answered with 200, with Flows in them, each counted once.
	Batches          uint64  `json:"batches"`
	BatchesPerSecond float64 `json:"batches_per_second"`
	Flows            uint64  `json:"flows"`
	// Unfinished batches were never answered with 200: the server refused them, or time was up.
	Unfinished uint64 `json:"unfinished_batches"`
	// Retries are posts sent again for want of a 200, and Rescued those of them that were answered
	// as duplicates: the batch had counted, and only the answer was lost.
	Retries uint64 `json:"retries"`
	Rescued uint64 `json:"rescued"`
	// Duplicates are batches sent once more on purpose, and Recognised those answered so.
	Duplicates uint64 `json:"duplicates"`
	Recognised uint64 `json:"recognised_duplicates"`
	// Errors is how posts ended that were not answered with 200, killed servers included.
	Errors []loadtest.ErrorCount `json:"errors"`
	// ComplaintCount counts answers that cannot be right, and Complaints are the first of them.
	ComplaintCount uint64   `json:"complaint_count"`
	Complaints     []string `json:"complaints"`
	// AfterKills is the comparison after the last kill, AfterStop the one after a stop by SIGTERM
	// and a start.
	AfterKills *verify.Verification `json:"after_kills"`
	AfterStop  *verify.Verification `json:"after_stop"`
	// OK is true if nothing was lost or counted twice, every batch was answered with 200, and no
	// answer was wrong.
	OK bool `json:"ok"`
}

// Settings repeats what was asked for.
type Settings struct {
	Agents int `json:"agents"`
	loadtest.WorkloadSettings
	// HourPosts is after how many batches the hours move on by one; 0 is never.
	HourPosts  int     `json:"hour_posts,omitempty"`
	Duplicates float64 `json:"duplicate_share"`
	Kills      int     `json:"kills"`
	KillEvery  float64 `json:"kill_every_seconds"`
}

// Spread is the least, the middle and the most of some values.
type Spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

func spreadOf(values []time.Duration) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Spread{sorted[0].Seconds(), sorted[len(sorted)/2].Seconds(), sorted[len(sorted)-1].Seconds()}
}

// report is what is known when the agents have finished.
func (r *testRun) report(elapsed time.Duration, interrupted bool) *Report {
	return &Report{
		Settings: r.settings(), Started: r.start, Elapsed: elapsed.Seconds(), Interrupted: interrupted,
		Kills: r.kills, EarlyKills: r.early,
		Batches: r.batches.Load(), BatchesPerSecond: float64(r.batches.Load()) / elapsed.Seconds(), Flows: r.flows.Load(),
		Unfinished: r.unfinished.Load(), Retries: r.retries.Load(), Rescued: r.rescued.Load(),
		Duplicates: r.duplicates.Load(), Recognised: r.recognised.Load(),
		Errors: r.errors.List(), ComplaintCount: r.complaintCount, Complaints: r.complaints,
	}
}

// judge completes the report when all comparisons are made.
func (c *Report) judge(r *testRun) {
	c.Starts, c.Ready = r.server.starts, spreadOf(r.server.recoveries)
	c.OK = c.AfterKills.OK && c.AfterStop.OK && c.ComplaintCount == 0 &&
		c.Unfinished == 0 && c.Recognised == c.Duplicates
}

func (r *testRun) settings() Settings {
	return Settings{
		Agents: r.Agents, WorkloadSettings: r.Workload.Settings(r.Format, r.Encoding), HourPosts: r.HourPosts,
		Duplicates: r.Duplicates, Kills: r.Kills, KillEvery: r.KillEvery.Seconds(),
	}
}
