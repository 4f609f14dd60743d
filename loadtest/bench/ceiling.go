package main

import (
	"fmt"
	"io"

	"github.com/valyala/fasthttp"
)

// ceilingMode is the argument by which this program is the ceiling instead of the harness; the
// address to listen on follows.
const ceilingMode = "serve-ceiling"

// ceilingReadBuffer is the size of a connection's read buffer, the same as flowd has by default:
// it decides how many reads a body takes.
const ceilingReadBuffer = 8 << 10

// serveCeiling is the least that a server can do with a POST: read it and answer. What flowd
// does is measured against it. The answer is as long as flowd's.
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
	if err := server.ListenAndServe(addr); err != nil {
		fmt.Fprintf(stderr, "ceiling: %v\n", err)
		return 1
	}
	return 0
}
