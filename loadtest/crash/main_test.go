package crash

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"flowd/loadtest/mapserver"
)

// asServer makes the test binary a durable server instead, for the tests that kill one.
const asServer = "FLOWLOAD_TEST_AS_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		os.Exit(mapserver.Main(os.Args[1:], os.Stderr))
	}
	goleak.VerifyTestMain(m,
		// fasthttp keeps the time of day for its Date header from its first request on.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}
