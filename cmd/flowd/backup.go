package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"

	"flowd/datadir"
	"flowd/disk"
	"flowd/humanize"
)

// backupCommand is "flowd backup".
type backupCommand struct {
	dataFolder
	Dest string `arg:"" name:"dest" help:"The copy: a folder that is not there, or is empty."`
	Copy bool   `name:"copy" help:"Copy blocks too, so that the copy shares nothing with the folder; else they are linked where the file system can."`
}

// Run makes the copy, or leaves none. A signal ends it.
func (c *backupCommand) Run(p *process) error {
	ctx, stop := signal.NotifyContext(p.ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := datadir.BackupOptions{FS: disk.OS, Link: os.Link}
	if c.Copy {
		o.Link = nil
	}
	for _, path := range []struct {
		given    string
		absolute *string
	}{{c.Dir, &o.From}, {c.Dest, &o.To}} {
		name, err := filepath.Abs(path.given)
		if err != nil {
			return err
		}
		*path.absolute = filepath.ToSlash(name)
	}
	made, err := datadir.MakeBackup(ctx, o)
	var damage *datadir.DamageError
	if errors.As(err, &damage) {
		for _, finding := range damage.Findings {
			fmt.Fprintln(p.stdout, finding)
		}
		return fmt.Errorf("%s is damaged: no copy was kept", c.Dir)
	}
	if err != nil {
		return fmt.Errorf("no copy was made: %w", err)
	}
	return writeBackup(p.stdout, c, made)
}

// writeBackup says what was made.
func writeBackup(w io.Writer, c *backupCommand, made *datadir.Backup) error {
	r := made.Report
	log := "none: what came since the manifest was written is not on disk"
	if end := r.Log.End; len(r.Log.Segments) > 0 {
		log = fmt.Sprintf("up to segment %d, group %d: %s to replay", end.Segment, end.Group, humanize.Count(r.Log.Flows, "flow"))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "copy\t%s of %s, verified\n", c.Dest, c.Dir)
	fmt.Fprintf(table, "manifest\tgeneration %d, written %s\n", r.Manifest.Generation, moment(r.Manifest.Written))
	fmt.Fprintf(table, "log\t%s\n", log)
	fmt.Fprintf(table, "linked\t%s, %s\n", humanize.Count(made.Linked, "file"), humanize.Size(made.LinkedBytes))
	fmt.Fprintf(table, "copied\t%s, %s\n", humanize.Count(made.Copied, "file"), humanize.Size(made.CopiedBytes))
	fmt.Fprintf(table, "start\tflowd serve --data %s\n", c.Dest)
	return table.Flush()
}
