package flow

import "fmt"

// MaxFieldErrors is how many errors of one body are reported; the rest are counted.
const MaxFieldErrors = 20

// FieldError is one thing wrong with a body.
type FieldError struct {
	// Pointer is the place as a JSON pointer (RFC 6901) into the array of flows: "/3/bytes_tx"
	// is a field of the fourth flow, "/3" the flow, "" the body. A line of NDJSON counts as an
	// element of the array; empty lines do not count.
	Pointer string `json:"pointer"`
	// Detail says what is wrong and what is expected instead, for the sender.
	Detail string `json:"detail"`
}

// DecodeError refuses a body. Nothing of such a body counts.
type DecodeError struct {
	// Fields are the first MaxFieldErrors errors in the order of their places; never empty.
	Fields []FieldError
	// Omitted counts the errors found beyond those. Decoding ends at the first place where the
	// body is not JSON, so errors after that are neither listed nor counted.
	Omitted int
}

func (e *DecodeError) Error() string {
	first := e.Fields[0]
	s := fmt.Sprintf("flow: %q: %s", first.Pointer, first.Detail)
	if more := len(e.Fields) - 1 + e.Omitted; more > 0 {
		s += fmt.Sprintf(" (and %d more)", more)
	}
	return s
}

// TooManyFlowsError refuses a body that has more flows than a batch may have.
type TooManyFlowsError struct{ Limit int }

func (e *TooManyFlowsError) Error() string {
	return fmt.Sprintf("flow: more than %d flows in one batch", e.Limit)
}
