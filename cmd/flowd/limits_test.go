package main

import (
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"flowd/config"
	"flowd/httpapi"
	"flowd/limit"
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
	want := httpapi.DefaultLimits()
	// Where there is no rate a burst says nothing.
	want.Rates = limit.Rates{FlowsBurst: int64(want.Flows), BytesBurst: int64(want.BodyBytes)}
	if diff := cmp.Diff(want, serverLimits(&line.Serve.Config, want.Slots)); diff != "" {
		t.Error(diff)
	}
}
