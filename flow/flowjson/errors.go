package flowjson

import (
	"fmt"

	"flowd/flow"
)

// DecodeError refuses a body. Nothing of such a body counts.
type DecodeError struct {
	// Fields are the first flow.MaxFieldErrors errors in the order of their places; never empty.
	Fields []flow.FieldError
	// Omitted counts the errors found beyond those. Decoding ends at the first place where the
	// body is not JSON, so errors after that are neither listed nor counted.
	Omitted int
}

func (e *DecodeError) Error() string {
	first := e.Fields[0]
	s := fmt.Sprintf("flowjson: %q: %s", first.Pointer, first.Detail)
	if more := len(e.Fields) - 1 + e.Omitted; more > 0 {
		s += fmt.Sprintf(" (and %d more)", more)
	}
	return s
}

// TooManyFlowsError refuses a body that has more flows than a batch may have.
type TooManyFlowsError struct{ Limit int }

func (e *TooManyFlowsError) Error() string {
	return fmt.Sprintf("flowjson: more than %d flows in one batch", e.Limit)
}
