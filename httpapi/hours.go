package httpapi

import (
	"strconv"

	"flowd/flow"
)

// hourSource encodes the hours of GET /hours.
type hourSource struct {
	hours []flow.HourTotals
	at    int // hours[at:] are not yet encoded
}

func (h *hourSource) begin(dst []byte) []byte { return append(dst, '[') }

func (h *hourSource) next(dst []byte, full int) ([]byte, bool, error) {
	for h.at < len(h.hours) {
		if len(dst) >= full {
			return dst, true, nil
		}
		if h.at > 0 {
			dst = append(dst, ',')
		}
		dst = appendHour(dst, &h.hours[h.at])
		h.at++
	}
	return dst, false, nil
}

func (h *hourSource) end() string { return "]" }

func (h *hourSource) close() {}

// appendHour appends {"hour":1,"tuples":2,"flows":3,"bytes_tx":4,"bytes_rx":5}.
func appendHour(dst []byte, h *flow.HourTotals) []byte {
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
