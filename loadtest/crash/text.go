package crash

import (
	"fmt"
	"io"
	"strings"

	"flowd/loadtest"
	"flowd/loadtest/verify"
)

// WriteText writes c for people.
func (c *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	c.writeSettings(&b)
	fmt.Fprintf(&b, "kills\t%d by SIGKILL, %d of them before the server was ready; %s\n", c.Kills, c.EarlyKills, loadtest.Plural(c.Starts, "start"))
	fmt.Fprintf(&b, "ready\t%s after a start in the median, from %s to %s\n", loadtest.Seconds(c.Ready.Median), loadtest.Seconds(c.Ready.Min), loadtest.Seconds(c.Ready.Max))
	fmt.Fprintf(&b, "batches\t%d answered with 200, %s per second, with %d flows\n", c.Batches, loadtest.SI(c.BatchesPerSecond, ""), c.Flows)
	fmt.Fprintf(&b, "retries\t%d for want of a 200; %d of them were answered as duplicates, the batch having counted\n", c.Retries, c.Rescued)
	fmt.Fprintf(&b, "repeats\t%d on purpose, %d of them answered as duplicates\n", c.Duplicates, c.Recognised)
	loadtest.WriteErrors(&b, "post", c.Errors)
	if c.Unfinished > 0 {
		fmt.Fprintf(&b, "batches\tWRONG: %d were never answered with 200\n", c.Unfinished)
	}
	for _, what := range c.Complaints {
		fmt.Fprintf(&b, "answer\tWRONG: %s\n", what)
	}
	verify.AppendMore(&b, c.ComplaintCount, len(c.Complaints))
	b.WriteString("\nAfter the last kill:\n")
	c.AfterKills.AppendText(&b)
	b.WriteString("After a stop by SIGTERM and a start:\n")
	c.AfterStop.AppendText(&b)
	b.WriteString("\n" + c.verdict() + "\n")
	return loadtest.WriteColumns(w, b.String())
}

func (c *Report) writeSettings(b *strings.Builder) {
	s := &c.Settings
	fmt.Fprintf(b, "%s for %s: ", loadtest.Plural(s.Agents, "agent"), loadtest.Seconds(c.Elapsed))
	moving := ""
	if s.HourPosts > 0 {
		moving = loadtest.Plural(s.HourPosts, "post")
	}
	s.AppendText(b, moving)
	if c.Interrupted {
		fmt.Fprintf(b, "Interrupted before the last of %d kills.\n", s.Kills)
	}
	b.WriteString("\n")
}

// verdict is the last line.
func (c *Report) verdict() string {
	if c.OK {
		return fmt.Sprintf("RIGHT: 0 lost, 0 counted twice over %s", loadtest.Plural(c.Kills, "kill"))
	}
	lost, twice := c.AfterKills.Lost, c.AfterKills.CountedTwice
	if lost == (verify.Amount{}) && twice == (verify.Amount{}) {
		lost, twice = c.AfterStop.Lost, c.AfterStop.CountedTwice
	}
	return fmt.Sprintf("WRONG: lost %v, counted twice %v; wrong are %s, %s of GET /hours and GET /ledger, %s", lost, twice,
		loadtest.Plural(int(c.AfterKills.DifferenceCount+c.AfterStop.DifferenceCount), "total"),
		loadtest.Plural(int(c.AfterKills.TotalsErrorCount+c.AfterStop.TotalsErrorCount), "line"),
		loadtest.Plural(int(c.ComplaintCount), "answer"))
}
