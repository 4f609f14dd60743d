package flowfile

import (
	"bytes"
	"time"
	"unicode"
	"unicode/utf8"

	"flowd/flow"
)

// The fields of a flow, independent of their names in a format.
const (
	srcApp = iota
	destApp
	vpcID
	bytesTx
	bytesRx
	timestamp
	numFields
)

// record is the texts of one record's fields; nil where a field is not set.
type record [numFields][]byte

// schema converts the fields of a format's records into flows.
type schema struct {
	// names are the format's names of the fields; empty where it has no such field.
	names [numFields]string
	// unsetIsZero treats byte counts that are not set as zero. Otherwise the record is skipped.
	unsetIsZero bool
	// hour converts the field timestamp; false if its text is not valid.
	hour func(text []byte) (hour uint64, ok bool)
	// hourProblem explains why hour returned false.
	hourProblem string
	// defaultVPC is the vpc_id of records without one; empty if they are skipped.
	defaultVPC string
}

// toFlow sets f from the fields of one record. It only returns a *skipError.
func (s *schema) toFlow(f *flow.Flow, rec *record, interned internTable) error {
	if rec[vpcID] == nil && s.defaultVPC != "" {
		f.VPCID = s.defaultVPC
	} else if err := s.setName(&f.VPCID, rec, vpcID, interned); err != nil {
		return err
	}
	if err := s.setName(&f.SrcApp, rec, srcApp, interned); err != nil {
		return err
	}
	if err := s.setName(&f.DestApp, rec, destApp, interned); err != nil {
		return err
	}
	if err := s.setCount(&f.BytesTx, rec, bytesTx); err != nil {
		return err
	}
	if err := s.setCount(&f.BytesRx, rec, bytesRx); err != nil {
		return err
	}
	text := rec[timestamp]
	if text == nil {
		return newSkipError(s.names[timestamp], "is not set", nil)
	}
	hour, ok := s.hour(text)
	if !ok {
		return newSkipError(s.names[timestamp], s.hourProblem, text)
	}
	if hour > flow.MaxHour {
		return newSkipError(s.names[timestamp], "is beyond the last hour that can be counted", text)
	}
	f.Hour = flow.Hour(hour)
	return nil
}

func (s *schema) setName(dst *string, rec *record, field int, interned internTable) error {
	text := rec[field]
	if text == nil {
		return newSkipError(s.names[field], "is not set", nil)
	}
	name, problem := interned.intern(text)
	if problem != "" {
		return newSkipError(s.names[field], problem, text)
	}
	*dst = name
	return nil
}

func (s *schema) setCount(dst *uint64, rec *record, field int) error {
	text := rec[field]
	*dst = 0
	if text == nil {
		if s.unsetIsZero {
			return nil
		}
		return newSkipError(s.names[field], "is not set", nil)
	}
	n, ok := parseCount(text)
	if !ok {
		return newSkipError(s.names[field], "is not an integer from 0 to 2^63-1", text)
	}
	*dst = n
	return nil
}

// internTable holds the valid names seen so far. Most records repeat names, and so need neither a check
// nor a new string.
type internTable map[string]string

// maxInterned bounds the table of a file with endless names to about 20 MiB.
const maxInterned = 1 << 16

// intern returns text as a string that does not share its memory, or why it is not a valid name.
func (n internTable) intern(text []byte) (name, problem string) {
	if name, ok := n[string(text)]; ok {
		return name, ""
	}
	switch {
	case len(text) == 0:
		return "", "is empty"
	case len(text) > flow.MaxName:
		return "", "is longer than 256 bytes"
	case !utf8.Valid(text):
		return "", "is not valid UTF-8"
	case bytes.ContainsFunc(text, unicode.IsControl):
		return "", "has control characters"
	}
	if len(n) >= maxInterned {
		clear(n)
	}
	name = string(text)
	n[name] = name
	return name, ""
}

// parseCount parses a decimal integer from 0 to 2^63-1.
func parseCount(text []byte) (n uint64, ok bool) {
	if len(text) == 0 {
		return 0, false
	}
	for _, c := range text {
		digit := uint64(c - '0')
		if digit > 9 || n > (flow.MaxBytes-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
	}
	return n, true
}

// hourOfEpoch parses seconds since the Unix epoch, with or without a fraction.
func hourOfEpoch(text []byte) (hour uint64, ok bool) {
	whole, fraction, dot := bytes.Cut(text, []byte{'.'})
	seconds, ok := parseCount(whole)
	if dot && (len(fraction) == 0 || bytes.ContainsFunc(fraction, isNotDigit)) {
		return 0, false
	}
	return seconds / 3600, ok
}

func isNotDigit(r rune) bool { return r < '0' || r > '9' }

// hourOfTimestamp parses the three timestamp formats of Zeek's JSON: seconds with a fraction, whole
// milliseconds, and ISO 8601. Whole numbers from 10^11 are milliseconds: as seconds that would be the
// year 5138, as milliseconds it is 1973.
func hourOfTimestamp(text []byte) (hour uint64, ok bool) {
	const firstMilli = 100_000_000_000
	if n, ok := parseCount(text); ok && n >= firstMilli {
		return n / 3_600_000, true
	}
	if hour, ok := hourOfEpoch(text); ok {
		return hour, true
	}
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil || t.Unix() < 0 {
		return 0, false
	}
	return uint64(t.Unix()) / 3600, true
}
