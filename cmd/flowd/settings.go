package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/goccy/go-json"

	"flowd/config"
)

// settingsCommand is "flowd config". It takes the flags of serve, so that the same line shows
// what serve would do.
type settingsCommand struct {
	config.Config
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints every setting with its value and source.
func (c *settingsCommand) Run(p *process, loader *config.Loader) error {
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
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Key, value, s.Source)
	}
	return table.Flush()
}
