package httpapi

import (
	"bytes"
	"strings"

	"flowd/httpapi/format"
	"flowd/httpapi/reject"

	"github.com/VictoriaMetrics/metrics"
	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

// Version says which program runs.
type Version struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
}

// live answers that the process serves.
func (s *Server) live(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType(format.JSONType)
	ctx.SetBodyString(`{"status":"ok"}`)
}

// ready answers whether the server should be sent requests, and if not, why.
func (s *Server) ready(ctx *fasthttp.RequestCtx) {
	status := s.engine.Status()
	reasons, detail := status.Reasons, status.Detail
	if s.draining.Load() {
		reasons = append([]string{"draining"}, reasons...)
		detail = strings.TrimSpace("The server is about to stop; send requests elsewhere. " + detail)
	}
	if len(reasons) > 0 {
		p := reject.Overloaded(reject.NotReady, detail)
		p.Reasons = reasons
		s.rejects.Answer(ctx, p)
		return
	}
	ctx.SetContentType(format.JSONType)
	body := []byte(`{"status":"ready"`)
	if detail != "" {
		// It takes requests all the same: this is for an operator.
		body = format.AppendJSON(append(body, `,"detail":`...), detail)
	}
	ctx.SetBody(append(body, '}'))
}

// version answers which program runs.
func (s *Server) version(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType(format.JSONType)
	ctx.SetBody(s.versionText)
}

// versionText encodes v once for all answers.
func versionText(v Version) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("three strings encode as JSON: " + err.Error())
	}
	return text
}

// exposition answers all metrics in Prometheus' text format, with those of the Go runtime and
// of the process.
func (s *Server) exposition(ctx *fasthttp.RequestCtx) {
	var page bytes.Buffer
	s.metrics.set.WritePrometheus(&page)
	metrics.WriteProcessMetrics(&page)
	metrics.WriteFDMetrics(&page)
	ctx.SetContentType("text/plain; version=0.0.4; charset=utf-8")
	// Raw, for the connection would keep a copy of the page until its end.
	ctx.Response.SetBodyRaw(page.Bytes())
}
