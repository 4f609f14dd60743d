package loadtest

import "flowd/flow/flowjson"

// packer makes the POST of a batch, for one goroutine.
type packer struct {
	target   *target
	gen      *Generator
	format   flowjson.Format
	encoding Encoding
	compress func(dst, body []byte) []byte // nil for plain bodies

	// samples are the flows, head and body the request, all until the next pack. body is one of the
	// two buffers after it.
	samples    []Sample
	head, body []byte
	json       []byte
	compressed []byte
}

func newPacker(t *target, g *Generator, format flowjson.Format, encoding Encoding) (*packer, error) {
	compress, err := encoding.compressor()
	if err != nil {
		return nil, err
	}
	return &packer{target: t, gen: g, format: format, encoding: encoding, compress: compress}, nil
}

// pack makes the POST of batch k when the hours have moved on by so many. The same batch is the
// same bytes each time.
func (p *packer) pack(k uint64, moves int, name batchName) {
	p.samples = p.gen.DrawMoved(p.samples, k, moves)
	p.json = p.gen.Encode(p.json[:0], p.samples, p.format)
	p.body = p.json
	if p.compress != nil {
		p.compressed = p.compress(p.compressed, p.json)
		p.body = p.compressed
	}
	p.head = appendPostHead(p.head[:0], p.target, postHead{
		route: "/flows", contentType: contentType(p.format), encoding: p.encoding.header(), length: len(p.body), name: name,
	})
}

// contentType is the media type of bodies in a format.
func contentType(f flowjson.Format) string {
	if f == flowjson.NDJSON {
		return "application/x-ndjson"
	}
	return "application/json"
}
