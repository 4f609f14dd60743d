package main

import (
	"io"
	"time"

	"github.com/goccy/go-json"

	"flowd/flow"
	"flowd/flow/flowjson"
	"flowd/loadtest"
	"flowd/loadtest/load"
)

// loadFlags are what run and max have in common.
type loadFlags struct {
	Target string `default:"http://127.0.0.1:8080" placeholder:"URL" help:"The server (${default})."`
	tokenFlags
	Connections int           `default:"16" help:"Connections, each with one request under way (${default})."`
	Flows       int           `default:"100" help:"Flows per POST (${default})."`
	Tuples      int           `default:"10000" help:"Distinct tuples (${default})."`
	Hours       int           `default:"1" help:"Hours that the flows spread over (${default}). A server refuses those further ahead of its clock than its max-ahead."`
	FirstHour   *uint32       `placeholder:"HOUR" help:"The first of them (the current hour since the Unix epoch)."`
	Skew        string        `default:"uniform" enum:"uniform,zipf" help:"How the flows spread over the tuples: uniform or zipf (${default})."`
	ZipfS       float64       `default:"1.1" name:"zipf-s" help:"The exponent of zipf (${default})."`
	Reads       float64       `default:"0" placeholder:"SHARE" help:"Share of the requests that read an hour, from 0 to below 1, on top of the posts (${default})."`
	Seed        uint64        `default:"1" help:"The same seed makes the same flows (${default})."`
	NDJSON      bool          `name:"ndjson" help:"Send NDJSON instead of a JSON array."`
	Encoding    string        `default:"none" enum:"none,gzip,zstd" help:"Compress the bodies: none, gzip or zstd (${default})."`
	Timeout     time.Duration `default:"10s" help:"How long a request may take once it is sent (${default})."`
	ServerPID   int           `name:"server-pid" placeholder:"PID" help:"The server's process, to report its CPU and memory. On this machine it is found by itself."`
	JSON        bool          `name:"json" help:"Print the report as JSON."`
}

// options returns the part of a load's options that the flags say.
func (f *loadFlags) options() (load.Options, error) {
	token, err := f.token()
	if err != nil {
		return load.Options{}, err
	}
	first := flow.Hour(time.Now().Unix() / 3600)
	if f.FirstHour != nil {
		first = flow.Hour(*f.FirstHour)
	}
	format := flowjson.JSON
	if f.NDJSON {
		format = flowjson.NDJSON
	}
	return load.Options{
		Target:      f.Target,
		Token:       token,
		Connections: f.Connections,
		Workload: loadtest.Workload{
			Tuples: f.Tuples, FirstHour: first, Hours: f.Hours,
			Skew: loadtest.Skew(f.Skew), ZipfS: f.ZipfS, FlowsPerPost: f.Flows, Seed: f.Seed,
		},
		Format:    format,
		Encoding:  loadtest.Encoding(f.Encoding),
		Reads:     f.Reads,
		Timeout:   f.Timeout,
		ServerPID: f.ServerPID,
	}, nil
}

// textReport is a report that can be written for people.
type textReport interface{ WriteText(io.Writer) error }

// print writes a report in the form that was asked for.
func (f *loadFlags) print(w io.Writer, r textReport) error {
	if !f.JSON {
		return r.WriteText(w)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
