package config

import (
	"fmt"
	"reflect"
)

// sourceDefault is the source of a value that nobody gave.
const sourceDefault = "default"

// Setting is a setting in force, and where it comes from.
type Setting struct {
	Key string `json:"key"`
	// Value is in a form that every source takes, or empty for a setting without a value.
	Value string `json:"value"`
	// Source is "default", a line of the file as "flowd.yaml:7", a variable as "FLOWD_SHARDS",
	// or a flag as "--shards".
	Source string `json:"source"`
}

// Report returns every setting of c, which l has filled, in the order of the help.
func (l *Loader) Report(c *Config) []Setting {
	var report []Setting
	for _, s := range settings() {
		report = append(report, Setting{
			Key:    s.key,
			Value:  encode(reflect.ValueOf(c).Elem().Field(s.field)),
			Source: l.source(s.key),
		})
	}
	return report
}

func (l *Loader) source(key string) string {
	if l.flags[key] {
		return "--" + key
	}
	if v, ok := l.values[key]; ok {
		return v.place
	}
	return sourceDefault
}

// conflicts finds settings that are right one by one and wrong together.
func (l *Loader) conflicts(c *Config) []Problem {
	var problems []Problem
	conflict := func(keys []string, why string) {
		problems = append(problems, Problem{l.given(keys), why})
	}
	if c.MaxDecodedBytes < c.MaxBodyBytes {
		conflict([]string{"max-decoded-bytes", "max-body-bytes"}, fmt.Sprintf(
			"max-decoded-bytes (%s) is less than max-body-bytes (%s), and a plain body must keep both",
			c.MaxDecodedBytes, c.MaxBodyBytes))
	}
	// Memory for a body comes in powers of two, so it may be twice the body. While it grows, the
	// memory before is held too; and while it is decompressed, so is the compressed body.
	if most := 2*c.MaxBodyBytes + 3*c.MaxDecodedBytes; c.MaxInflightBytes < most {
		conflict([]string{"max-inflight-bytes", "max-decoded-bytes", "max-body-bytes"}, fmt.Sprintf(
			"max-inflight-bytes (%s) is less than the %s that one request may need with max-body-bytes %s and max-decoded-bytes %s (2 and 3 times as much)",
			c.MaxInflightBytes, most, c.MaxBodyBytes, c.MaxDecodedBytes))
	}
	if c.Data == "" && c.Durability != DurabilityNone {
		conflict([]string{"data", "durability"}, fmt.Sprintf(
			"data is empty, so flows are kept in memory only, but durability is %s, which writes them to disk: "+
				"give durability none too, or a folder as data", c.Durability))
	}
	if most := c.largestRecord(); c.Data != "" && c.Durability != DurabilityNone && c.SegmentBytes < most {
		conflict([]string{"segment-bytes", "max-decoded-bytes", "max-flows"}, fmt.Sprintf(
			"segment-bytes (%s) is less than the %s that the log may need for one batch with max-decoded-bytes %s and max-flows %d "+
				"(the lesser of the first and 1KiB per flow, and 128KiB)",
			c.SegmentBytes, most, c.MaxDecodedBytes, c.MaxFlows))
	}
	return problems
}

// largestRecord returns what one batch may take in a segment of the log, in bytes. In the log's
// form a flow is never longer than in JSON, and with three names of 256 bytes and three numbers
// it is shorter than 1 KiB. The heads of record, frame and segment, and the name of the batch,
// take less than 128 KiB.
func (c *Config) largestRecord() Size {
	return min(c.MaxDecodedBytes, Size(c.MaxFlows)<<10) + 128<<10
}

// given returns the source of the first of keys that somebody gave a value.
func (l *Loader) given(keys []string) string {
	for _, key := range keys {
		if source := l.source(key); source != sourceDefault {
			return source
		}
	}
	return sourceDefault
}
