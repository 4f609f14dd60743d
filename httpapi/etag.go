package httpapi

import (
	"encoding/binary"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"flowd/httpapi/format"
	"flowd/query"
)

// maxTag is the longest tag that appendTag makes.
const maxTag = len(`W/"-"`) + 2*13

// appendTag appends the entity tag of the answer to q in a type. It is weak, for it stands for the
// same rows in whatever order and encoding they come. A version of the hour never comes again, so
// equal tags of one address are equal answers; the rest tells those of different formats apart.
func appendTag(dst []byte, version uint64, q *query.Query, t *format.Type) []byte {
	var room [256]byte
	text := appendQuestion(append(room[:0], t.Name...), q)
	dst = append(dst, `W/"`...)
	dst = strconv.AppendUint(dst, version, 36)
	dst = append(dst, '-')
	dst = strconv.AppendUint(dst, xxhash.Sum64(text), 36)
	return append(dst, '"')
}

// appendQuestion appends what tells q from others.
func appendQuestion(dst []byte, q *query.Query) []byte {
	dst = binary.AppendUvarint(dst, uint64(q.From))
	dst = binary.AppendUvarint(dst, uint64(q.To))
	for f := range q.Match {
		for _, kept := range [...][]string{q.Match[f].Names, q.Match[f].Prefixes} {
			dst = binary.AppendUvarint(dst, uint64(len(kept)))
			for _, name := range kept {
				dst = binary.AppendUvarint(dst, uint64(len(name)))
				dst = append(dst, name...)
			}
		}
	}
	dst = append(dst, flag(q.Grouped), byte(q.GroupBy), flag(q.ByHour), byte(q.Order.By), flag(q.Order.Descending))
	return binary.AppendUvarint(dst, uint64(q.Limit))
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}
