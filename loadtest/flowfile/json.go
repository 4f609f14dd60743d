package flowfile

import (
	"bytes"

	"github.com/goccy/go-json"
)

// texts takes the fields of an object as they are written, so that a number keeps its digits
// and each field can be judged by itself. Its memory is used again for the next object.
type texts = json.RawMessage

// ownObject is a flow in this program's own fields.
type ownObject struct {
	SrcApp  texts `json:"src_app"`
	DestApp texts `json:"dest_app"`
	VPCID   texts `json:"vpc_id"`
	BytesTx texts `json:"bytes_tx"`
	BytesRx texts `json:"bytes_rx"`
	Hour    texts `json:"hour"`
}

type ndjsonParser struct{ object ownObject }

func newNDJSONParser(vpc string) (parser, *schema) {
	return &ndjsonParser{}, ownSchema(vpc)
}

func (p *ndjsonParser) parse(text []byte, rec *record) error {
	o := &p.object
	o.SrcApp, o.DestApp, o.VPCID = o.SrcApp[:0], o.DestApp[:0], o.VPCID[:0]
	o.BytesTx, o.BytesRx, o.Hour = o.BytesTx[:0], o.BytesRx[:0], o.Hour[:0]
	if err := unmarshal(text, o); err != nil {
		return err
	}
	*rec = record{o.SrcApp, o.DestApp, o.VPCID, o.BytesTx, o.BytesRx, o.Hour}
	return strip(rec, ownNames, srcApp, destApp, vpcID)
}

// zeekObject is a connection as Zeek writes it into JSON. Fields that are not set are left out.
type zeekObject struct {
	Path      texts `json:"_path"`
	OrigH     texts `json:"id.orig_h"`
	RespH     texts `json:"id.resp_h"`
	VPCID     texts `json:"vpc_id"`
	OrigBytes texts `json:"orig_bytes"`
	RespBytes texts `json:"resp_bytes"`
	TS        texts `json:"ts"`
}

type zeekJSONParser struct {
	object zeekObject
	vpc    string
}

func newZeekJSONParser(vpc string) (parser, *schema) {
	return &zeekJSONParser{vpc: vpc}, &schema{
		names:     zeekNames,
		zeroUnset: true,
		hour:      hourOfTimestamp,
		notHour:   "is not a time in seconds, milliseconds or ISO 8601",
		vpc:       vpc,
	}
}

func (p *zeekJSONParser) parse(text []byte, rec *record) error {
	o := &p.object
	o.Path, o.OrigH, o.RespH, o.VPCID = o.Path[:0], o.OrigH[:0], o.RespH[:0], o.VPCID[:0]
	o.OrigBytes, o.RespBytes, o.TS = o.OrigBytes[:0], o.RespBytes[:0], o.TS[:0]
	if err := unmarshal(text, o); err != nil {
		return err
	}
	// Some sites write all of Zeek's logs into one stream, with the kind in this field.
	if len(o.Path) > 0 && string(o.Path) != `"conn"` {
		return skipFor("_path", `is not "conn"`, o.Path)
	}
	if len(o.VPCID) == 0 && p.vpc == "" {
		return ErrNoVPC
	}
	*rec = record{o.OrigH, o.RespH, o.VPCID, o.OrigBytes, o.RespBytes, o.TS}
	if len(o.TS) > 0 && o.TS[0] == '"' {
		return strip(rec, zeekNames, srcApp, destApp, vpcID, when)
	}
	return strip(rec, zeekNames, srcApp, destApp, vpcID)
}

func unmarshal(text []byte, object any) error {
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t"), []byte{'{'}) {
		return skipFor("the record", "is not a JSON object", text)
	}
	if err := json.Unmarshal(text, object); err != nil {
		return skipFor("the record", "is not valid JSON", text)
	}
	return nil
}

// strip makes the JSON of the fields into their plain texts: null and fields left out into
// nil, and of those that are strings the contents.
func strip(rec *record, names [fields]string, stringFields ...int) error {
	for field, text := range rec {
		if len(text) == 0 || string(text) == "null" {
			rec[field] = nil
		}
	}
	for _, field := range stringFields {
		if rec[field] == nil {
			continue
		}
		text, ok := unquote(rec[field])
		if !ok {
			return skipFor(names[field], "is not a string", rec[field])
		}
		rec[field] = text
	}
	return nil
}

// unquote returns the contents of a JSON string.
func unquote(text []byte) ([]byte, bool) {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return nil, false
	}
	if inner := text[1 : len(text)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, false
	}
	return []byte(s), true
}
