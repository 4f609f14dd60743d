package load

import (
	"os"
	"time"

	"flowd/loadtest"
	"flowd/loadtest/process"
	"flowd/loadtest/verify"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is the result of a run. Times are in seconds, sizes in bytes.
type Report struct {
	Settings Settings  `json:"settings"`
	Started  time.Time `json:"started"`
	// Elapsed is how long requests were sent, or until the last answer if that took longer.
	Elapsed float64 `json:"elapsed_seconds"`
	// Interrupted is true if the run was ended before its time.
	Interrupted bool `json:"interrupted"`
	// Due counts the requests that were due, 0 in a closed loop. Late are those sent more than a
	// millisecond after they were due, as all connections were busy. Unsent are those that were
	// still waiting for a connection at the end.
	Due    uint64 `json:"due_requests"`
	Late   uint64 `json:"late_requests"`
	Unsent uint64 `json:"unsent_requests"`
	Writes Side   `json:"writes"`
	Reads  Side   `json:"reads"`
	// Server and Client are what the two processes used. Server is nil where it cannot be
	// seen, and ServerUnseen says why.
	Server       *Usage `json:"server"`
	ServerUnseen string `json:"server_unseen,omitempty"`
	Client       *Usage `json:"client"`
	// Footprints are what the server took over the time of the load, if the folder of its data was
	// given: at first one each second, and never more than some hundred.
	Footprints []Footprint `json:"footprints,omitempty"`
	// Verification is nil if none was asked for.
	Verification *verify.Verification `json:"verification"`
}

// Settings repeats what was asked for.
type Settings struct {
	Target      string `json:"target"`
	Connections int    `json:"connections"`
	loadtest.WorkloadSettings
	// HourEvery is after how many seconds the hours move on by one; 0 is never.
	HourEvery float64 `json:"hour_every_seconds,omitempty"`
	// PostsPerSecond is the rate asked for; 0 is a closed loop.
	PostsPerSecond float64 `json:"posts_per_second"`
	ReadShare      float64 `json:"read_share"`
	For            float64 `json:"for_seconds"`
}

// Side is the writes, or the reads.
type Side struct {
	// Requests were sent, of which OK were answered with 200. All that follows is of those.
	Requests  uint64  `json:"requests"`
	OK        uint64  `json:"ok"`
	PerSecond float64 `json:"ok_per_second"`
	// Flows are those in the posts; reads have 0.
	Flows          uint64  `json:"flows"`
	FlowsPerSecond float64 `json:"flows_per_second"`
	// Bytes is the size of the bodies that went to the server with writes, as they were sent,
	// and that came from it with reads.
	Bytes          uint64  `json:"bytes"`
	BytesPerSecond float64 `json:"bytes_per_second"`
	// Latency counts from when a request was due, in a closed loop from when it was sent.
	Latency Latency `json:"latency_seconds"`
	// Errors is how the other requests ended.
	Errors []loadtest.ErrorCount `json:"errors"`
}

// Latency is percentiles in seconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// Usage is what a process used between the first request and the last answer.
type Usage struct {
	PID        int     `json:"pid"`
	Name       string  `json:"name"`
	CPUSeconds float64 `json:"cpu_seconds"`
	// Cores is CPU seconds per second.
	Cores float64 `json:"cores"`
	// FlowsPerCoreSecond is the flows answered with 200 per second of CPU, 0 where the time
	// was too short to be measured.
	FlowsPerCoreSecond float64 `json:"flows_per_core_second"`
	// RSS is the memory at the end, PeakRSS the most since the process started.
	RSS     uint64 `json:"rss_bytes"`
	PeakRSS uint64 `json:"peak_rss_bytes"`
}

func (l *load) report(elapsed time.Duration, interrupted bool, use func(*Report)) *Report {
	if l.Rate > 0 && !interrupted {
		// The last request is due one interval before the end, which belongs to the time too.
		elapsed = max(elapsed, l.For)
	}
	writes, reads, late := l.totals()
	r := &Report{
		Settings: l.settings(), Started: l.start, Elapsed: elapsed.Seconds(), Interrupted: interrupted,
		Due: l.pacer.DueBefore(min(elapsed, l.For)), Late: late,
		Writes: writes.side(elapsed), Reads: reads.side(elapsed),
	}
	if sent := writes.requests() + reads.requests(); r.Due > sent {
		r.Unsent = r.Due - sent
	}
	use(r)
	return r
}

// totals adds up what the recorders have so far.
func (l *load) totals() (writes, reads tally, late uint64) {
	writes, reads = newTally(), newTally()
	for _, rec := range l.recorders {
		rec.mu.Lock()
		writes.merge(&rec.writes)
		reads.merge(&rec.reads)
		late += rec.late
		rec.mu.Unlock()
	}
	return writes, reads, late
}

func (l *load) settings() Settings {
	return Settings{
		Target: l.Target, Connections: l.Connections, WorkloadSettings: l.Workload.Settings(l.Format, l.Encoding),
		HourEvery: l.HourEvery.Seconds(), PostsPerSecond: l.Rate, ReadShare: l.Options.Reads, For: l.For.Seconds(),
	}
}

func (t *tally) side(elapsed time.Duration) Side {
	seconds := elapsed.Seconds()
	return Side{
		Requests: t.requests(), OK: t.ok, PerSecond: float64(t.ok) / seconds,
		Flows: t.flows, FlowsPerSecond: float64(t.flows) / seconds,
		Bytes: t.bytes, BytesPerSecond: float64(t.bytes) / seconds,
		Latency: latencyOf(t.latency), Errors: t.List(),
	}
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(percentile float64) float64 {
		return (time.Duration(h.ValueAtPercentile(percentile)) * latencyUnit).Seconds()
	}
	return Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: at(100)}
}

// watchProcesses notes what server and client have used so far, and returns a function that
// enters into a report what they used since.
func (l *load) watchProcesses() func(*Report) {
	self := os.Getpid()
	clientBefore, clientErr := process.Read(self)
	pid, serverErr := l.serverPID()
	var serverBefore process.Usage
	if serverErr == nil {
		serverBefore, serverErr = process.Read(pid)
	}
	return func(r *Report) {
		if clientErr == nil {
			r.Client, _ = usageSince(self, clientBefore, r)
		}
		if serverErr == nil {
			r.Server, serverErr = usageSince(pid, serverBefore, r)
		}
		if serverErr != nil {
			r.ServerUnseen = serverErr.Error()
		}
	}
}

func usageSince(pid int, before process.Usage, r *Report) (*Usage, error) {
	now, err := process.Read(pid)
	if err != nil {
		return nil, err
	}
	cpu := (now.CPU - before.CPU).Seconds()
	u := &Usage{PID: pid, Name: now.Name, CPUSeconds: cpu, Cores: cpu / r.Elapsed, RSS: now.RSS, PeakRSS: now.PeakRSS}
	if cpu > 0 {
		u.FlowsPerCoreSecond = float64(r.Writes.Flows) / cpu
	}
	return u, nil
}
