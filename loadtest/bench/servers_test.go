package main

import (
	"strings"
	"testing"

	"flowd/flow"
	"flowd/flow/flowjson"
	"flowd/loadtest"
)

// TestEncodings holds that each server is sent the same flows.
func TestEncodings(t *testing.T) {
	g, err := loadtest.NewGenerator(loadtest.Workload{Tuples: 10, FirstHour: 480_000, Hours: 2, Skew: loadtest.Uniform, FlowsPerPost: 50})
	if err != nil {
		t.Fatal(err)
	}
	samples := g.Draw(nil, 1)
	var batch flow.Batch
	if err := flowjson.Decode(&batch, encodeJSON(nil, g, samples), flowjson.JSON, 50); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(encodeInflux(nil, g, samples)), "\n"), "\n")
	if batch.Len() != len(lines) || len(lines) != 50 {
		t.Fatalf("%d flows in JSON, %d lines", batch.Len(), len(lines))
	}
	f := g.Flow(samples[0])
	hour := "1728000000000000000"
	if f.Hour == 480_001 {
		hour = "1728003600000000000"
	}
	want := "flow,src_app=" + f.SrcApp + ",dest_app=" + f.DestApp + ",vpc_id=" + f.VPCID + " bytes_tx="
	if !strings.HasPrefix(lines[0], want) || !strings.HasSuffix(lines[0], " "+hour) {
		t.Errorf("line %q, want %q... %s", lines[0], want, hour)
	}
}
