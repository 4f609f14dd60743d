package flow

import (
	"errors"
	"fmt"
	"net/netip"
)

// Origin names a batch, so that it counts once however often it is sent: by Key, or by Agent and
// Seq, never both. The zero value is a batch without a name, which counts each time it is sent.
type Origin struct {
	// Client is who sent the batch, as far as the server knows; up to 128 bytes, or none. Keys and
	// agents of different clients have nothing to do with each other.
	Client string
	// Key is the client's own name of the batch: 1 to MaxIdempotencyKey bytes of visible ASCII.
	Key string
	// Agent is a sender that numbers its batches: 1 to MaxAgent bytes of visible ASCII.
	Agent string
	// Seq is the number of the batch, from 1, if Agent is given.
	Seq uint64
	// Sender is the client whose share of a common resource the batch counts against. Records do not keep it.
	Sender Sender
}

// Sender is a client as limits see it.
type Sender struct {
	// Name is that of its token, or none.
	Name string
	// Address is the 4 bytes of its IPv4 address, or the first 8 of its IPv6 address, as one host may
	// have a whole network of those. It does not matter for one with a name.
	Address string
}

// String returns the name, or the address or network, or nothing if neither is known.
func (s Sender) String() string {
	switch raw := []byte(s.Address); {
	case s.Name != "":
		return s.Name
	case len(raw) == 4:
		return netip.AddrFrom4([4]byte(raw)).String()
	case len(raw) == 8:
		return netip.PrefixFrom(netip.AddrFrom16([16]byte(append(raw, make([]byte, 8)...))), 64).String()
	}
	return ""
}

// Limits of an Origin.
const (
	MaxClient         = 128
	MaxIdempotencyKey = 128
	MaxAgent          = 64
	// SeqWindow is how many sequences an agent may have under way.
	SeqWindow = 64
)

// Named reports whether the batch counts once.
func (o *Origin) Named() bool { return o.Key != "" || o.Agent != "" }

// Check returns what is wrong with o, in words for an operator, or nil.
func (o *Origin) Check() error {
	switch {
	case len(o.Client) > MaxClient:
		return fmt.Errorf("flow: a client of %d bytes: at most %d are allowed", len(o.Client), MaxClient)
	case o.Key != "" && o.Agent != "":
		return errors.New("flow: a batch has both a key and an agent")
	case !visible(o.Key, MaxIdempotencyKey):
		return fmt.Errorf("flow: the key %q: at most %d bytes of visible ASCII are allowed", o.Key, MaxIdempotencyKey)
	case !visible(o.Agent, MaxAgent):
		return fmt.Errorf("flow: the agent %q: at most %d bytes of visible ASCII are allowed", o.Agent, MaxAgent)
	case (o.Agent == "") != (o.Seq == 0):
		return fmt.Errorf("flow: the agent %q with the sequence %d: an agent numbers its batches from 1", o.Agent, o.Seq)
	}
	return nil
}

// visible reports whether text is visible ASCII of at most that many bytes.
func visible(text string, most int) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return len(text) <= most
}

// Receipt is what became of a batch that counts.
type Receipt struct {
	// Duplicate says that the batch counts since it was sent before, and nothing was added.
	Duplicate bool
}

// Errors of appending a batch. After any but ErrInDoubt nothing of it counts.
var (
	// ErrReused refuses a name that was used for other flows.
	ErrReused = errors.New("flow: the name of the batch was used for other flows")
	// ErrTooOld refuses a sequence that is SeqWindow or more behind the agent's highest.
	ErrTooOld = errors.New("flow: the sequence is too old to tell whether it was counted")
	// ErrTooManyHours refuses a batch with more hours than the server keeps.
	ErrTooManyHours = errors.New("flow: the batch has more hours than are kept")
	// ErrInDoubt is the failure of the very write that a batch was part of. Whether the batch
	// counts is known after the next start.
	ErrInDoubt = errors.New("flow: the log failed while the batch was written to it")
)

// HoursError refuses a batch for the hours that it is of. Nothing of it counts.
type HoursError struct {
	// Bound is the setting that they are beyond: "max-hours" or "max-ahead".
	Bound string
	// Detail is a sentence for the client: what is the case, and what to do.
	Detail string
	// Fields are the first MaxFieldErrors hours that are wrong by themselves, and Omitted counts the
	// rest.
	Fields  []FieldError
	Omitted int
}

func (e *HoursError) Error() string { return "flow: " + e.Bound + ": " + e.Detail }

// BatchTooLargeError refuses a batch that no segment of the log has room for. Nothing of it counts.
type BatchTooLargeError struct {
	// Bytes is how many bytes the batch may take in the log, and Most how many a segment has room for.
	Bytes, Most int64
}

func (e *BatchTooLargeError) Error() string {
	return fmt.Sprintf("flow: the batch takes up to %d bytes in the log, and a segment has room for %d", e.Bytes, e.Most)
}

// UnavailableError refuses a batch, or a question, for a reason of the server's own.
type UnavailableError struct {
	// Reason is a word for metrics and /readyz: "disk-full", "log-failed", "recovering".
	Reason string
	// Detail is a sentence for the client: what is the case, and what to do.
	Detail string
}

func (e *UnavailableError) Error() string { return "flow: " + e.Reason + ": " + e.Detail }
