package flowfile

import "fmt"

// Skipped is the account of the records that were not usable.
type Skipped struct {
	// Records is how many there were.
	Records uint64
	// Reasons has them by reason. There are only so many different reasons, whatever a file holds:
	// a value stands in First alone.
	Reasons map[string]Reason
}

// Reason is the account of the records that were not usable for the same reason.
type Reason struct {
	// Records is how many there were, at least 1.
	Records uint64
	// First is the first of them.
	First Skip
}

// Skip is one record that was not usable.
type Skip struct {
	// File is its file, for an account over several; empty in that of one.
	File string
	// Line is where the record begins, counted from 1 in the unpacked file.
	Line int
	// Value is the text that was not usable, shortened; empty where the reason says it all.
	Value string
}

// Add adds what o counted in file to s, for an account over several files.
func (s *Skipped) Add(file string, o *Skipped) {
	for reason, of := range o.Reasons {
		of.First.File = file
		s.count(reason, of)
	}
}

func (s *Skipped) add(line int, sk *skip) {
	of, known := s.Reasons[sk.reason]
	if !known {
		of.First = Skip{Line: line, Value: string(sk.value)}
	}
	of.Records = 1
	s.count(sk.reason, of)
}

// count adds records of a reason, whose first one is that of the account unless it has one.
func (s *Skipped) count(reason string, more Reason) {
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

// skip is the error of a record that cannot be used. The scan goes on after it.
type skip struct {
	reason string
	value  []byte
}

func (s *skip) Error() string { return fmt.Sprintf("%s: %q", s.reason, s.value) }

// maxValue is how much of a text a Skip quotes, in bytes.
const maxValue = 60

// skipFor makes the reason from the name of a field and its problem, both of which come from
// this package's tables, so that reasons stay few.
func skipFor(field, problem string, value []byte) *skip {
	return &skip{field + " " + problem, value[:min(len(value), maxValue)]}
}
