package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/goccy/go-json"

	"flowd/httpapi"
)

// version and revision are set by the linker: -X main.version=v1.2.3 -X main.revision=0a1b2c3.
var version, revision string

// versionCommand is "flowd version".
type versionCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the version, the revision of the source and the version of Go.
func (c *versionCommand) Run(p *process) error {
	v := buildVersion()
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(v)
	}
	_, err := fmt.Fprintf(p.stdout, "flowd %s (revision %s, %s)\n", v.Version, v.Revision, v.Go)
	return err
}

// buildVersion takes what the linker set, then what the Go command noted in the binary.
func buildVersion() httpapi.Version {
	v := httpapi.Version{Version: version, Revision: revision, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = cmp.Or(v.Version, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = cmp.Or(v.Revision, s.Value)
			}
		}
	}
	v.Version = cmp.Or(v.Version, "(devel)")
	v.Revision = cmp.Or(v.Revision, "unknown")
	return v
}
