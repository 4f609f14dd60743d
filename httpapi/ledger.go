package httpapi

import (
	"strconv"

	"flowd/flow"
)

// ledgerSource encodes the account of GET /ledger: that of the whole, then that of each hour.
type ledgerSource struct {
	ledger flow.Ledger
	at     int // ledger.Hours[at:] are not yet encoded
}

func (l *ledgerSource) begin(dst []byte) []byte {
	dst = appendAccount(append(dst, '{'), &l.ledger.Account)
	dst = append(dst, `,"balanced":`...)
	dst = strconv.AppendBool(dst, balanced(&l.ledger.Account))
	return append(dst, `,"hours":[`...)
}

func (l *ledgerSource) next(dst []byte, full int) ([]byte, bool, error) {
	hours := l.ledger.Hours
	for l.at < len(hours) {
		if len(dst) >= full {
			return dst, true, nil
		}
		if l.at > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"hour":`...)
		dst = strconv.AppendUint(dst, uint64(hours[l.at].Hour), 10)
		dst = append(dst, ',')
		dst = append(appendAccount(dst, &hours[l.at].Account), '}')
		l.at++
	}
	return dst, false, nil
}

func (l *ledgerSource) end() string { return "]}" }

func (l *ledgerSource) close() {}

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
	return appendTally(append(dst, `,"expired":`...), &a.Expired)
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
