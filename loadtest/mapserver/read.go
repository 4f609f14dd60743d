package mapserver

import (
	"bytes"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	path := string(ctx.Path())
	switch {
	case !ready:
		ctx.Error("recovering", fasthttp.StatusServiceUnavailable)
	case path == "/readyz":
	case path == "/flows" && ctx.IsPost():
		s.post(ctx)
	case path == "/flows":
		s.get(ctx)
	case path == "/hours" && !s.faults.NoLedger:
		s.mu.Lock()
		defer s.mu.Unlock()
		answer(ctx, s.table.lines())
	case path == "/ledger" && !s.faults.NoLedger:
		s.mu.Lock()
		defer s.mu.Unlock()
		l := s.table.ledger()
		if s.faults.Ledger != nil {
			s.faults.Ledger(l)
		}
		answer(ctx, l)
	default:
		ctx.Error("no such path", fasthttp.StatusNotFound)
	}
}

func decode(ctx *fasthttp.RequestCtx) ([]Row, error) {
	body, err := ctx.Request.BodyUncompressed()
	if err != nil {
		return nil, err
	}
	var flows []Row
	if string(ctx.Request.Header.ContentType()) == "application/json" {
		err := json.Unmarshal(body, &flows)
		return flows, err
	}
	for line := range bytes.Lines(body) {
		var f Row
		if err := json.Unmarshal(line, &f); err != nil {
			return nil, err
		}
		flows = append(flows, f)
	}
	return flows, nil
}

func (s *Server) get(ctx *fasthttp.RequestCtx) {
	number, err := ctx.QueryArgs().GetUint("hour")
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusBadRequest)
		return
	}
	rows := []Row{}
	s.mu.Lock()
	if h := s.table.hours[uint32(number)]; h != nil {
		for k, t := range h.tuples {
			rows = append(rows, Row{k.src, k.dest, k.vpc, t.tx, t.rx, uint32(number)})
		}
	}
	s.mu.Unlock()
	if s.faults.List != nil {
		rows = s.faults.List(rows)
	}
	answer(ctx, rows)
}

func answer(ctx *fasthttp.RequestCtx, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(body)
}
