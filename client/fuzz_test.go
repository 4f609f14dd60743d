package client

import (
	"bytes"
	"testing"
)

// What is read as a batch is what would be written for it, whatever a file has.
func FuzzParseBatch(f *testing.F) {
	whole := formatBatch(&parcel{agent: "web-1.7QXEW3A5ZB2LD", seq: 17, flows: 3, encoding: Gzip}, []byte("body"))
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte("flowd-batch 2 "))
	f.Add([]byte("flowd-batch 1 crc32c=00000000 length=-1 flows=1 encoding=none seq=1 agent=a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, body, wrong := parseBatch(text)
		if wrong == "" && !bytes.Equal(formatBatch(&h.parcel, body), text) {
			t.Errorf("%q is read as %+v with %q", text, h.parcel, body)
		}
	})
}

// The same goes for the file of names and numbers.
func FuzzParseNames(f *testing.F) {
	f.Add(formatNames("web-1.7QXEW3A5ZB2LD", 65537))
	f.Add([]byte("flowd-agent 1 crc32c=00000000 next=0 agent=a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if agent, next, ok := parseNames(text); ok && !bytes.Equal(formatNames(agent, next), text) {
			t.Errorf("%q is read as %q, %d", text, agent, next)
		}
	})
}
