package loadtest

import "strconv"

// PostHead is what the head of a POST says.
type PostHead struct {
	// Route is a path below the target's.
	Route                 string
	ContentType, Encoding string
	// Length is that of the body.
	Length int
	// Name is that of the batch.
	Name BatchName
}

// BatchName names a batch, so that a server counts it once: by a key or, where that is empty, by
// agent and sequence. The zero value is no name.
type BatchName struct {
	Key   string
	Agent string
	Seq   uint64
}

// AppendPost appends the head of a POST.
func AppendPost(dst []byte, t *Target, p PostHead) []byte {
	dst = append(dst, "POST "...)
	dst = append(dst, t.path...)
	dst = append(dst, p.Route...)
	if t.path+p.Route == "" {
		dst = append(dst, '/')
	}
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, t.host...)
	dst = t.appendToken(dst)
	dst = append(dst, "\r\nUser-Agent: flowload\r\nContent-Type: "...)
	dst = append(dst, p.ContentType...)
	if p.Encoding != "" {
		dst = append(dst, "\r\nContent-Encoding: "...)
		dst = append(dst, p.Encoding...)
	}
	dst = p.Name.append(dst)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(p.Length), 10)
	return append(dst, "\r\n\r\n"...)
}

// append appends the headers that say the name, each after the end of a line.
func (n *BatchName) append(dst []byte) []byte {
	switch {
	case n.Key != "":
		dst = append(dst, "\r\nIdempotency-Key: "...)
		return append(dst, n.Key...)
	case n.Agent != "":
		dst = append(dst, "\r\nFlowd-Agent: "...)
		dst = append(dst, n.Agent...)
		dst = append(dst, "\r\nFlowd-Seq: "...)
		return strconv.AppendUint(dst, n.Seq, 10)
	}
	return dst
}

// AppendGet appends the head of a GET of route, a path below the target's.
func AppendGet(dst []byte, t *Target, route string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, t.path...)
	dst = append(dst, route...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, t.host...)
	dst = t.appendToken(dst)
	return append(dst, "\r\nUser-Agent: flowload\r\n\r\n"...)
}

// appendToken appends the header with the target's token, if it has one, after the end of a line.
func (t *Target) appendToken(dst []byte) []byte {
	if t.token == "" {
		return dst
	}
	return append(append(dst, "\r\nAuthorization: Bearer "...), t.token...)
}
