package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/valyala/fasthttp"
)

// ceilingMode is the argument by which this program is the ceiling instead of the harness; the
// address to listen on follows.
const ceilingMode = "serve-ceiling"

// ceilingReadBuffer is the size of a connection's read buffer, the same as flowd has by default:
// it decides how many reads a body takes.
const ceilingReadBuffer = 8 << 10

// serveCeiling is the least that a server can do with a POST: read it and answer. What flowd
// does is measured against it. The answer is as long as flowd's. It serves until SIGTERM.
func serveCeiling(addr string, stderr io.Writer) int {
	answer := []byte(`{"accepted":1000,"duplicate":false}`)
	server := &fasthttp.Server{
		ReadBufferSize: ceilingReadBuffer,
		Handler: func(ctx *fasthttp.RequestCtx) {
			_ = ctx.PostBody()
			ctx.SetContentType("application/json")
			ctx.SetBody(answer)
		},
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	served := make(chan error, 1)
	go func() { served <- server.ListenAndServe(addr) }()
	select {
	case err := <-served:
		fmt.Fprintf(stderr, "ceiling: %v\n", err)
		return 1
	case <-stop:
		return 0
	}
}
