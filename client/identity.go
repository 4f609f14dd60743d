package client

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"math"
)

// identity names batches: by an agent's name that nobody else has, and a number that no other batch
// of that name has or had. It belongs to the keeper.
//
// The server takes a batch whose number it knows for one that counts already, so to use a number
// twice loses flows. A client that finds its numbers in the folder goes on above them. One that
// cannot be sure of them, for the folder is new, was wiped, is of another agent, or cannot be
// written to, takes a name that was never used, which needs no memory: what follows the prefix is
// chance. A folder that is set back to an older state, or two hosts with copies of one, are found
// out by the server: it answers 422 or 409, and the client takes a new name from then on.
type identity struct {
	prefix string
	folder *spool // nil without one
	agent  string
	next   uint64
	// reserved is the first number that is not known to be free after a crash.
	reserved uint64
}

const (
	// chanceLength is how much of a name is chance: 65 bits of it.
	chanceLength = 13
	// block is how many numbers are reserved by one write. What a crash leaves of them is skipped;
	// there are enough for 2^48 starts.
	block = 1 << 16
)

// load goes on with the name and the numbers in the folder, or begins new ones there.
func (n *identity) load() error {
	agent, next, found, err := n.folder.loadNames()
	if err != nil {
		return err
	}
	if found && n.ours(agent) {
		n.agent, n.next, n.reserved = agent, next, next
	} else {
		n.fresh()
	}
	return n.reserve()
}

// ours reports whether a name is one that fresh can have made.
func (n *identity) ours(agent string) bool {
	return len(agent) == len(n.prefix)+1+chanceLength && agent[:len(n.prefix)+1] == n.prefix+"."
}

// fresh takes a name that was never used, of which no number is reserved.
func (n *identity) fresh() {
	n.agent, n.next, n.reserved = n.prefix+"."+rand.Text()[:chanceLength], 1, 1
}

// unkept takes a name that was never used and will not be used again.
func (n *identity) unkept() {
	n.fresh()
	n.reserved = math.MaxUint64
}

// reserve makes the folder remember that the next block of numbers is used.
func (n *identity) reserve() error {
	if err := n.folder.storeNames(n.agent, n.reserved+block); err != nil {
		return err
	}
	n.reserved += block
	return nil
}

// take returns the name of one more batch. If the server knows other batches under the name so far,
// strange, the new batch gets another one.
func (n *identity) take(strange string, log *slog.Logger) (agent string, seq uint64) {
	if n.agent == "" || n.agent == strange {
		n.fresh()
		if n.folder == nil {
			n.unkept()
		}
	}
	if n.next >= n.reserved {
		if err := n.reserve(); err != nil {
			log.Error("the folder cannot keep which numbers are used; batches get a new agent's name that is used for this run alone",
				"error", err)
			n.unkept()
		}
	}
	n.next++
	return n.agent, n.next - 1
}

// namesForm is what the file of an identity says: the next number is the first that is free.
const namesForm = "flowd-agent 1 %s next=%d agent=%s\n"

// formatNames returns the content of an identity's file.
func formatNames(agent string, next uint64) []byte {
	return fmt.Appendf(nil, namesForm, checksumText([]byte(namesText(agent, next))), next, agent)
}

func namesText(agent string, next uint64) string {
	return fmt.Sprintf("next=%d agent=%s\n", next, agent)
}

// parseNames reads it. It returns false for one that formatNames does not write so: its numbers
// cannot be trusted.
func parseNames(text []byte) (agent string, next uint64, ok bool) {
	var sum string
	if _, err := fmt.Sscanf(string(text), namesForm, &sum, &next, &agent); err != nil {
		return "", 0, false
	}
	return agent, next, next > 0 && string(formatNames(agent, next)) == string(text)
}
