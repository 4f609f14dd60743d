package flowfile

import (
	"bytes"
	"time"
	"unicode"
	"unicode/utf8"

	"flowd/flow"
)

// A field is what a text means to a flow, whatever its format calls it.
const (
	srcApp = iota
	destApp
	vpcID
	bytesTx
	bytesRx
	when
	fields
)

// record is the texts of one record's fields, nil where the record does not set one.
type record [fields][]byte

// schema turns the fields of a format's records into flows.
type schema struct {
	// names is what the format calls each field; empty where it has none.
	names [fields]string
	// zeroUnset makes byte counts that are not set zero, rather than a reason to skip.
	zeroUnset bool
	// hour reads the field when; false if that is not what the format has there.
	hour func(text []byte) (hour uint64, ok bool)
	// notHour is what to say when hour returns false.
	notHour string
	// vpc is the vpc_id of records that name none; empty if there is none to fall back on.
	vpc string
}

// fill sets f from the fields of one record. Its error is a *skip.
func (s *schema) fill(f *flow.Flow, rec *record, known names) error {
	if rec[vpcID] == nil && s.vpc != "" {
		f.VPCID = s.vpc
	} else if err := s.name(&f.VPCID, rec, vpcID, known); err != nil {
		return err
	}
	if err := s.name(&f.SrcApp, rec, srcApp, known); err != nil {
		return err
	}
	if err := s.name(&f.DestApp, rec, destApp, known); err != nil {
		return err
	}
	if err := s.count(&f.BytesTx, rec, bytesTx); err != nil {
		return err
	}
	if err := s.count(&f.BytesRx, rec, bytesRx); err != nil {
		return err
	}
	text := rec[when]
	if text == nil {
		return skipFor(s.names[when], "is not set", nil)
	}
	hour, ok := s.hour(text)
	if !ok {
		return skipFor(s.names[when], s.notHour, text)
	}
	if hour > flow.MaxHour {
		return skipFor(s.names[when], "is beyond the last hour that can be counted", text)
	}
	f.Hour = flow.Hour(hour)
	return nil
}

func (s *schema) name(dst *string, rec *record, field int, known names) error {
	text := rec[field]
	if text == nil {
		return skipFor(s.names[field], "is not set", nil)
	}
	name, problem := known.get(text)
	if problem != "" {
		return skipFor(s.names[field], problem, text)
	}
	*dst = name
	return nil
}

func (s *schema) count(dst *uint64, rec *record, field int) error {
	text := rec[field]
	*dst = 0
	if text == nil {
		if s.zeroUnset {
			return nil
		}
		return skipFor(s.names[field], "is not set", nil)
	}
	n, ok := parseCount(text)
	if !ok {
		return skipFor(s.names[field], "is not an integer from 0 to 2^63-1", text)
	}
	*dst = n
	return nil
}

// names are the names seen so far that are good. Files repeat their names, so most records
// need neither a check nor a new string.
type names map[string]string

// maxNames bounds what a file with endless names can make a scanner keep, about 20 MiB.
const maxNames = 1 << 16

// get returns text as a string that outlives it, or what is wrong with it as a name.
func (n names) get(text []byte) (name, problem string) {
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
	if len(n) >= maxNames {
		clear(n)
	}
	name = string(text)
	n[name] = name
	return name, ""
}

// parseCount reads a decimal integer from 0 to 2^63-1.
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

// hourOfEpoch reads seconds since the Unix epoch, with or without a fraction.
func hourOfEpoch(text []byte) (hour uint64, ok bool) {
	whole, fraction, dot := bytes.Cut(text, []byte{'.'})
	seconds, ok := parseCount(whole)
	if dot && (len(fraction) == 0 || bytes.ContainsFunc(fraction, notDigit)) {
		return 0, false
	}
	return seconds / 3600, ok
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// hourOfTimestamp reads a time in any of the ways that Zeek can write one into JSON: seconds
// with a fraction, whole milliseconds, or ISO 8601. Whole numbers from 10^11 are milliseconds:
// as seconds that would be the year 5138, as milliseconds it is 1973.
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
