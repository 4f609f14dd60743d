package flow

// Format is how a body holds its flows.
type Format uint8

const (
	// JSON is one array of flow objects.
	JSON Format = iota
	// NDJSON is one flow object on each line; empty lines are skipped.
	NDJSON
)

// Decode replaces what is in b by the flows of body, of which there may be limit. It returns
// nil, a *DecodeError or a *TooManyFlowsError; after an error b is empty. It keeps no reference
// to body.
func (b *Batch) Decode(body []byte, format Format, limit int) error {
	panic("being written")
}
