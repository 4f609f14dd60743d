package format

import "iter"

// preference is an element of Accept or Accept-Encoding: something that a client takes, and how much
// it wants it.
type preference struct {
	name   []byte
	weight int // in thousandths, from 0, which is not at all, to mostWanted
}

const mostWanted = 1000

// preferences returns the elements of a header that came with these values (RFC 9110, 12.4.2). One
// that is not well-formed is left out: it cannot be told what it asks for.
func preferences(values [][]byte) iter.Seq[preference] {
	return func(yield func(preference) bool) {
		for _, rest := range values {
			for len(rest) > 0 {
				var element []byte
				element, rest = cutUnquoted(rest, ',')
				p, ok := readPreference(element)
				if ok && !yield(p) {
					return
				}
			}
		}
	}
}

// readPreference reads a name and the parameters behind it, of which only q matters.
func readPreference(element []byte) (preference, bool) {
	name, rest := cutUnquoted(element, ';')
	p := preference{name: TrimSpace(name), weight: mostWanted}
	for len(rest) > 0 {
		var parameter []byte
		parameter, rest = cutUnquoted(rest, ';')
		key, value := cutUnquoted(parameter, '=')
		if key = TrimSpace(key); len(key) == 1 && key[0]|0x20 == 'q' {
			p.weight = readWeight(TrimSpace(value))
			break // what follows are extensions that do not exist
		}
	}
	return p, len(p.name) > 0 && p.weight >= 0
}

// readWeight reads a number from 0 to 1 with digits behind the point, of which three count. It
// returns -1 for anything else.
func readWeight(text []byte) int {
	if len(text) == 0 || text[0] != '0' && text[0] != '1' || len(text) > 1 && text[1] != '.' {
		return -1
	}
	weight := int(text[0]-'0') * mostWanted
	digit := mostWanted / 10
	for _, c := range text[min(len(text), 2):] {
		if c < '0' || c > '9' {
			return -1
		}
		weight += int(c-'0') * digit
		digit /= 10
	}
	if weight > mostWanted {
		return -1
	}
	return weight
}

// cutUnquoted cuts text around the first separator that is not in a quoted string. Without one all
// of it is before.
func cutUnquoted(text []byte, separator byte) (before, after []byte) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == separator && !quoted:
			return text[:i], text[i+1:]
		}
	}
	return text, nil
}

// TrimSpace cuts off the spaces and tabs that may stand around the parts of a header.
func TrimSpace(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t') {
		text = text[1:]
	}
	for len(text) > 0 && (text[len(text)-1] == ' ' || text[len(text)-1] == '\t') {
		text = text[:len(text)-1]
	}
	return text
}
