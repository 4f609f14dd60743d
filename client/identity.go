package client

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"math"
)

// identity assigns each batch a unique agent's name and sequence. The spooler owns it.
//
// The server takes a batch with a known sequence for a duplicate, so using a sequence twice loses flows.
// A client that finds its name in the folder continues above the stored sequence. If the folder is new,
// wiped, of another agent or not writable, it generates a new name with a random suffix instead, which
// needs no memory. The server detects a folder that was rolled back or copied to another host: it
// answers 422 or 409, and the client generates a new name.
type identity struct {
	prefix string
	spool  *spool // nil without a folder
	agent  string
	next   uint64
	// reservedUpTo is the first sequence that may be free after a crash.
	reservedUpTo uint64
}

const (
	// randomLength is the length of a name's random suffix, which has 65 bits.
	randomLength = 13
	// reservationSize is the number of sequences reserved by one write. A crash skips the rest of them;
	// there are enough for 2^48 starts.
	reservationSize = 1 << 16
)

// load continues with the stored name and sequence, or generates a new name, and reserves sequences.
func (n *identity) load() error {
	agent, next, found, err := n.spool.loadIdentity()
	if err != nil {
		return err
	}
	if found && n.matchesPrefix(agent) {
		n.agent, n.next, n.reservedUpTo = agent, next, next
	} else {
		n.generate()
	}
	return n.reserve()
}

// matchesPrefix reports whether generate can have made a name.
func (n *identity) matchesPrefix(agent string) bool {
	return len(agent) == len(n.prefix)+1+randomLength && agent[:len(n.prefix)+1] == n.prefix+"."
}

// generate sets a new random name without reserved sequences.
func (n *identity) generate() {
	n.agent, n.next, n.reservedUpTo = n.prefix+"."+rand.Text()[:randomLength], 1, 1
}

// generateEphemeral sets a new random name for this process alone, which needs no reservations.
func (n *identity) generateEphemeral() {
	n.generate()
	n.reservedUpTo = math.MaxUint64
}

// reserve records in the folder that the next sequences are used.
func (n *identity) reserve() error {
	if err := n.spool.storeIdentity(n.agent, n.reservedUpTo+reservationSize); err != nil {
		return err
	}
	n.reservedUpTo += reservationSize
	return nil
}

// assign returns the name and sequence of one more batch. It generates a new name if the server knows
// other batches under the current one, conflicting.
func (n *identity) assign(conflicting string, log *slog.Logger) (agent string, seq uint64) {
	if n.agent == "" || n.agent == conflicting {
		n.generate()
		if n.spool == nil {
			n.generateEphemeral()
		}
	}
	if n.next >= n.reservedUpTo {
		if err := n.reserve(); err != nil {
			log.Error("cannot reserve sequences in the folder; batches get a new agent's name for this run alone",
				"error", err)
			n.generateEphemeral()
		}
	}
	n.next++
	return n.agent, n.next - 1
}

// identityFormat is the content of an identity's file; next is the first free sequence.
const identityFormat = "flowd-agent 1 %s next=%d agent=%s\n"

// formatIdentity returns the content of an identity's file.
func formatIdentity(agent string, next uint64) []byte {
	return fmt.Appendf(nil, identityFormat, checksum([]byte(identityFields(agent, next))), next, agent)
}

func identityFields(agent string, next uint64) string {
	return fmt.Sprintf("next=%d agent=%s\n", next, agent)
}

// parseIdentity parses an identity's file. It returns false unless formatIdentity writes the same
// content: otherwise next cannot be trusted.
func parseIdentity(data []byte) (agent string, next uint64, ok bool) {
	var sum string
	if _, err := fmt.Sscanf(string(data), identityFormat, &sum, &next, &agent); err != nil {
		return "", 0, false
	}
	return agent, next, next > 0 && string(formatIdentity(agent, next)) == string(data)
}
