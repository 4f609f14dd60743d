package limit

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is when the clocks of the tests begin.
var start = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// at is start, and so many seconds.
func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
