package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-json"

	"flowd/datadir"
	"flowd/disk"
	"flowd/flow"
	"flowd/humanize"
	"flowd/wal"
)

// dataFolder is the argument of the commands that look at a data folder.
type dataFolder struct {
	Dir string `arg:"" name:"dir" help:"The data folder, as --data of flowd serve."`
}

// AfterApply is called by kong: that a folder is not flowd's is an error of the command line.
func (d *dataFolder) AfterApply() error {
	if err := datadir.Check(disk.OS, d.Dir); err != nil {
		return fmt.Errorf("%s: %w", d.Dir, err)
	}
	return nil
}

// inspectCommand is "flowd inspect".
type inspectCommand struct {
	dataFolder
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints what the folder holds. Damage is part of that, and no error.
func (c *inspectCommand) Run(p *process) error {
	report, err := datadir.Inspect(p.ctx, disk.OS, c.Dir)
	if err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(p.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	return writeReport(p.stdout, report)
}

// writeReport writes r in words.
func writeReport(w io.Writer, r *datadir.Report) error {
	var text strings.Builder
	about := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(about, "folder\t%s%s\n", r.Folder, map[datadir.Use]string{
		datadir.UseServer:  ", in use by a server: what follows changes all the time",
		datadir.UseUnknown: ", not known whether a server uses it",
	}[r.Use])
	writeManifest(about, r)
	writeWindows(about, r.Windows)
	writeLog(about, r)
	if r.Manifest != nil {
		writeHoursLine(about, r.Hours)
	}
	writeParquet(about, r.Parquet)
	writeUnnamed(about, r.Unnamed)
	for _, finding := range r.Damage {
		fmt.Fprintf(about, "damage\t%s\n", finding)
	}
	if len(r.Damage) == 0 {
		fmt.Fprintln(about, "damage\tnone seen: flowd verify reads every row of the blocks too")
	}
	if err := about.Flush(); err != nil {
		return err
	}
	writeSegments(&text, r.Log.Segments)
	writeHours(&text, r.Hours)
	_, err := io.WriteString(w, text.String())
	return err
}

func writeManifest(w io.Writer, r *datadir.Report) {
	if r.Manifest == nil {
		fmt.Fprintln(w, "manifest\tcannot be read, so it is not known what of the rest counts")
		return
	}
	m := r.Manifest
	fmt.Fprintf(w, "manifest\tgeneration %d, written %s\n", m.Generation, moment(m.Written))
	l := &m.Ledger
	fmt.Fprintf(w, "flows\t%d received = %d stored + %d duplicate + %d rejected + %d expired\n",
		l.Received.Flows, l.Stored.Flows, l.Duplicate.Flows, l.Rejected.Flows, l.Expired.Flows)
}

func writeWindows(w io.Writer, windows *datadir.Windows) {
	if windows != nil {
		fmt.Fprintf(w, "windows\t%d keys and %d agents remembered, %s\n", windows.Keys, windows.Agents, humanize.Size(windows.Bytes))
	}
}

func writeLog(w io.Writer, r *datadir.Report) {
	l := &r.Log
	if len(l.Segments) == 0 {
		fmt.Fprintln(w, "log\tnone: what came since the manifest was written is not on disk")
		return
	}
	size := int64(0)
	for _, s := range l.Segments {
		size += s.Bytes
	}
	fmt.Fprintf(w, "log\t%s, %s\n", humanize.Count(len(l.Segments), "segment"), humanize.Size(size))
	if r.Manifest == nil {
		return
	}
	fmt.Fprintf(w, "to replay\t%s in %d batches and %d groups, %s\n",
		humanize.Count(l.Flows, "flow"), l.Records, l.Groups, humanize.Size(l.Bytes))
	from := r.Manifest.Log
	if from == (wal.Position{}) {
		from = wal.Position{Segment: 1, Group: 1} // no checkpoint yet
	}
	fmt.Fprintf(w, "\tfrom segment %d, group %d to segment %d, group %d\n", from.Segment, from.Group, l.End.Segment, l.End.Group)
	if l.Torn > 0 && r.Use == datadir.UseNone {
		fmt.Fprintf(w, "torn\t%d bytes at the end, which were never answered for: the next start cuts them off\n", l.Torn)
	}
}

func writeHoursLine(w io.Writer, hours []datadir.Hour) {
	tuples, size, blocks := uint64(0), int64(0), 0
	for i := range hours {
		tuples += hours[i].Tuples
		size += hours[i].Bytes
		if hours[i].Block != "" {
			blocks++
		}
	}
	fmt.Fprintf(w, "hours\t%d with %s, in %s, %s\n", len(hours), humanize.Count(tuples, "tuple"), humanize.Count(blocks, "block"), humanize.Size(size))
}

// writeParquet says what other programs find to read.
func writeParquet(w io.Writer, p *datadir.Parquet) {
	if p == nil {
		return
	}
	fmt.Fprintf(w, "parquet\t%s to read", humanize.Count(p.Hours, "hour"))
	if p.Empty > 0 {
		fmt.Fprintf(w, ", and %d that expired, without rows", p.Empty)
	}
	fmt.Fprintln(w)
	for _, finding := range p.Wrong {
		fmt.Fprintf(w, "\t%s\n", finding)
	}
	if len(p.Wrong) > 0 {
		fmt.Fprintln(w, "\tthe next start makes it as the manifest says")
	}
}

// writeUnnamed names the first few files that the manifest does not.
func writeUnnamed(w io.Writer, names []string) {
	const most = 3
	for _, name := range names[:min(len(names), most)] {
		fmt.Fprintf(w, "unnamed\t%s\n", name)
	}
	if more := len(names) - most; more > 0 {
		fmt.Fprintf(w, "\tand %s more that the manifest does not name\n", humanize.Count(more, "file"))
	}
}

func writeSegments(text *strings.Builder, segments []datadir.Segment) {
	if len(segments) == 0 {
		return
	}
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nSEGMENT\tSTATE\tSIZE\tUSED\tGROUPS\tBATCHES")
	for _, s := range segments {
		used, groups, batches := "-", "-", "-"
		if s.Used > 0 {
			used = humanize.Size(s.Used)
		}
		if s.Groups > 0 {
			groups, batches = fmt.Sprintf("%d to %d", s.First, s.Last), fmt.Sprint(s.Records)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", s.Number, s.State, humanize.Size(s.Bytes), used, groups, batches)
	}
	_ = table.Flush() // into memory
}

func writeHours(text *strings.Builder, hours []datadir.Hour) {
	if len(hours) == 0 {
		return
	}
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nHOUR\tBEGINS\tTUPLES\tFLOWS\tBYTES_TX\tBYTES_RX\tLAST FLOW CAME\tSIZE\tBLOCK")
	for i := range hours {
		h := &hours[i]
		name := h.Block
		if name == "" {
			name = "-"
		}
		fmt.Fprintf(table, "%d\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", h.Hour, humanize.HourBegin(h.Hour), h.Tuples, h.Flows,
			flow.Sum(h.BytesTx), flow.Sum(h.BytesRx), moment(h.LastWrite), humanize.Size(h.Bytes), name)
	}
	_ = table.Flush() // into memory
}

// moment returns a time in milliseconds since the Unix epoch as text.
func moment(unixMilli int64) string {
	return time.UnixMilli(unixMilli).UTC().Format("2006-01-02 15:04:05 UTC")
}
