package loadtest

import (
	"fmt"
	"io"
	"strings"
)

// WriteText writes c for people.
func (c *CrashReport) WriteText(w io.Writer) error {
	var b strings.Builder
	c.writeSettings(&b)
	fmt.Fprintf(&b, "kills     %d by SIGKILL, %d of them before the server was ready; %s\n", c.Kills, c.EarlyKills, plural(c.Starts, "start"))
	fmt.Fprintf(&b, "ready     %s after a start in the median, from %s to %s\n", seconds(c.Ready.Median), seconds(c.Ready.Min), seconds(c.Ready.Max))
	fmt.Fprintf(&b, "batches   %d answered with 200, %s per second, with %d flows\n", c.Batches, si(c.BatchesPerSecond, ""), c.Flows)
	fmt.Fprintf(&b, "retries   %d for want of a 200; %d of them were answered as duplicates, the batch having counted\n", c.Retries, c.Rescued)
	fmt.Fprintf(&b, "repeats   %d on purpose, %d of them answered as duplicates\n", c.Duplicates, c.Recognised)
	writeErrors(&b, "post", c.Errors)
	if c.Unfinished > 0 {
		fmt.Fprintf(&b, "batches   WRONG: %d were never answered with 200\n", c.Unfinished)
	}
	for _, what := range c.Complaints {
		fmt.Fprintf(&b, "answer    WRONG: %s\n", what)
	}
	writeMore(&b, c.ComplaintCount, len(c.Complaints))
	b.WriteString("\nAfter the last kill:\n")
	c.AfterKills.writeText(&b)
	b.WriteString("After a stop by SIGTERM and a start:\n")
	c.AfterStop.writeText(&b)
	b.WriteString("\n" + c.verdict() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *CrashReport) writeSettings(b *strings.Builder) {
	s := &c.Settings
	fmt.Fprintf(b, "%s for %s: ", plural(s.Agents, "agent"), seconds(c.Elapsed))
	moving := ""
	if s.HourPosts > 0 {
		moving = plural(s.HourPosts, "post")
	}
	s.writeText(b, moving)
	if c.Interrupted {
		fmt.Fprintf(b, "Interrupted before the last of %d kills.\n", s.Kills)
	}
	b.WriteString("\n")
}

// verdict is the last line.
func (c *CrashReport) verdict() string {
	if c.OK {
		return fmt.Sprintf("RIGHT: 0 lost, 0 counted twice over %s", plural(c.Kills, "kill"))
	}
	lost, twice := c.AfterKills.Lost, c.AfterKills.CountedTwice
	if lost == (Amount{}) && twice == (Amount{}) {
		lost, twice = c.AfterStop.Lost, c.AfterStop.CountedTwice
	}
	return fmt.Sprintf("WRONG: lost %v, counted twice %v; wrong are %s, %s of GET /hours and GET /ledger, %s", lost, twice,
		plural(int(c.AfterKills.DifferenceCount+c.AfterStop.DifferenceCount), "total"),
		plural(int(c.AfterKills.BookErrorCount+c.AfterStop.BookErrorCount), "line"),
		plural(int(c.ComplaintCount), "answer"))
}
