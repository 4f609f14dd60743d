package loadtest

import "flowd/flow/flowjson"

// Packer makes the POST of a batch, for one goroutine.
type Packer struct {
	target   *Target
	gen      *Generator
	format   flowjson.Format
	encoding Encoding
	compress func(dst, body []byte) []byte // nil for plain bodies

	// Samples are the flows, and Head and Body the request, all until the next Pack. Body is one of the
	// two buffers after it.
	Samples    []Sample
	Head, Body []byte
	json       []byte
	compressed []byte
}

// NewPacker returns a packer of the batches of g.
func NewPacker(t *Target, g *Generator, format flowjson.Format, encoding Encoding) (*Packer, error) {
	compress, err := encoding.compressor()
	if err != nil {
		return nil, err
	}
	return &Packer{target: t, gen: g, format: format, encoding: encoding, compress: compress}, nil
}

// Pack makes the POST of batch k after the hours have moved on by moves. The same batch is the
// same bytes each time.
func (p *Packer) Pack(k uint64, moves int, name BatchName) {
	p.Samples = p.gen.DrawMoved(p.Samples, k, moves)
	p.json = p.gen.Encode(p.json[:0], p.Samples, p.format)
	p.Body = p.json
	if p.compress != nil {
		p.compressed = p.compress(p.compressed, p.json)
		p.Body = p.compressed
	}
	p.Head = AppendPost(p.Head[:0], p.target, PostHead{
		Route: "/flows", ContentType: ContentType(p.format), Encoding: p.encoding.header(), Length: len(p.Body), Name: name,
	})
}

// ContentType is the media type of bodies in a format.
func ContentType(f flowjson.Format) string {
	if f == flowjson.NDJSON {
		return "application/x-ndjson"
	}
	return "application/json"
}
