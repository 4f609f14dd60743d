package main

import (
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"flowd/config"
	"flowd/httpapi"
)

// TestDefaultLimits holds the defaults of the settings to those of the server.
func TestDefaultLimits(t *testing.T) {
	var line commands
	parser, err := kong.New(&line, config.NewLoader(nil).Options()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"serve"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(httpapi.DefaultLimits(), line.Serve.limits()); diff != "" {
		t.Error(diff)
	}
}
