package main

import (
	"fmt"

	"flowd/datadir"
	"flowd/disk"
	"flowd/humanize"
)

// verifyCommand is "flowd verify".
type verifyCommand struct {
	dataFolder
}

// Run reads all of the folder. What is wrong is printed, a line for each, and makes it an error.
func (c *verifyCommand) Run(p *process) error {
	r, err := datadir.Verify(p.ctx, disk.OS, c.Dir)
	if err != nil {
		return err
	}
	for _, finding := range r.Damage {
		fmt.Fprintln(p.stdout, finding)
	}
	if n := len(r.Damage); n > 0 {
		return fmt.Errorf("%s is damaged: %s", r.Folder, humanize.Count(n, "finding"))
	}
	if folder := r.Parquet; folder != nil && len(folder.Wrong) > 0 {
		for _, finding := range folder.Wrong {
			fmt.Fprintln(p.stdout, finding)
		}
		return fmt.Errorf("%s/parquet is not as the manifest says (%s), so programs that read it are told something else; "+
			"the data is as it was written, and the next start makes parquet right", r.Folder, humanize.Count(len(folder.Wrong), "finding"))
	}
	rows := uint64(0)
	for i := range r.Hours {
		rows += r.Hours[i].Tuples
	}
	fmt.Fprintf(p.stdout, "%s is as it was written: generation %d, %s with %s, %s in the log to replay\n",
		r.Folder, r.Manifest.Generation, humanize.Count(len(r.Hours), "hour"), humanize.Count(rows, "tuple"), humanize.Count(r.Log.Flows, "flow"))
	if r.Log.Torn > 0 && r.Use == datadir.UseNone {
		fmt.Fprintf(p.stdout, "%d bytes at the end of the log were never answered for: the next start cuts them off\n", r.Log.Torn)
	}
	return nil
}
