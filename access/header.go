package access

// bearer returns the token of an Authorization header, or nothing if there is no header. The token shares
// the memory of header. The header is well-formed if it is one token of this scheme (RFC 6750, 2.1; RFC
// 9110, 11.4):
//
//	credentials = "Bearer" 1*SP 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
func bearer(header []byte) (token []byte, wellFormed bool) {
	const scheme = "bearer"
	for len(header) > 0 && isSpace(header[0]) {
		header = header[1:]
	}
	for len(header) > 0 && isSpace(header[len(header)-1]) {
		header = header[:len(header)-1]
	}
	if len(header) == 0 {
		return nil, true
	}
	if len(header) <= len(scheme) || header[len(scheme)] != ' ' {
		return nil, false
	}
	for i := range len(scheme) {
		if header[i]|0x20 != scheme[i] {
			return nil, false
		}
	}
	token = header[len(scheme):]
	for token[0] == ' ' { // ends before the end of token: its last byte is not a space
		token = token[1:]
	}
	end := len(token)
	for end > 0 && token[end-1] == '=' {
		end--
	}
	for _, c := range token[:end] {
		if !inToken(c) {
			return nil, false
		}
	}
	return token, end > 0
}

// isSpace reports whether c is white space that may surround a header's value.
func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// inToken reports whether a token may contain c before the = at its end.
func inToken(c byte) bool {
	switch {
	case c-'0' <= 9, c|0x20 >= 'a' && c|0x20 <= 'z':
		return true
	}
	return c == '-' || c == '.' || c == '_' || c == '~' || c == '+' || c == '/'
}
