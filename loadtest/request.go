package loadtest

import "strconv"

// postHead is what the head of a POST says.
type postHead struct {
	// route is a path below the target's.
	route                 string
	contentType, encoding string
	// length is that of the body.
	length int
	name   batchName
}

// batchName names a batch, so that a server counts it once: by a key or, where that is empty, by
// agent and sequence. The zero value is no name.
type batchName struct {
	key   string
	agent string
	seq   uint64
}

// appendPostHead appends the head of a POST.
func appendPostHead(dst []byte, t *target, p postHead) []byte {
	dst = append(dst, "POST "...)
	dst = append(dst, t.path...)
	dst = append(dst, p.route...)
	if t.path+p.route == "" {
		dst = append(dst, '/')
	}
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, t.host...)
	dst = t.appendToken(dst)
	dst = append(dst, "\r\nUser-Agent: flowload\r\nContent-Type: "...)
	dst = append(dst, p.contentType...)
	if p.encoding != "" {
		dst = append(dst, "\r\nContent-Encoding: "...)
		dst = append(dst, p.encoding...)
	}
	dst = p.name.append(dst)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(p.length), 10)
	return append(dst, "\r\n\r\n"...)
}

// append appends the headers that say the name, each after the end of a line.
func (n *batchName) append(dst []byte) []byte {
	switch {
	case n.key != "":
		dst = append(dst, "\r\nIdempotency-Key: "...)
		return append(dst, n.key...)
	case n.agent != "":
		dst = append(dst, "\r\nFlowd-Agent: "...)
		dst = append(dst, n.agent...)
		dst = append(dst, "\r\nFlowd-Seq: "...)
		return strconv.AppendUint(dst, n.seq, 10)
	}
	return dst
}

// appendGetHead appends the head of a GET of route, a path below the target's.
func appendGetHead(dst []byte, t *target, route string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, t.path...)
	dst = append(dst, route...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, t.host...)
	dst = t.appendToken(dst)
	return append(dst, "\r\nUser-Agent: flowload\r\n\r\n"...)
}

// appendToken appends the header with the target's token, if it has one, after the end of a line.
func (t *target) appendToken(dst []byte) []byte {
	if t.token == "" {
		return dst
	}
	return append(append(dst, "\r\nAuthorization: Bearer "...), t.token...)
}
