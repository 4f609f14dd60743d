package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-json"

	"flowd/config"
	"flowd/humanize"
)

// settingsCommand is "flowd config", which without more is "flowd config show".
type settingsCommand struct {
	Show  showCommand  `cmd:"" default:"withargs" help:"Print the settings in force, and where each comes from (show may be left out)."`
	Check checkCommand `cmd:"" help:"Check a settings file, and the files of tokens and certificates that it names."`
}

// showCommand takes the flags of serve, so that the same line shows what serve would do.
type showCommand struct {
	config.Config
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints every setting with its value and source.
func (c *showCommand) Run(p *process, loader *config.Loader) error {
	report := loader.Report(&c.Config)
	if c.JSON {
		encoder := json.NewEncoder(p.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tVALUE\tSOURCE")
	for _, s := range report {
		value := s.Value
		if value == "" {
			value = "-"
		}
		source := s.Source
		if s.Auto != "" {
			source += ", " + s.Auto
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Key, value, source)
	}
	return table.Flush()
}

// checkCommand is "flowd config check FILE".
type checkCommand struct {
	Path string `arg:"" name:"file" help:"YAML file with settings, as for --config."`
}

// Help is what --help says beyond the arguments.
func (*checkCommand) Help() string {
	return `The file is checked by itself: what it does not give is a default, whatever the environment has. The files that it names
are read too: the tokens, the certificate with its key, and the authorities of clients. Paths are taken from the current
folder, as serve takes them. "flowd config --config FILE" checks the settings together with the environment.

Exit codes: 0 all is good, 1 something is wrong, each told with its line, 2 wrong usage.`
}

// Run checks the file, and says how much is in it, or everything that is wrong.
func (c *checkCommand) Run(p *process) error {
	settings, given, err := config.Check(c.Path)
	var wrong config.Error
	if found := (*config.Error)(nil); errors.As(err, &found) {
		wrong = *found
	}
	// The files are read also where settings are wrong, so that all is told at once.
	files := namedFiles{places: map[string]string{}}
	for _, s := range given {
		files.places[s.Key] = s.Source
	}
	files.check(settings, time.Now())
	wrong.Problems = append(wrong.Problems, files.problems...)
	if len(wrong.Problems) > 0 {
		return &wrong
	}
	good := humanize.Count(len(given), "setting")
	if settings.TokensFile != "" {
		good += ", " + humanize.Count(files.tokens, "token")
	}
	fmt.Fprintf(p.stdout, "%s: good: %s\n", c.Path, good)
	return nil
}
