package flowfile

import "fmt"

// MaxFirst is how many skipped records a scanner remembers in full.
const MaxFirst = 5

// Skipped is the account of the records that were not usable.
type Skipped struct {
	// Records is how many there were.
	Records uint64
	// Reasons counts them by reason. There are only so many different reasons, whatever a file
	// holds: values stand in First alone.
	Reasons map[string]uint64
	// First are the first MaxFirst of them.
	First []Skip
}

// Skip is one record that was not usable.
type Skip struct {
	// Line is where the record begins, counted from 1 in the unpacked file.
	Line int
	// Reason says what disagreed with what.
	Reason string
	// Value is the text that was not usable, shortened; empty where the reason says it all.
	Value string
}

func (s Skip) String() string {
	if s.Value == "" {
		return fmt.Sprintf("line %d: %s", s.Line, s.Reason)
	}
	return fmt.Sprintf("line %d: %s: %q", s.Line, s.Reason, s.Value)
}

// Add adds what o counted to s, for an account over several files.
func (s *Skipped) Add(o *Skipped) {
	s.Records += o.Records
	for reason, n := range o.Reasons {
		s.count(reason, n)
	}
	room := min(MaxFirst-len(s.First), len(o.First))
	s.First = append(s.First, o.First[:room]...)
}

func (s *Skipped) add(line int, sk *skip) {
	s.Records++
	s.count(sk.reason, 1)
	if len(s.First) < MaxFirst {
		s.First = append(s.First, Skip{line, sk.reason, string(sk.value)})
	}
}

func (s *Skipped) count(reason string, n uint64) {
	if s.Reasons == nil {
		s.Reasons = map[string]uint64{}
	}
	s.Reasons[reason] += n
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
