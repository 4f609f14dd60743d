// Package flowjson reads and writes flows as JSON: one array of objects, or one object on each line. It
// makes no garbage, and is several times as fast as a general decoder, since nearly all flows come in one
// shape.
package flowjson

import (
	"bytes"

	"flowd/flow"
)

// Format is how a body holds its flows.
type Format uint8

const (
	// JSON is one array of flow objects.
	JSON Format = iota
	// NDJSON is one flow object on each line; empty lines are skipped.
	NDJSON
)

// Decode replaces what is in b by the flows of body, of which there may be limit. It returns
// nil, a *DecodeError or a *TooManyFlowsError; after an error b is empty. It keeps no reference
// to body, and makes no garbage but for errors.
func Decode(b *flow.Batch, body []byte, format Format, limit int) error {
	b.Reset()
	// No flow is shorter than the slot of its key, or than its key: so keys never outgrow the body
	// by more than what is written behind the last one, and need no check.
	if need := len(body) + flow.KeySlot; cap(b.Keys) < need {
		b.Keys = make([]byte, 0, need)
	}
	if most := min(len(body)/minFlow+1, limit); cap(b.Items) < most {
		b.Items = make([]flow.Item, 0, most)
	}
	d := decoder{
		keys: b.Keys[:cap(b.Keys)], items: b.Items[:cap(b.Items)],
		body: body, end: len(body), limit: limit,
	}
	if format == NDJSON {
		d.lines()
	} else {
		d.array()
	}
	if err := d.err(); err != nil {
		b.Reset()
		return err
	}
	b.Keys, b.Items = d.keys[:d.used], d.items[:d.taken]
	return nil
}

// decoder walks a body once. A flow is first tried in the shape that agents usually send
// (usual.go); one that differs in any way is read again from its first byte by the general path
// (object.go), which knows all of JSON and finds the errors.
type decoder struct {
	keys  []byte // the batch's keys at full capacity, of which used bytes are filled
	used  int
	items []flow.Item // the same of its items
	taken int

	body []byte
	pos  int
	end  int // where the body, or the line being read, ends

	limit   int
	index   int  // of the flow being read
	tooMany bool // there are more flows than limit
	fault   DecodeError
}

// array reads a JSON array of flows with nothing but white space around it.
func (d *decoder) array() {
	d.space()
	switch {
	case d.pos == d.end:
		d.syntax("", "the body is empty; a JSON array of flows is expected")
		return
	case d.body[d.pos] != '[':
		d.syntax("", "a JSON array of flows is expected; flows without an array, one per line, "+
			"are application/x-ndjson")
		return
	}
	d.pos++
	d.space()
	if d.pos < d.end && d.body[d.pos] == ']' {
		d.finish()
		return
	}
	for d.flow() {
		// Nearly always the comma and the next brace follow at once.
		if d.pos+1 < d.end && d.body[d.pos] == ',' && d.body[d.pos+1] == '{' {
			d.pos++
			continue
		}
		d.space()
		switch {
		case d.pos < d.end && d.body[d.pos] == ',':
			d.pos++
			d.space()
		case d.pos < d.end && d.body[d.pos] == ']':
			d.finish()
			return
		default:
			d.syntax("", "',' or ']' is expected after a flow")
			return
		}
	}
}

// finish steps over the array's bracket and sees to it that nothing follows.
func (d *decoder) finish() {
	d.pos++
	d.space()
	if d.pos != d.end {
		d.syntax("", "nothing may follow the array")
	}
}

// lines reads one flow from each line. A line that is not JSON spoils only itself, so that all
// bad lines of a body are reported at once.
func (d *decoder) lines() {
	for d.pos < len(d.body) && !d.tooMany {
		d.end = len(d.body)
		read := d.usual()
		if read && d.lineEnds() {
			continue
		}
		if i := bytes.IndexByte(d.body[d.pos:], '\n'); i >= 0 {
			d.end = d.pos + i
		}
		d.space()
		if !read && d.pos < d.end {
			read = d.general()
			d.space()
		}
		if read && d.pos < d.end {
			d.index--
			d.syntax(d.here(), "one flow per line is expected, and nothing after it")
			d.index++
		}
		d.pos = d.end + 1
	}
}

// lineEnds steps over the end of the line if it is what comes next.
func (d *decoder) lineEnds() bool {
	p := d.pos
	if p < len(d.body) && d.body[p] == '\r' {
		p++
	}
	if p < len(d.body) && d.body[p] != '\n' {
		return false
	}
	d.pos = p + 1
	return true
}

// flow reads the flow that begins at pos. It reports false when no more can be read after it:
// the body stops being JSON there, or there are too many flows.
func (d *decoder) flow() bool {
	return d.usual() || d.general()
}

// general does the same for a flow that is not in the usual shape.
func (d *decoder) general() bool {
	if d.index == d.limit {
		d.tooMany = true
		return false
	}
	ok := d.object()
	d.index++
	return ok
}

// add appends the flow whose key was written to keys from used up to keyEnd.
func (d *decoder) add(keyEnd int, totals flow.Totals, hour flow.Hour) {
	n := keyEnd - d.used
	*(*[flow.KeySlot]byte)(d.keys[keyEnd:]) = [flow.KeySlot]byte{}
	d.items[d.taken] = flow.Item{
		Totals:  totals,
		Hour:    hour,
		KeyFrom: uint32(d.used),
		KeyLen:  uint16(n),
	}
	d.taken++
	d.used += max(n, flow.KeySlot)
}

// minFlow is the length in bytes of the shortest flow in JSON.
const minFlow = len(`{"src_app":"a","dest_app":"b","vpc_id":"c","bytes_tx":0,"bytes_rx":0,"hour":0}`)
