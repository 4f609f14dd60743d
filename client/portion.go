package client

import (
	"time"

	"flowd/flow"
)

// portion is a batch that is being filled.
type portion struct {
	// number is that of the batch in the order of all that the folder has seen; it is also the name
	// of its file. It is not the sequence that the server knows.
	number uint64
	body   []byte // a JSON array without its end
	flows  int
	began  time.Time // when the first flow came
	due    bool      // the keeper shall take it
	key    []byte
}

// maxFlow is what a flow takes in JSON at most: each byte of a name may need a backslash, numbers
// have 19 and 10 digits.
const maxFlow = 3*2*flow.MaxName + len(`,{"src_app":"","dest_app":"","vpc_id":"","bytes_tx":,"bytes_rx":,"hour":}]`) + 19 + 19 + 10

func (p *portion) add(f *flow.Flow) {
	separator := byte(',')
	if p.flows == 0 {
		separator = '['
	}
	p.key = flow.AppendKey(p.key[:0], f.SrcApp, f.DestApp, f.VPCID)
	row := flow.Row{Key: p.key, Totals: flow.Totals{BytesTx: f.BytesTx, BytesRx: f.BytesRx}, Hour: f.Hour}
	p.body = row.AppendJSON(append(p.body, separator))
	p.flows++
}

// takesMore reports whether any flow whatever fits.
func (p *portion) takesMore(o *Options) bool {
	return p.flows < o.BatchFlows && len(p.body)+maxFlow <= o.BatchBytes
}

// whole returns the JSON array, which shares p's memory.
func (p *portion) whole() []byte {
	p.body = append(p.body, ']')
	return p.body
}

// reset empties p and keeps its memory.
func (p *portion) reset() {
	p.body, p.flows, p.due = p.body[:0], 0, false
}
