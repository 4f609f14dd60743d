package loadtest

import "strconv"

// appendPostHead appends the head of a POST to route, a path below the target's, with a body
// of length bytes.
func appendPostHead(dst []byte, t *target, route, contentType, encoding string, length int) []byte {
	dst = append(dst, "POST "...)
	dst = append(dst, t.path...)
	dst = append(dst, route...)
	if t.path+route == "" {
		dst = append(dst, '/')
	}
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, t.host...)
	dst = append(dst, "\r\nUser-Agent: flowload\r\nContent-Type: "...)
	dst = append(dst, contentType...)
	if encoding != "" {
		dst = append(dst, "\r\nContent-Encoding: "...)
		dst = append(dst, encoding...)
	}
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(length), 10)
	return append(dst, "\r\n\r\n"...)
}

// appendGetHead appends the head of a GET of route, a path below the target's.
func appendGetHead(dst []byte, t *target, route string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, t.path...)
	dst = append(dst, route...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, t.host...)
	return append(dst, "\r\nUser-Agent: flowload\r\n\r\n"...)
}
