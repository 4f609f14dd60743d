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
		// fasthttp keeps one clock for the process, and lets what tidies up its workers sleep on
		// for some seconds after a server has stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}
