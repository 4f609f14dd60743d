package load

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"flowd/loadtest"
)

// WriteText writes r for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	r.writeSettings(&b)
	r.writeTable(&b)
	r.writeLateness(&b)
	loadtest.WriteErrors(&b, "post", r.Writes.Errors)
	loadtest.WriteErrors(&b, "read", r.Reads.Errors)
	r.writeUsage(&b)
	writeFootprints(&b, r.Footprints)
	r.Verification.AppendText(&b)
	return loadtest.WriteColumns(w, b.String())
}

func (r *Report) writeSettings(b *strings.Builder) {
	s := &r.Settings
	fmt.Fprintf(b, "%s for %s: %s, ", s.Target, loadtest.Seconds(r.Elapsed), loadtest.Plural(s.Connections, "connection"))
	moving := ""
	if s.HourEvery > 0 {
		moving = loadtest.Seconds(s.HourEvery)
	}
	s.AppendText(b, moving)
	if s.PostsPerSecond > 0 {
		fmt.Fprintf(b, "Open loop at %v posts/s: latencies count from when a request was due. Nothing is sent twice.\n", s.PostsPerSecond)
	} else {
		b.WriteString("Closed loop: each connection sends when its last answer came, so the server sets the pace and\n" +
			"latencies leave out the waiting in front of it; for those give --rate. Nothing is sent twice.\n")
	}
	if r.Interrupted {
		fmt.Fprintf(b, "Interrupted before the end of %s.\n", loadtest.Seconds(s.For))
	}
}

func (r *Report) writeTable(b *strings.Builder) {
	b.WriteString("\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tanswered 200\tper second\tflows/s\tbytes/s\tp50\tp90\tp99\tp99.9\tmax\t")
	row := func(name, flows string, s *Side) {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t", name, s.OK, loadtest.SI(s.PerSecond, ""), flows, loadtest.SI(s.BytesPerSecond, "B"))
		for _, v := range []float64{s.Latency.P50, s.Latency.P90, s.Latency.P99, s.Latency.P999, s.Latency.Max} {
			if s.OK == 0 {
				fmt.Fprint(t, "-\t")
				continue
			}
			fmt.Fprintf(t, "%s\t", loadtest.Seconds(v))
		}
		fmt.Fprintln(t)
	}
	row("posts", loadtest.SI(r.Writes.FlowsPerSecond, ""), &r.Writes)
	if r.Settings.ReadShare > 0 {
		row("reads", "", &r.Reads)
	}
	// The builder takes all that is written to it.
	_ = t.Flush()
	b.WriteString("\n")
}

func (r *Report) writeLateness(b *strings.Builder) {
	if r.Late > 0 {
		fmt.Fprintf(b, "late\t%d of %d requests left over 1 ms after they were due\n", r.Late, r.Due)
	}
	if r.Unsent > 0 {
		fmt.Fprintf(b, "unsent\t%d of %d requests still waited for a connection at the end: this rate was not reached\n", r.Unsent, r.Due)
	}
}

func (r *Report) writeUsage(b *strings.Builder) {
	if u := r.Server; u != nil {
		fmt.Fprintf(b, "server\t%s (process %d): %.2f cores", u.Name, u.PID, u.Cores)
		if u.FlowsPerCoreSecond > 0 {
			fmt.Fprintf(b, ", %s flows/s per core", loadtest.SI(u.FlowsPerCoreSecond, ""))
		}
		fmt.Fprintf(b, ", %s of memory, %s at its highest since it started\n", loadtest.SI(float64(u.RSS), "B"), loadtest.SI(float64(u.PeakRSS), "B"))
	} else {
		fmt.Fprintf(b, "server\tunseen: %s\n", r.ServerUnseen)
	}
	if u := r.Client; u != nil {
		fmt.Fprintf(b, "client\t%.2f cores, %s of memory\n", u.Cores, loadtest.SI(float64(u.RSS), "B"))
	}
}
