package flowjson

import "flowd/flow"

// field numbers the members that a flow has; the names come first, in the order of a key.
type field int

const (
	srcApp field = iota
	destApp
	vpcID
	bytesTx
	bytesRx
	hour
	fields
	unknown field = -1
)

// fieldNames are the members' names, exact in case.
var fieldNames = [fields]string{"src_app", "dest_app", "vpc_id", "bytes_tx", "bytes_rx", "hour"}

// fieldMax is the largest value of a member that is a number.
var fieldMax = [fields]uint64{bytesTx: flow.MaxBytes, bytesRx: flow.MaxBytes, hour: flow.MaxHour}

func fieldOf(name []byte) field {
	switch string(name) {
	case "src_app":
		return srcApp
	case "dest_app":
		return destApp
	case "vpc_id":
		return vpcID
	case "bytes_tx":
		return bytesTx
	case "bytes_rx":
		return bytesRx
	case "hour":
		return hour
	}
	return unknown
}

// fieldAt returns the field whose name, in quotes and without escapes, body begins with, and the
// length of that. It is a short cut: what it does not know may still be a field.
func fieldAt(body []byte) (field, int) {
	if len(body) < len(`"bytes_tx"`) {
		return unknown, 0
	}
	switch body[1] {
	case 's':
		return isField(body, srcApp, `"src_app"`)
	case 'd':
		return isField(body, destApp, `"dest_app"`)
	case 'v':
		return isField(body, vpcID, `"vpc_id"`)
	case 'h':
		return isField(body, hour, `"hour"`)
	case 'b':
		if body[7] == 't' {
			return isField(body, bytesTx, `"bytes_tx"`)
		}
		return isField(body, bytesRx, `"bytes_rx"`)
	}
	return unknown, 0
}

func isField(body []byte, f field, quoted string) (field, int) {
	if string(body[:len(quoted)]) != quoted {
		return unknown, 0
	}
	return f, len(quoted)
}

// object is one flow on its way through the general path.
type object struct {
	seen    [fields]bool
	bad     bool // an error was found, so it is not added
	names   [vpcID + 1][]byte
	numbers [fields]uint64
	others  nameSet
}

// object reads any JSON value at pos as a flow: members in any order, with any white space and
// escapes, unknown members skipped. What is JSON but not a flow is an error, and reading goes on
// behind it. It reports false where the body stops being JSON.
func (d *decoder) object() bool {
	if d.pos == d.end || d.body[d.pos] != '{' {
		return d.notAnObject()
	}
	var o object
	d.pos++
	d.space()
	if d.pos < d.end && d.body[d.pos] == '}' {
		return d.complete(&o)
	}
	for d.member(&o) {
		d.space()
		switch {
		case d.pos < d.end && d.body[d.pos] == ',':
			d.pos++
			d.space()
		case d.pos < d.end && d.body[d.pos] == '}':
			return d.complete(&o)
		default:
			return d.syntax(d.here(), "',' or '}' is expected after a member")
		}
	}
	return false
}

func (d *decoder) notAnObject() bool {
	kind := d.kind()
	if !d.skip() {
		return false
	}
	d.fail(d.here(), "is "+kind+"; an object with the six fields of a flow is required")
	return true
}

// member reads a name, a colon and a value.
func (d *decoder) member(o *object) bool {
	f, length := fieldAt(d.body[d.pos:d.end])
	var name []byte
	if f == unknown {
		var ok bool
		if name, ok = d.memberName(); !ok {
			return false
		}
		f = fieldOf(name)
	}
	d.pos += length
	d.space()
	if d.pos == d.end || d.body[d.pos] != ':' {
		return d.syntax(d.here(), "':' is expected after the name of a member")
	}
	d.pos++
	d.space()
	switch {
	case f == unknown:
		if !o.others.add(name) {
			d.twice(o, string(name))
		}
		return d.skip()
	case o.seen[f]:
		d.twice(o, fieldNames[f])
		return d.skip()
	}
	o.seen[f] = true
	if f <= vpcID {
		return d.name(o, f)
	}
	return d.number(o, f)
}

// memberName reads the name of a member, whatever it is.
func (d *decoder) memberName() (name []byte, ok bool) {
	if d.pos == d.end || d.body[d.pos] != '"' {
		return nil, d.syntax(d.here(), "the name of a member, in double quotes, is expected")
	}
	name, escaped, ok := d.text()
	if escaped {
		name, _ = unescape(name)
	}
	return name, ok
}

func (d *decoder) twice(o *object, name string) {
	o.bad = true
	d.fail(d.pointer(name), "stands more than once in the flow")
}

// complete steps over the closing brace and adds the flow, if nothing is wrong with it.
func (d *decoder) complete(o *object) bool {
	d.pos++
	for f, seen := range o.seen {
		if !seen {
			o.bad = true
			d.fail(d.pointer(fieldNames[f]), "is missing")
		}
	}
	if o.bad {
		return true
	}
	k := d.used
	for _, name := range o.names {
		d.keys[k] = byte(len(name) - 1)
		k++
	}
	for _, name := range o.names {
		k += copy(d.keys[k:], name)
	}
	d.add(k, flow.Totals{BytesTx: o.numbers[bytesTx], BytesRx: o.numbers[bytesRx]}, flow.Hour(o.numbers[hour]))
	return true
}

// nameSet remembers the unknown members of a flow. There are hardly ever more than a few, but a
// hostile body may have a million, which must not take a million steps each.
type nameSet struct {
	few  [4][]byte
	n    int
	many map[string]struct{}
}

// add reports whether name is new. It keeps name.
func (s *nameSet) add(name []byte) bool {
	if s.many != nil {
		_, known := s.many[string(name)]
		s.many[string(name)] = struct{}{}
		return !known
	}
	for _, known := range s.few[:s.n] {
		if string(known) == string(name) {
			return false
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return true
	}
	s.many = map[string]struct{}{string(name): {}}
	for _, known := range s.few {
		s.many[string(known)] = struct{}{}
	}
	return true
}
