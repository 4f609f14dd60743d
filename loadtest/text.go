package loadtest

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteText writes r for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	r.writeSettings(&b)
	r.writeTable(&b)
	r.writeLateness(&b)
	writeErrors(&b, "post", r.Writes.Errors)
	writeErrors(&b, "read", r.Reads.Errors)
	r.writeUsage(&b)
	r.writeVerification(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeSettings(b *strings.Builder) {
	s := &r.Settings
	fmt.Fprintf(b, "%s for %s: %s, %s per POST as %s", s.Target, seconds(r.Elapsed),
		plural(s.Connections, "connection"), plural(s.FlowsPerPost, "flow"), s.ContentType)
	if s.Encoding != Plain {
		fmt.Fprintf(b, " in %s", s.Encoding)
	}
	fmt.Fprintf(b, "\n%s (%s", plural(s.Tuples, "tuple"), s.Skew)
	if s.Skew == Zipf {
		fmt.Fprintf(b, " %v", s.ZipfS)
	}
	fmt.Fprintf(b, ") in %s from %d on, seed %d\n", plural(s.Hours, "hour"), s.FirstHour, s.Seed)
	if s.PostsPerSecond > 0 {
		fmt.Fprintf(b, "Open loop at %v posts/s: latencies count from when a request was due. Nothing is sent twice.\n", s.PostsPerSecond)
	} else {
		b.WriteString("Closed loop: each connection sends when its last answer came, so the server sets the pace and\n" +
			"latencies leave out the waiting in front of it; for those give --rate. Nothing is sent twice.\n")
	}
	if r.Interrupted {
		fmt.Fprintf(b, "Interrupted before the end of %s.\n", seconds(s.For))
	}
}

func (r *Report) writeTable(b *strings.Builder) {
	b.WriteString("\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tanswered 200\tper second\tflows/s\tbytes/s\tp50\tp90\tp99\tp99.9\tmax\t")
	row := func(name, flows string, s *Side) {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t", name, s.OK, si(s.PerSecond, ""), flows, si(s.BytesPerSecond, "B"))
		for _, v := range []float64{s.Latency.P50, s.Latency.P90, s.Latency.P99, s.Latency.P999, s.Latency.Max} {
			if s.OK == 0 {
				fmt.Fprint(t, "-\t")
				continue
			}
			fmt.Fprintf(t, "%s\t", seconds(v))
		}
		fmt.Fprintln(t)
	}
	row("posts", si(r.Writes.FlowsPerSecond, ""), &r.Writes)
	if r.Settings.ReadShare > 0 {
		row("reads", "", &r.Reads)
	}
	// The builder takes all that is written to it.
	_ = t.Flush()
	b.WriteString("\n")
}

func (r *Report) writeLateness(b *strings.Builder) {
	if r.Late > 0 {
		fmt.Fprintf(b, "late      %d of %d requests left over 1 ms after they were due\n", r.Late, r.Due)
	}
	if r.Unsent > 0 {
		fmt.Fprintf(b, "unsent    %d of %d requests still waited for a connection at the end: this rate was not reached\n", r.Unsent, r.Due)
	}
}

func writeErrors(b *strings.Builder, what string, errors []ErrorCount) {
	for _, e := range errors {
		fmt.Fprintf(b, "failed    %s: %s, such as: %s\n", plural(int(e.Count), what), e.name(), oneLine(e.Example))
	}
}

// name is the status, or the kind of failure.
func (e *ErrorCount) name() string {
	if e.Status != 0 {
		return fmt.Sprintf("status %d", e.Status)
	}
	return e.Kind
}

func (r *Report) writeUsage(b *strings.Builder) {
	if u := r.Server; u != nil {
		fmt.Fprintf(b, "server    %s (process %d): %.2f cores", u.Name, u.PID, u.Cores)
		if u.FlowsPerCoreSecond > 0 {
			fmt.Fprintf(b, ", %s flows/s per core", si(u.FlowsPerCoreSecond, ""))
		}
		fmt.Fprintf(b, ", %s of memory, %s at its highest since it started\n", si(float64(u.RSS), "B"), si(float64(u.PeakRSS), "B"))
	} else {
		fmt.Fprintf(b, "server    unseen: %s\n", r.ServerUnseen)
	}
	if u := r.Client; u != nil {
		fmt.Fprintf(b, "client    %.2f cores, %s of memory\n", u.Cores, si(float64(u.RSS), "B"))
	}
}

func (r *Report) writeVerification(b *strings.Builder) {
	v := r.Verification
	if v == nil {
		b.WriteString("totals    not verified\n")
		return
	}
	compared := fmt.Sprintf("%s in %s", plural(int(v.Tuples), "total"), plural(v.Hours, "hour"))
	if v.OK {
		fmt.Fprintf(b, "totals    right: %s read back, each is what was answered with 200\n", compared)
	} else {
		fmt.Fprintf(b, "totals    WRONG: %d of %s differ from what was answered with 200\n", v.DifferenceCount, compared)
	}
	if v.Unanswered > 0 {
		fmt.Fprintf(b, "          %s had no answer: their flows may count or not\n", plural(int(v.Unanswered), "post"))
	}
	if v.Miscounted > 0 {
		fmt.Fprintf(b, "          %s answered with another number of flows than sent\n", plural(int(v.Miscounted), "post"))
	}
	for _, d := range v.Differences {
		fmt.Fprintf(b, "          %s\n", d.What)
	}
	if more := v.DifferenceCount - uint64(len(v.Differences)); more > 0 {
		fmt.Fprintf(b, "          and %d more\n", more)
	}
}

// seconds writes a time with three digits.
func seconds(s float64) string {
	switch {
	case s >= 59.95:
		return time.Duration(s * float64(time.Second)).Round(time.Second).String()
	case s >= 0.9995:
		return threeDigits(s) + "s"
	case s >= 0.9995e-3:
		return threeDigits(s*1e3) + "ms"
	}
	return threeDigits(s*1e6) + "µs"
}

// si writes a number with three digits, a prefix and a unit, which may be empty: "12.3 MB".
func si(v float64, unit string) string {
	prefix := ""
	for _, p := range siPrefixes {
		if v >= p.factor*0.9995 {
			v, prefix = v/p.factor, p.prefix
			break
		}
	}
	return strings.TrimSuffix(threeDigits(v)+" "+prefix+unit, " ")
}

var siPrefixes = []struct {
	factor float64
	prefix string
}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}}

func threeDigits(v float64) string {
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// oneLine keeps what an answer said from breaking the lines of a report.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
