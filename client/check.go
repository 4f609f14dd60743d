package client

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"flowd/flow"
)

// FlowError describes a flow that no server accepts, since it breaks a limit of the API.
type FlowError struct {
	// Field is the JSON name of the invalid field.
	Field string
	// Reason says what is wrong with it, and what is required.
	Reason string
}

func (e *FlowError) Error() string { return "client: " + e.Field + " " + e.Reason }

// checkFlow returns a *FlowError if f is invalid, or nil. One invalid flow would make the server refuse
// its whole batch.
func checkFlow(f *flow.Flow) error {
	if isPlainASCII(f.SrcApp) && isPlainASCII(f.DestApp) && isPlainASCII(f.VPCID) &&
		f.BytesTx <= flow.MaxBytes && f.BytesRx <= flow.MaxBytes && f.Hour <= flow.MaxHour {
		return nil
	}
	for _, name := range []struct{ field, text string }{{"src_app", f.SrcApp}, {"dest_app", f.DestApp}, {"vpc_id", f.VPCID}} {
		if problem := nameProblem(name.text); problem != "" {
			return &FlowError{name.field, problem}
		}
	}
	for _, number := range []struct {
		field        string
		value, limit uint64
	}{
		{"bytes_tx", f.BytesTx, flow.MaxBytes}, {"bytes_rx", f.BytesRx, flow.MaxBytes}, {"hour", uint64(f.Hour), flow.MaxHour},
	} {
		if number.value > number.limit {
			return &FlowError{number.field, fmt.Sprintf("is %d; 0 to %d are required", number.value, number.limit)}
		}
	}
	return nil
}

// isPlainASCII reports whether name is valid and printable ASCII, as nearly all are.
func isPlainASCII(name string) bool {
	if len(name) == 0 || len(name) > flow.MaxName {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// nameProblem says what is wrong with a name; it is empty for a valid one.
func nameProblem(name string) string {
	switch {
	case len(name) == 0 || len(name) > flow.MaxName:
		return fmt.Sprintf("is %d bytes long; 1 to %d are required", len(name), flow.MaxName)
	case !utf8.ValidString(name):
		return "is not valid UTF-8"
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return fmt.Sprintf("has the control character U+%04X, which is not allowed", r)
		}
	}
	return ""
}
