package client

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(asAgent); dir != "" {
		os.Exit(agentMain(dir))
	}
	goleak.VerifyTestMain(m,
		// fasthttp runs one clock for the process, and its cleaner of workers sleeps
		// for some seconds after a server has stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}
