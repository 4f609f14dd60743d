package flowfile

import (
	"bytes"

	"github.com/goccy/go-json"
)

// rawJSON retains the text of a field, so that a number keeps its digits and each field is checked
// separately. The next object reuses its memory.
type rawJSON = json.RawMessage

// flowdObject is a flow in flowd's own fields.
type flowdObject struct {
	SrcApp  rawJSON `json:"src_app"`
	DestApp rawJSON `json:"dest_app"`
	VPCID   rawJSON `json:"vpc_id"`
	BytesTx rawJSON `json:"bytes_tx"`
	BytesRx rawJSON `json:"bytes_rx"`
	Hour    rawJSON `json:"hour"`
}

type ndjsonParser struct{ object flowdObject }

func newNDJSONParser(vpc string) (parser, *schema) {
	return &ndjsonParser{}, flowdSchema(vpc)
}

func (p *ndjsonParser) parse(text []byte, rec *record) error {
	o := &p.object
	o.SrcApp, o.DestApp, o.VPCID = o.SrcApp[:0], o.DestApp[:0], o.VPCID[:0]
	o.BytesTx, o.BytesRx, o.Hour = o.BytesTx[:0], o.BytesRx[:0], o.Hour[:0]
	if err := unmarshal(text, o); err != nil {
		return err
	}
	*rec = record{o.SrcApp, o.DestApp, o.VPCID, o.BytesTx, o.BytesRx, o.Hour}
	return decodeFields(rec, flowdNames, srcApp, destApp, vpcID)
}

// zeekObject is a connection as Zeek writes it in JSON. Zeek omits fields that are not set.
type zeekObject struct {
	Path      rawJSON `json:"_path"`
	OrigH     rawJSON `json:"id.orig_h"`
	RespH     rawJSON `json:"id.resp_h"`
	VPCID     rawJSON `json:"vpc_id"`
	OrigBytes rawJSON `json:"orig_bytes"`
	RespBytes rawJSON `json:"resp_bytes"`
	TS        rawJSON `json:"ts"`
}

type zeekJSONParser struct {
	object zeekObject
	vpc    string
}

func newZeekJSONParser(vpc string) (parser, *schema) {
	return &zeekJSONParser{vpc: vpc}, &schema{
		names:       zeekNames,
		unsetIsZero: true,
		hour:        hourOfTimestamp,
		hourProblem: "is not a time in seconds, milliseconds or ISO 8601",
		defaultVPC:  vpc,
	}
}

func (p *zeekJSONParser) parse(text []byte, rec *record) error {
	o := &p.object
	o.Path, o.OrigH, o.RespH, o.VPCID = o.Path[:0], o.OrigH[:0], o.RespH[:0], o.VPCID[:0]
	o.OrigBytes, o.RespBytes, o.TS = o.OrigBytes[:0], o.RespBytes[:0], o.TS[:0]
	if err := unmarshal(text, o); err != nil {
		return err
	}
	// Some sites write all Zeek logs into one stream, with the log's name in this field.
	if len(o.Path) > 0 && string(o.Path) != `"conn"` {
		return newSkipError("_path", `is not "conn"`, o.Path)
	}
	if len(o.VPCID) == 0 && p.vpc == "" {
		return ErrNoVPC
	}
	*rec = record{o.OrigH, o.RespH, o.VPCID, o.OrigBytes, o.RespBytes, o.TS}
	if len(o.TS) > 0 && o.TS[0] == '"' {
		return decodeFields(rec, zeekNames, srcApp, destApp, vpcID, timestamp)
	}
	return decodeFields(rec, zeekNames, srcApp, destApp, vpcID)
}

func unmarshal(text []byte, object any) error {
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t"), []byte{'{'}) {
		return newSkipError("the record", "is not a JSON object", text)
	}
	if err := json.Unmarshal(text, object); err != nil {
		return newSkipError("the record", "is not valid JSON", text)
	}
	return nil
}

// decodeFields replaces the JSON of each field by its text: nil for null or an absent field, the
// contents for the fields that must be strings.
func decodeFields(rec *record, names [numFields]string, stringFields ...int) error {
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
			return newSkipError(names[field], "is not a string", rec[field])
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
