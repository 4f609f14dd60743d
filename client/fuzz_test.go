package client

import (
	"bytes"
	"testing"
)

// FuzzParseBatch holds that parseBatch accepts only what formatBatch writes.
func FuzzParseBatch(f *testing.F) {
	whole := formatBatch(&sealedBatch{agent: "web-1.7QXEW3A5ZB2LD", seq: 17, flows: 3, encoding: Gzip}, []byte("body"))
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte("flowd-batch 2 "))
	f.Add([]byte("flowd-batch 1 crc32c=00000000 length=-1 flows=1 encoding=none seq=1 agent=a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, body, problem := parseBatch(data)
		if problem == "" && !bytes.Equal(formatBatch(&h.batch, body), data) {
			t.Errorf("%q is read as %+v with %q", data, h.batch, body)
		}
	})
}

// FuzzParseIdentity holds that parseIdentity accepts only what formatIdentity writes.
func FuzzParseIdentity(f *testing.F) {
	f.Add(formatIdentity("web-1.7QXEW3A5ZB2LD", 65537))
	f.Add([]byte("flowd-agent 1 crc32c=00000000 next=0 agent=a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if agent, next, ok := parseIdentity(data); ok && !bytes.Equal(formatIdentity(agent, next), data) {
			t.Errorf("%q is read as %q, %d", data, agent, next)
		}
	})
}
