package httpapi

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"flowd/flow"
)

// getLedger answers the account of all flows: that of the whole, then that of each hour.
func (s *Server) getLedger(ctx *fasthttp.RequestCtx) {
	s.answerWhole(ctx, func() (source, error) {
		ledger, err := s.engine.Ledger()
		return ledgerList(&ledger), err
	})
}

func ledgerList(l *flow.Ledger) source {
	whole := appendAccount([]byte{'{'}, &l.Account)
	whole = append(whole, `,"balanced":`...)
	whole = strconv.AppendBool(whole, balanced(&l.Account))
	whole = append(whole, `,"hours":[`...)
	return &list[flow.HourAccount]{
		punctuation: punctuation{open: string(whole), between: ",", end: "]}"},
		write:       writeHourAccount, rows: l.Hours,
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
	dst = appendSum(dst, t.BytesTx)
	dst = append(dst, `,"bytes_rx":`...)
	dst = appendSum(dst, t.BytesRx)
	return append(dst, '}')
}

// appendSum appends s in decimal. Hardly any is as large as 2^64.
func appendSum(dst []byte, s flow.Sum) []byte {
	if s.Hi == 0 {
		return strconv.AppendUint(dst, s.Lo, 10)
	}
	return append(dst, s.String()...)
}
