package wal

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// positionForm is a Position as JSON.
type positionForm struct {
	Segment *uint64 `json:"segment"`
	Group   *uint64 `json:"group"`
}

// MarshalJSON returns p as an object of two numbers, {"segment":12,"group":34}.
func (p Position) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"segment":%d,"group":%d}`, p.Segment, p.Group), nil
}

// UnmarshalJSON parses the form that MarshalJSON writes. It requires both numbers, and rejects anything
// else.
func (p *Position) UnmarshalJSON(text []byte) error {
	var form positionForm
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&form); err != nil {
		return fmt.Errorf("wal: %s is not a position: %w", text, err)
	}
	if form.Segment == nil || form.Group == nil {
		return fmt.Errorf("wal: %s is not a position: it must have a segment and a group", text)
	}
	p.Segment, p.Group = *form.Segment, *form.Group
	return nil
}
