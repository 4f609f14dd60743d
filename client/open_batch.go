package client

import (
	"time"

	"flowd/flow"
	"flowd/flow/flowjson"
)

// openBatch is a batch that still receives flows.
type openBatch struct {
	// number is the position of the batch in the folder's history, and the name of its file. It is not
	// the sequence that the server sees.
	number    uint64
	body      []byte // a JSON array without its closing bracket
	flows     int
	startedAt time.Time // when the first flow was added
	ready     bool      // the spooler may seal it
	key       []byte
}

// maxFlow is the maximum size of a flow in JSON: each byte of a name may need a backslash, and numbers
// have 19 and 10 digits.
const maxFlow = 3*2*flow.MaxName + len(`,{"src_app":"","dest_app":"","vpc_id":"","bytes_tx":,"bytes_rx":,"hour":}]`) + 19 + 19 + 10

func (b *openBatch) add(f *flow.Flow) {
	separator := byte(',')
	if b.flows == 0 {
		separator = '['
	}
	b.key = flow.AppendKey(b.key[:0], f.SrcApp, f.DestApp, f.VPCID)
	row := flow.Row{Key: b.key, Totals: flow.Totals{BytesTx: f.BytesTx, BytesRx: f.BytesRx}, Hour: f.Hour}
	b.body = flowjson.AppendRow(append(b.body, separator), &row)
	b.flows++
}

// hasRoom reports whether a flow of any size fits.
func (b *openBatch) hasRoom(o *Options) bool {
	return b.flows < o.BatchFlows && len(b.body)+maxFlow <= o.BatchBytes
}

// closeArray completes the JSON array and returns it. It shares b's memory.
func (b *openBatch) closeArray() []byte {
	b.body = append(b.body, ']')
	return b.body
}

// reset empties b and retains its memory.
func (b *openBatch) reset() {
	b.body, b.flows, b.ready = b.body[:0], 0, false
}
