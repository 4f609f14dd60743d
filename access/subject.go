package access

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A subject is compared by its attributes in the order of the certificate, in this form:
//
//	length of the type (1 byte), type | length of the value (2 bytes), value | the next part ...
//
// where a type is an OID as in DER. The lengths keep a value from being mistaken for the end of its
// attribute, whatever bytes a certificate contains.

// attributeTypes maps the names of types in RFC 2253, and a few more that openssl writes, to their OIDs.
var attributeTypes = map[string]asn1.ObjectIdentifier{
	"CN":           {2, 5, 4, 3},
	"SERIALNUMBER": {2, 5, 4, 5},
	"C":            {2, 5, 4, 6},
	"L":            {2, 5, 4, 7},
	"ST":           {2, 5, 4, 8},
	"STREET":       {2, 5, 4, 9},
	"O":            {2, 5, 4, 10},
	"OU":           {2, 5, 4, 11},
	"POSTALCODE":   {2, 5, 4, 17},
	"UID":          {0, 9, 2342, 19200300, 100, 1, 1},
	"DC":           {0, 9, 2342, 19200300, 100, 1, 25},
	"EMAILADDRESS": {1, 2, 840, 113549, 1, 9, 1},
}

// Tags of DER that occur in subjects.
const (
	tagOID      = 0x06
	tagUTF8     = 0x0c
	tagNumeric  = 0x12
	tagASCII    = 0x13 // PrintableString
	tagIA5      = 0x16
	tagSequence = 0x30
	tagSet      = 0x31
)

// maxValue is the longest value of an attribute in bytes, and the longest common name.
const maxValue = 256

// appendSubject appends the subject of a certificate; raw is its DER. It returns false for a subject that
// no tokens file can name: one with several values in one attribute, or with values in other encodings than
// UTF-8 and ASCII.
func appendSubject(dst, raw []byte) ([]byte, bool) {
	parts, rest, ok := element(raw, tagSequence)
	if !ok || len(rest) > 0 {
		return nil, false
	}
	for len(parts) > 0 {
		var set, attribute, kind []byte
		if set, parts, ok = element(parts, tagSet); !ok {
			return nil, false
		}
		if attribute, rest, ok = element(set, tagSequence); !ok || len(rest) > 0 {
			return nil, false
		}
		if kind, rest, ok = element(attribute, tagOID); !ok {
			return nil, false
		}
		value, ok := textValue(rest)
		if !ok {
			return nil, false
		}
		if dst, ok = appendPart(dst, kind, value); !ok {
			return nil, false
		}
	}
	return dst, true
}

func appendPart[text []byte | string](dst, kind []byte, value text) ([]byte, bool) {
	if len(kind) > 0xff || len(value) > maxValue {
		return nil, false
	}
	dst = append(dst, byte(len(kind)))
	dst = append(dst, kind...)
	dst = append(dst, byte(len(value)>>8), byte(len(value)))
	return append(dst, value...), true
}

// textValue returns the text of the one element that der consists of.
func textValue(der []byte) ([]byte, bool) {
	if len(der) == 0 {
		return nil, false
	}
	switch der[0] {
	case tagUTF8, tagNumeric, tagASCII, tagIA5:
		value, rest, ok := element(der, der[0])
		return value, ok && len(rest) == 0
	}
	return nil, false
}

// element returns the contents of the first element of der, which must have this tag, and the bytes behind
// it.
func element(der []byte, tag byte) (contents, rest []byte, ok bool) {
	if len(der) < 2 || der[0] != tag {
		return nil, nil, false
	}
	n, der := int(der[1]), der[2:]
	if n >= 0x80 { // n-0x80 bytes of length follow
		size := n - 0x80
		if size < 1 || size > 2 || len(der) < size {
			return nil, nil, false
		}
		n = 0
		for _, b := range der[:size] {
			n = n<<8 | int(b)
		}
		der = der[size:]
	}
	if n > len(der) {
		return nil, nil, false
	}
	return der[:n], der[n:], true
}

// wrongCommonName says why name cannot be a common name. It is empty for a valid one.
func wrongCommonName(name string) string {
	switch {
	case name == "":
		return "is empty; give a common name, or a whole subject such as CN=agents-eu,O=Example"
	case len(name) > maxValue:
		return fmt.Sprintf("is %d bytes long; a common name may have %d", len(name), maxValue)
	case strings.ContainsFunc(name, unicode.IsControl):
		return "has a control character"
	}
	return ""
}

var errSubject = errors.New(`is no subject such as CN=agents-eu,O=Example: openssl x509 -noout -subject -nameopt RFC2253 prints it as is needed here`)

// parseSubject parses a subject in the form of RFC 2253, in which the last attribute of the certificate
// comes first.
func parseSubject(text string) (string, error) {
	var parts [][]byte
	for more := true; more; {
		name, rest, ok := strings.Cut(text, "=")
		if !ok {
			return "", errSubject
		}
		kind, err := attributeType(strings.Trim(name, " "))
		if err != nil {
			return "", err
		}
		var value string
		if value, text, more, err = attributeValue(rest); err != nil {
			return "", err
		}
		part, ok := appendPart(nil, kind, value)
		if !ok {
			return "", fmt.Errorf("has a value of %d bytes; there may be %d", len(value), maxValue)
		}
		parts = append(parts, part)
	}
	slices.Reverse(parts)
	return string(slices.Concat(parts...)), nil
}

// attributeType returns the DER of the OID that name stands for.
func attributeType(name string) ([]byte, error) {
	oid, known := attributeTypes[strings.ToUpper(name)]
	if !known {
		for number := range strings.SplitSeq(name, ".") {
			n, err := strconv.ParseUint(number, 10, 31)
			if err != nil {
				return nil, errSubject
			}
			oid = append(oid, int(n))
		}
	}
	der, err := asn1.Marshal(oid)
	if err != nil {
		return nil, errSubject
	}
	kind, _, ok := element(der, tagOID)
	if !ok || len(kind) > 0xff {
		return nil, errSubject
	}
	return kind, nil
}

// attributeValue returns the value at the beginning of text, the text behind the comma that ends it, and
// whether there is such a comma.
func attributeValue(text string) (value, rest string, more bool, err error) {
	text = strings.TrimLeft(text, " ")
	if strings.HasPrefix(text, "#") {
		digits, rest, more := strings.Cut(text[1:], ",")
		der, err := hex.DecodeString(strings.TrimRight(digits, " "))
		value, ok := textValue(der)
		if err != nil || !ok {
			return "", "", false, errors.New("has a value after # that is not the hexadecimal DER of a text")
		}
		return string(value), rest, more, nil
	}
	var plain []byte
	end := 0 // of plain without its trailing spaces that are not escaped
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == ',':
			return string(plain[:end]), text[i+1:], true, checkValue(plain[:end])
		case c == '+':
			return "", "", false, errors.New("has a part of several values, with a +; name the certificate by its common name")
		case strings.IndexByte(`"<>;`, c) >= 0:
			return "", "", false, fmt.Errorf(`has %q without a \ before it`, string(c))
		case c == '\\':
			char, length := escaped(text[i+1:])
			if length == 0 {
				return "", "", false, errors.New(`has a \ that is followed neither by one of ,=+<>#;"\ or a space, nor by two hexadecimal digits`)
			}
			plain = append(plain, char)
			end = len(plain)
			i += length
		default:
			plain = append(plain, c)
			if c != ' ' {
				end = len(plain)
			}
		}
	}
	return string(plain[:end]), "", false, checkValue(plain[:end])
}

// escaped returns the byte that text, which follows a backslash, stands for, and its length in text.
func escaped(text string) (c byte, length int) {
	if text == "" {
		return 0, 0
	}
	if strings.IndexByte(`,=+<>#;"\ `, text[0]) >= 0 {
		return text[0], 1
	}
	if len(text) < 2 {
		return 0, 0
	}
	n, err := hex.DecodeString(text[:2])
	if err != nil {
		return 0, 0
	}
	return n[0], 2
}

func checkValue(value []byte) error {
	switch {
	case len(value) == 0:
		return errors.New("has a part without a value")
	case !utf8.Valid(value):
		return errors.New("has a value that is not UTF-8")
	}
	return nil
}
