package params

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"flowd/flow"
	"flowd/httpapi/reject"
	"flowd/query"
)

// span is hours as a client asks for them: one, or those of a range.
type span struct {
	hour, from, to          flow.Hour
	hasHour, hasFrom, hasTo bool
}

func (s *span) given() bool { return s.hasHour || s.hasFrom || s.hasTo }

func (s *span) readHour(value string) (wrong string) {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return fmt.Sprintf("must be a whole number from 0 to %d", flow.MaxHour)
	}
	s.hour, s.hasHour = flow.Hour(n), true
	return ""
}

func (s *span) readFrom(value string) (wrong string) {
	s.hasFrom = true
	s.from, wrong = readBound(value, flow.MaxHour, 0)
	return wrong
}

// readTo reads the first hour that is not asked for any more.
func (s *span) readTo(value string) (wrong string) {
	s.hasTo = true
	s.to, wrong = readBound(value, flow.MaxHour+1, time.Hour-1)
	return wrong
}

// timeForm is what RFC 3339 has and time.Parse does not hold a time to: a point before fractions, offsets
// of less than a day, two digits for the hour.
var timeForm = regexp.MustCompile(`T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// readBound reads where a range begins or ends: an hour of at most most, or a time, of which the hour
// counts that it is in once roundUp is added.
func readBound(value string, most flow.Hour, roundUp time.Duration) (h flow.Hour, wrong string) {
	if n, err := strconv.ParseUint(value, 10, 32); err == nil && n <= uint64(most) {
		return flow.Hour(n), ""
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil || !timeForm.MatchString(value) {
		wrong = fmt.Sprintf("must be a whole number from 0 to %d, or a time as in 2026-01-31T15:00:00Z", most)
		if strings.Contains(value, " ") {
			wrong += " (a + in it is written %2B)"
		}
		return 0, wrong
	}
	if t.Unix() < 0 {
		return 0, "is before 1970, when hours begin"
	}
	// RFC 3339 ends with the year 9999, whose hours are far below MaxHour.
	return flow.Hour(t.Add(roundUp).Unix() / int64(time.Hour/time.Second)), ""
}

// spanNames are the parameters that a span comes from.
type spanNames struct{ hour, from, to string }

// hours returns what is asked for. A range may be open at either end, but not at both.
func (s *span) hours(names spanNames) (query.Hours, *reject.Problem) {
	ranged := s.hasFrom || s.hasTo
	switch {
	case s.hasHour && ranged:
		return query.Hours{}, badParameter(names.hour, fmt.Sprintf("asks for one hour, and %q and %q for a range; give one of both",
			names.from, names.to))
	case s.hasHour:
		return query.Hours{From: s.hour, To: s.hour + 1}, nil
	case !ranged:
		return query.Hours{}, badParameter(names.hour, fmt.Sprintf("is missing; ask for one hour as in %s=1, or for a range as in %s=1&%s=3",
			names.hour, names.from, names.to))
	}
	h := query.Hours{From: s.from, To: flow.MaxHour + 1}
	if s.hasTo {
		h.To = s.to
	}
	if h.From > h.To {
		return query.Hours{}, badParameter(names.from, fmt.Sprintf("is hour %d, after hour %d where %q ends the range", h.From, h.To, names.to))
	}
	return h, nil
}

// closed returns a range of which both ends must be given, or one hour.
func (s *span) closed(names spanNames) (query.Hours, *reject.Problem) {
	switch {
	case s.hasFrom && !s.hasTo:
		return query.Hours{}, badParameter(names.to, fmt.Sprintf("is missing; %q needs it", names.from))
	case s.hasTo && !s.hasFrom:
		return query.Hours{}, badParameter(names.from, fmt.Sprintf("is missing; %q needs it", names.to))
	}
	return s.hours(names)
}
