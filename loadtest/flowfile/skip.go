package flowfile

import "fmt"

// Skipped counts the records that were not usable.
type Skipped struct {
	// Records is the number of skipped records.
	Records uint64
	// Reasons has the counts by reason. The number of reasons is bounded regardless of the file, since
	// values are only in First.
	Reasons map[string]Reason
}

// Reason counts the records that were skipped for the same reason.
type Reason struct {
	// Records is their number, at least 1.
	Records uint64
	// First is the first of them.
	First SkippedRecord
}

// SkippedRecord is one record that was not usable.
type SkippedRecord struct {
	// File is its file, for the sum over several files; empty for one file.
	File string
	// Line is where the record begins, counted from 1 in the decompressed file.
	Line int
	// Value is the unusable text, shortened; empty if the reason is sufficient.
	Value string
}

// Add adds the counts of file to s, for the sum over several files.
func (s *Skipped) Add(file string, other *Skipped) {
	for reason, stats := range other.Reasons {
		stats.First.File = file
		s.merge(reason, stats)
	}
}

func (s *Skipped) add(line int, skipped *skipError) {
	stats, known := s.Reasons[skipped.reason]
	if !known {
		stats.First = SkippedRecord{Line: line, Value: string(skipped.value)}
	}
	stats.Records = 1
	s.merge(skipped.reason, stats)
}

// merge adds the counts of a reason. The first record stays the earliest one merged.
func (s *Skipped) merge(reason string, more Reason) {
	if s.Reasons == nil {
		s.Reasons = map[string]Reason{}
	}
	s.Records += more.Records
	if before, known := s.Reasons[reason]; known {
		more.Records += before.Records
		more.First = before.First
	}
	s.Reasons[reason] = more
}

// skipError skips one record. The scan continues after it.
type skipError struct {
	reason string
	value  []byte
}

func (s *skipError) Error() string { return fmt.Sprintf("%s: %q", s.reason, s.value) }

// maxValue bounds the text that a SkippedRecord quotes, in bytes.
const maxValue = 60

// newSkipError builds the reason from the name of a field and its problem. Both come from tables of this
// package, so the number of reasons is bounded.
func newSkipError(field, problem string, value []byte) *skipError {
	return &skipError{field + " " + problem, value[:min(len(value), maxValue)]}
}
