// Package quiet keeps what libraries log before main runs off the operator's screen: the metrics
// library reports, whenever it is loaded on a machine without pressure figures, that it will not
// show them, and so even "flowd version" would write to stderr.
//
// To import it is enough. Of packages that are ready, Go initializes the first by import path,
// and "flowd/..." is before "github.com/...". The server gives package log its own output.
package quiet

import (
	"io"
	"log"
)

var _ = discard()

func discard() bool {
	log.SetOutput(io.Discard)
	return true
}
