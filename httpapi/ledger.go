package httpapi

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/httpapi/format"
)

// getLedger answers the account of all flows: that of the whole, then that of each hour.
func (s *Server) getLedger(ctx *fasthttp.RequestCtx) {
	s.answerWhole(ctx, func() (format.Source, error) {
		ledger, err := s.engine.Ledger()
		return ledgerList(&ledger), err
	})
}

func ledgerList(l *flow.Ledger) format.Source {
	whole := appendAccount([]byte{'{'}, &l.Account)
	whole = append(whole, `,"balanced":`...)
	whole = strconv.AppendBool(whole, balanced(&l.Account))
	whole = append(whole, `,"hours":[`...)
	return &format.List[flow.HourAccount]{
		Punctuation: format.Punctuation{Open: string(whole), Between: ",", End: "]}"},
		Write:       writeHourAccount, Rows: l.Hours,
	}
}

func writeHourAccount(h *flow.HourAccount, dst []byte) []byte {
	dst = append(dst, `{"hour":`...)
	dst = strconv.AppendUint(dst, uint64(h.Hour), 10)
	dst = append(dst, ',')
	return append(appendPartial(appendAccount(dst, &h.Account), h.ExpiredBefore), '}')
}

// balanced reports whether the account comes out even, in flows and in bytes each way.
func balanced(a *flow.Account) bool {
	sum := a.Stored
	sum.Add(a.Duplicate)
	sum.Add(a.Rejected)
	sum.Add(a.Expired)
	return a.Received == sum
}

// appendAccount appends the members of an account, without braces around them.
func appendAccount(dst []byte, a *flow.Account) []byte {
	dst = appendTally(append(dst, `"received":`...), &a.Received)
	dst = appendTally(append(dst, `,"stored":`...), &a.Stored)
	dst = appendTally(append(dst, `,"duplicate":`...), &a.Duplicate)
	dst = appendTally(append(dst, `,"rejected":`...), &a.Rejected)
	dst = appendTally(append(dst, `,"expired":`...), &a.Expired)
	return appendTally(append(dst, `,"folded":`...), &a.Folded)
}

// appendTally appends {"flows":1,"bytes_tx":2,"bytes_rx":3}.
func appendTally(dst []byte, t *flow.Tally) []byte {
	dst = append(dst, `{"flows":`...)
	dst = strconv.AppendUint(dst, t.Flows, 10)
	dst = append(dst, `,"bytes_tx":`...)
	dst = format.AppendSum(dst, t.BytesTx)
	dst = append(dst, `,"bytes_rx":`...)
	dst = format.AppendSum(dst, t.BytesRx)
	return append(dst, '}')
}
