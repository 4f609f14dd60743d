package flowjson

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"flowd/flow"
)

// err returns what was wrong with the body.
func (d *decoder) err() error {
	switch {
	case d.tooMany:
		return &TooManyFlowsError{Limit: d.limit}
	case len(d.fault.Fields) > 0:
		fault := d.fault
		return &fault
	}
	return nil
}

// fail records an error after which reading goes on.
func (d *decoder) fail(pointer, detail string) {
	if len(d.fault.Fields) == flow.MaxFieldErrors {
		d.fault.Omitted++
		return
	}
	d.fault.Fields = append(d.fault.Fields, flow.FieldError{Pointer: pointer, Detail: detail})
}

// syntax records that the body is not JSON at pos. It returns false, for its callers to return.
func (d *decoder) syntax(pointer, expected string) bool {
	found := "the end of the body"
	switch {
	case d.pos < d.end:
		found = fmt.Sprintf("%q", d.body[d.pos])
		if d.body[d.pos] >= 0x80 {
			found = fmt.Sprintf("byte 0x%02x", d.body[d.pos])
		}
	case d.end < len(d.body):
		found = "the end of the line"
	}
	d.fail(pointer, fmt.Sprintf("not JSON at byte %d, %s: %s", d.pos, found, expected))
	return false
}

// here returns the JSON pointer of the flow being read.
func (d *decoder) here() string { return "/" + strconv.Itoa(d.index) }

// pointer returns the JSON pointer of a member of that flow. A name too long to be worth
// repeating points to the flow.
func (d *decoder) pointer(name string) string {
	if len(name) > flow.MaxName {
		return d.here()
	}
	name = strings.ToValidUTF8(name, string(utf8.RuneError))
	return d.here() + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
