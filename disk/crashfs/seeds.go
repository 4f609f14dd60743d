package crashfs

import (
	"os"
	"strconv"
	"testing"
)

// seedsVariable asks for more seeds than a test takes by itself.
const seedsVariable = "FLOWD_CRASH_SEEDS"

// Seeds returns how many random lives a test goes through: few, unless the environment's
// FLOWD_CRASH_SEEDS asks for another number.
func Seeds(t testing.TB, few uint64) uint64 {
	t.Helper()
	text := os.Getenv(seedsVariable)
	if text == "" {
		return few
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		t.Fatalf("%s=%q is no number of seeds", seedsVariable, text)
	}
	return n
}
