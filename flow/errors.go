package flow

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
