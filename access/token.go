package access

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// NewToken returns a new unique token: 32 random bytes in base64url after the prefix "flowd_", by which
// secret scanners recognise it.
func NewToken() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it never fails
	return "flowd_" + base64.RawURLEncoding.EncodeToString(secret[:])
}

// Entry returns the entry of a tokens file that gives grant to the holder of token, each line indented by
// indent:
//
//   - name: agents-eu
//     sha256: ...
//     scopes: [ingest]
//
// The entry does not contain the token itself. The error says what is wrong with grant.
func Entry(token string, grant *Grant, indent string) ([]byte, error) {
	digest := sha256.Sum256([]byte(token))
	entry := entryText{
		Name: grant.Name, SHA256: hex.EncodeToString(digest[:]),
		Scopes: grant.Scopes.names(), VPCs: grant.VPCs.patterns(),
	}
	if !grant.Expires.IsZero() {
		end := grant.Expires.UTC().Truncate(time.Second)
		entry.Expires = &end
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode([]entryText{entry}), encoder.Close()); err != nil {
		return nil, err
	}
	lines := indent + strings.ReplaceAll(strings.TrimSuffix(text.String(), "\n"), "\n", "\n"+indent) + "\n"
	list, err := Parse("", []byte("tokens:\n"+lines))
	if bad := (*Error)(nil); errors.As(err, &bad) {
		return nil, errors.New(bad.Problems[0].Text)
	}
	if !list.grants(token, grant) {
		return nil, errors.New("vpcs: cannot be written as YAML in a way that would be read as the same")
	}
	return []byte(lines), nil
}

// grants reports whether the holder of token has grant, whose end counts in whole seconds.
func (l *List) grants(token string, grant *Grant) bool {
	given := *grant
	given.Expires = grant.Expires.UTC().Truncate(time.Second)
	got := l.ofToken([]byte(token))
	return got != nil && reflect.DeepEqual(*got, given)
}

// entryText is an entry as it is encoded in YAML.
type entryText struct {
	Name    string     `yaml:"name"`
	SHA256  string     `yaml:"sha256"`
	Scopes  []string   `yaml:"scopes,flow"`
	VPCs    []string   `yaml:"vpcs,flow,omitempty"`
	Expires *time.Time `yaml:"expires,omitempty"`
}

// patterns returns the patterns that ParseVPCs parses as v; none for all VPCs.
func (v *VPCs) patterns() []string {
	patterns := append([]string(nil), v.Names...)
	for _, prefix := range v.Prefixes {
		patterns = append(patterns, prefix+"*")
	}
	return patterns
}

var errNoPlace = errors.New("has a form to which nothing can be added without changing the rest; add the entry by hand")

// Append returns the tokens file data with one more entry at its end. It leaves the text of data unchanged.
// Empty data becomes a new file. The error is an *Error if data is not a tokens file; otherwise it says
// what is wrong with grant.
func Append(name string, data []byte, token string, grant *Grant) ([]byte, error) {
	var first yaml.Node
	isNew := errors.Is(yaml.NewDecoder(bytes.NewReader(data)).Decode(&first), io.EOF)
	before, indent := &List{}, "  "
	if !isNew {
		var err error
		if before, err = Parse(name, data); err != nil {
			return nil, err
		}
		indent = strings.Repeat(" ", first.Content[0].Content[1].Column-1)
	}
	if before.has(grant.Name) {
		return nil, fmt.Errorf("%s has an entry called %q already; choose another name", name, grant.Name)
	}
	entry, err := Entry(token, grant, indent)
	if err != nil {
		return nil, err
	}
	text := bytes.Clone(data)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	if isNew {
		text = append(text, "tokens:\n"...)
	}
	text = append(text, entry...)
	// Not every file can be added to by lines at its end: a list in brackets cannot.
	after, err := Parse(name, text)
	if err != nil || after.Len() != before.Len()+1 || !after.grants(token, grant) {
		return nil, fmt.Errorf("%s %w", name, errNoPlace)
	}
	return text, nil
}

// has reports whether one of the grants has that name.
func (l *List) has(name string) bool {
	for _, t := range l.tokens {
		if t.grant.Name == name {
			return true
		}
	}
	for _, certificates := range []map[string]*Grant{l.names, l.subjects} {
		for _, grant := range certificates {
			if grant.Name == name {
				return true
			}
		}
	}
	return false
}
