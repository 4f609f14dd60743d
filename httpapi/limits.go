package httpapi

import (
	"time"

	"flowd/limit"
)

// Limits bound what clients can make the server hold or wait for. All must be positive, but
// QueueWait, which may be 0, and those that say what a 0 is. The names in the comments
// are those of the settings, as the answers to clients give them.
type Limits struct {
	// BodyBytes is the largest body as it was sent (max-body-bytes), DecodedBytes the largest
	// once it is decompressed (max-decoded-bytes). Both are at most 1 GiB; beyond them is 413.
	BodyBytes, DecodedBytes int
	// Flows is the most flows of one batch (max-flows); beyond is 413.
	Flows int
	// HeaderBytes is the longest request line and headers together (max-header-bytes); beyond
	// is 431. Every open connection holds this many bytes.
	HeaderBytes int
	// InflightBytes is the most memory for bodies, as sent and decompressed, over all requests
	// at once (max-inflight-bytes); beyond is 503.
	InflightBytes int64
	// Connections is how many may be open at once (max-connections); one more is answered 503
	// and closed.
	Connections int
	// ConnectionsPerAddress is how many may be open at once from one address
	// (max-connections-per-address); 0 is no bound of its own.
	ConnectionsPerAddress int
	// Rates are how many flows and bytes a second each client may send (rate-flows and the others);
	// beyond is 429. Of up to RateClients it is known what they sent (rate-clients).
	Rates       limit.Rates
	RateClients int
	// Slots is how many batches the engine lends at once. Where they become scarce each client gets
	// its share of them; beyond it is 503.
	Slots int
	// Queries is how many reads may be under way at once (max-queries), each until the last byte of
	// its answer is written; beyond is 503.
	Queries int
	// Groups is the most rows that a read may hold at once, to add them up or to sort them
	// (max-groups); beyond is 400.
	Groups int
	// QueueWait is how long a POST may wait for a batch to come free (queue-wait); then it is
	// answered 503.
	QueueWait time.Duration
	// ReadTimeout is the longest time for the headers and the body of a request to arrive, and
	// for a new connection to begin one (read-timeout); then it is 408.
	ReadTimeout time.Duration
	// WriteTimeout is the longest time for the client to take in a part of an answer, of at most
	// 128 KiB (write-timeout). However long the whole takes, a client that goes on reading is
	// not cut off.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection may stay open between two requests (idle-timeout).
	IdleTimeout time.Duration
}

// DefaultLimits are those of the contract, and for the rest what a small server stands.
func DefaultLimits() Limits {
	return Limits{
		BodyBytes:     4 << 20,
		DecodedBytes:  16 << 20,
		Flows:         50_000,
		HeaderBytes:   8 << 10,
		InflightBytes: 256 << 20,
		Connections:   20_000,
		RateClients:   100_000,
		Slots:         1024,
		Queries:       32,
		Groups:        1_000_000,
		QueueWait:     time.Second,
		ReadTimeout:   30 * time.Second,
		WriteTimeout:  30 * time.Second,
		IdleTimeout:   2 * time.Minute,
	}
}
