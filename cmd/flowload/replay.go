package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"flowd/loadtest"
	"flowd/loadtest/flowfile"
	"flowd/loadtest/replay"
)

// replayCmd is `flowload replay`.
type replayCmd struct {
	Files  []string `arg:"" name:"file" type:"existingfile" help:"Files of flows, plain or gzip; - is standard input."`
	Target string   `default:"http://127.0.0.1:8080" placeholder:"URL" help:"The server (${default})."`
	tokenFlags
	VPC         string        `name:"vpc" placeholder:"NAME" help:"The vpc_id of records that name none."`
	Format      string        `default:"auto" enum:"auto,zeek,zeek-json,vpc,ndjson,csv" help:"What the records are: auto, zeek, zeek-json, vpc, ndjson or csv (${default})."`
	Flows       int           `default:"1000" help:"Flows per POST (${default})."`
	Connections int           `default:"4" help:"Connections, each with one request under way, up to 64 (${default})."`
	Timeout     time.Duration `default:"30s" help:"How long a request may take (${default})."`
	Strict      bool          `help:"Take it for a failure, with exit code 3, if any record is skipped."`
	Attempts    int           `default:"8" help:"How often a POST is tried, and how many may fail in a row, before that is the end (${default})."`

	// stdin is what - stands for; nil for the process's own. Tests put another in its place.
	stdin io.Reader `kong:"-"`
}

// Help is what --help says beyond the flags.
func (c *replayCmd) Help() string {
	return `Reads Zeek conn.log (TSV or JSON), AWS VPC Flow Logs (version 2 in its default order, or with a header line), and
this program's own fields as NDJSON, a JSON array or CSV with a header line. The format is found out for each file.
The hour of a flow is that of its record's time. Connections become originator to responder with the bytes of each
side; a VPC Flow Log record is bytes sent from srcaddr to dstaddr. Byte counts that a log leaves unset are 0. Records
that cannot be used are skipped and counted; the three most frequent reasons are printed, each with the place of its first
record.

The POSTs are numbered (Flowd-Agent, Flowd-Seq), so one that finds no server, has no answer, or is put off (429, 503) is
sent again, after as long as Retry-After asks, and counts once. To replay a file a second time counts it twice.

An interrupt ends the reading; requests under way are finished. A second one ends at once.

Exit codes: 0 all flows that were read are stored, 1 they are not or a file could not be read to its end, 2 wrong usage, 3
there was a file without a single usable record, or, with --strict, any record was skipped.`
}

// errNotStored ends a command whose summary already says what is missing.
var errNotStored = errors.New("not all flows are stored")

// Run sends the files and prints what came of it.
func (c *replayCmd) Run(e *env) error {
	format := flowfile.Format(c.Format)
	if c.Format == "auto" {
		format = flowfile.Auto
	}
	src := &fileSource{
		names:   c.Files,
		opts:    flowfile.Options{Format: format, VPC: c.VPC},
		stdin:   c.stdin,
		readBar: newReadBar(e.progress(), c.Files),
	}
	if src.stdin == nil {
		src.stdin = os.Stdin
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	begin := time.Now()
	result, err := replay.Run(e.ctx, src, replay.Options{
		Target: c.Target, Token: token, FlowsPerPost: c.Flows, Connections: c.Connections, Timeout: c.Timeout, Attempts: c.Attempts,
	})
	src.close(false)
	src.readBar.clear()
	var invalid *loadtest.InvalidError
	if errors.As(err, &invalid) {
		return err
	}
	if e.ctx.Err() != nil && errors.Is(err, e.ctx.Err()) {
		err = errors.New("interrupted")
	}
	if printed := printReplay(e.stdout, &result, src, time.Since(begin)); printed != nil {
		return printed
	}
	switch {
	case err == nil && result.Stored < result.Read:
		return errNotStored
	case err == nil:
		return c.unusable(src)
	}
	return err
}

// unusableError ends a replay that stored all that it read, but that was expected to store more.
type unusableError struct{ text string }

func (e *unusableError) Error() string { return e.text }

// unusable says of which files nothing was usable, or else what of them was not, if nothing may be.
func (c *replayCmd) unusable(src *fileSource) error {
	switch {
	case len(src.useless) > 0:
		return &unusableError{"no record is usable of " + strings.Join(src.useless, ", ")}
	case c.Strict && src.skipped.Records > 0:
		return &unusableError{fmt.Sprintf("%d records were skipped, which --strict does not allow", src.skipped.Records)}
	}
	return nil
}

// printReplay prints the account in flows. Zeros are left out, but for the figures that every reader
// looks for.
func printReplay(w io.Writer, r *replay.Result, src *fileSource, took time.Duration) error {
	var b strings.Builder
	line := func(name string, n uint64, always bool, note string) {
		if n > 0 || always {
			fmt.Fprintf(&b, "%s\t%d%s\n", name, n, note)
		}
	}
	line("read", r.Read, true, fmt.Sprintf("  in %v", took.Round(time.Millisecond)))
	line("sent", r.Sent, true, "")
	line("stored", r.Stored, true, "")
	line("refused", r.Refused, false, "  by the server; they do not count")
	line("unknown", r.Unknown, false, "  had no clear answer; they may count or not")
	line("not sent", r.Read-r.Sent, false, "")
	line("retries", r.Retries, false, "  of POSTs")
	for _, problem := range r.Problems {
		fmt.Fprintf(&b, "  %s\n", problem)
	}
	line("skipped", src.skipped.Records, true, "")
	writeSkipped(&b, &src.skipped)
	return loadtest.WriteColumns(w, b.String())
}

// shownReasons is how many reasons are listed.
const shownReasons = 3

// writeSkipped lists the most frequent reasons, each with its first record.
func writeSkipped(b *strings.Builder, skipped *flowfile.Skipped) {
	reasons := skipped.Reasons
	names := slices.SortedFunc(maps.Keys(reasons), func(x, y string) int {
		return cmp.Or(cmp.Compare(reasons[y].Records, reasons[x].Records), strings.Compare(x, y))
	})
	shown := names[:min(len(names), shownReasons)]
	left := skipped.Records
	for _, name := range shown {
		of := reasons[name]
		left -= of.Records
		fmt.Fprintf(b, "  %d: %s; first at %s:%d", of.Records, name, of.First.File, of.First.Line)
		if of.First.Value != "" {
			fmt.Fprintf(b, ": %q", of.First.Value)
		}
		b.WriteByte('\n')
	}
	if left > 0 {
		fmt.Fprintf(b, "  %d more, for other reasons\n", left)
	}
}
