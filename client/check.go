package client

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"flowd/flow"
)

// FlowError is a flow that no server takes, since it breaks a limit of the contract.
type FlowError struct {
	// Field is the name in JSON of what is wrong.
	Field string
	// Wrong says what is wrong with it, and what is required.
	Wrong string
}

func (e *FlowError) Error() string { return "client: " + e.Field + " " + e.Wrong }

// check returns what is wrong with f as a *FlowError, or nil. One bad flow would make the server
// refuse its whole batch.
func check(f *flow.Flow) error {
	if usual(f.SrcApp) && usual(f.DestApp) && usual(f.VPCID) &&
		f.BytesTx <= flow.MaxBytes && f.BytesRx <= flow.MaxBytes && f.Hour <= flow.MaxHour {
		return nil
	}
	for _, name := range []struct{ field, text string }{{"src_app", f.SrcApp}, {"dest_app", f.DestApp}, {"vpc_id", f.VPCID}} {
		if wrong := wrongName(name.text); wrong != "" {
			return &FlowError{name.field, wrong}
		}
	}
	for _, number := range []struct {
		field       string
		value, most uint64
	}{
		{"bytes_tx", f.BytesTx, flow.MaxBytes}, {"bytes_rx", f.BytesRx, flow.MaxBytes}, {"hour", uint64(f.Hour), flow.MaxHour},
	} {
		if number.value > number.most {
			return &FlowError{number.field, fmt.Sprintf("is %d; 0 to %d are required", number.value, number.most)}
		}
	}
	return nil
}

// usual reports whether name is good and ASCII, as nearly all are.
func usual(name string) bool {
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

// wrongName says what is wrong with a name, or nothing.
func wrongName(name string) string {
	switch {
	case len(name) == 0 || len(name) > flow.MaxName:
		return fmt.Sprintf("is %d bytes long; 1 to %d are required", len(name), flow.MaxName)
	case !utf8.ValidString(name):
		return "is not valid UTF-8"
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return fmt.Sprintf("has the control character U+%04X; none is allowed", r)
		}
	}
	return ""
}
