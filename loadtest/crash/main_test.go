package crash

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"flowd/loadtest/faulty"
)

// asServer makes the test binary a durable server instead, for the tests that kill one.
const asServer = "FLOWLOAD_TEST_AS_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		os.Exit(faulty.Main(os.Args[1:], os.Stderr))
	}
	goleak.VerifyTestMain(m)
}
