package loadtest

import (
	"fmt"
	"strings"

	"flowd/flow"
	"flowd/flow/flowjson"
)

// WorkloadSettings are the settings of the flows, and of the bodies that carry them, as a report repeats them.
type WorkloadSettings struct {
	FlowsPerPost int       `json:"flows_per_post"`
	Tuples       int       `json:"tuples"`
	FirstHour    flow.Hour `json:"first_hour"`
	Hours        int       `json:"hours"`
	Skew         Skew      `json:"skew"`
	ZipfS        float64   `json:"zipf_s,omitempty"`
	Seed         uint64    `json:"seed"`
	ContentType  string    `json:"content_type"`
	Encoding     Encoding  `json:"encoding"`
}

// Settings returns the settings of w for a report.
func (w *Workload) Settings(format flowjson.Format, encoding Encoding) WorkloadSettings {
	s := WorkloadSettings{
		FlowsPerPost: w.FlowsPerPost, Tuples: w.Tuples, FirstHour: w.FirstHour, Hours: w.Hours,
		Skew: w.Skew, Seed: w.Seed, ContentType: ContentType(format), Encoding: encoding,
	}
	if w.Skew == Zipf {
		s.ZipfS = w.ZipfS
	}
	return s
}

// AppendText appends what a POST is and, on a line of its own, what its flows are. Each says how often
// the hours move on by one; it is empty if they do not.
func (s *WorkloadSettings) AppendText(b *strings.Builder, each string) {
	fmt.Fprintf(b, "%s per POST as %s", Plural(s.FlowsPerPost, "flow"), s.ContentType)
	if s.Encoding != Plain {
		fmt.Fprintf(b, " in %s", s.Encoding)
	}
	fmt.Fprintf(b, "\n%s (%s", Plural(s.Tuples, "tuple"), s.Skew)
	if s.Skew == Zipf {
		fmt.Fprintf(b, " %v", s.ZipfS)
	}
	fmt.Fprintf(b, ") in %s from %d on, ", Plural(s.Hours, "hour"), s.FirstHour)
	if each != "" {
		fmt.Fprintf(b, "moving on by one each %s, ", each)
	}
	fmt.Fprintf(b, "seed %d\n", s.Seed)
}

// CheckForm returns what is wrong with the form of bodies, or nil.
func CheckForm(format flowjson.Format, encoding Encoding) error {
	switch {
	case encoding != Plain && encoding != Gzip && encoding != Zstandard:
		return Invalid("encoding", "must be %s, %s or %s, not %q", Plain, Gzip, Zstandard, encoding)
	case format != flowjson.JSON && format != flowjson.NDJSON:
		return Invalid("ndjson", "asks for a format with number %d, which does not exist", format)
	}
	return nil
}
