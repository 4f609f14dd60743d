package httpapi

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"flowd/flow"
)

// getHours answers what hours there are.
func (s *Server) getHours(ctx *fasthttp.RequestCtx) {
	s.answerWhole(ctx, func() (source, error) {
		hours, err := s.engine.Hours()
		return &list[flow.HourTotals]{punctuation: punctuate(jsonFormat, ""), write: writeHour, rows: hours}, err
	})
}

// writeHour appends {"hour":1,"tuples":2,"flows":3,"bytes_tx":4,"bytes_rx":5}.
func writeHour(h *flow.HourTotals, dst []byte) []byte {
	dst = append(dst, `{"hour":`...)
	dst = strconv.AppendUint(dst, uint64(h.Hour), 10)
	dst = append(dst, `,"tuples":`...)
	dst = strconv.AppendUint(dst, h.Tuples, 10)
	dst = append(dst, `,"flows":`...)
	dst = strconv.AppendUint(dst, h.Flows, 10)
	dst = append(dst, `,"bytes_tx":`...)
	dst = strconv.AppendUint(dst, h.Totals.BytesTx, 10)
	dst = append(dst, `,"bytes_rx":`...)
	dst = strconv.AppendUint(dst, h.Totals.BytesRx, 10)
	return append(dst, '}')
}
