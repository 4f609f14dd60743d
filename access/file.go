package access

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// MaxFile is the longest tokens file in bytes. Reading one takes about thirty times its size in memory.
	MaxFile = 32 << 20
	// MaxTokens is the most tokens and certificates that a file may have.
	MaxTokens = 100_000

	// maxProblems is the most problems that are reported one by one.
	maxProblems = 100
)

// Problem is one thing wrong with a tokens file.
type Problem struct {
	// Place is the file and line of the problem: "tokens.yaml:7".
	Place string
	// Text says what is wrong, and what is expected instead.
	Text string
}

// Error holds everything that is wrong with a tokens file; Problems is never empty. Beyond the first
// hundred problems the last one gives the number of the others.
type Error struct{ Problems []Problem }

// Error returns one line for each problem, each beginning with its place.
func (e *Error) Error() string {
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.Place+": "+p.Text)
	}
	return strings.Join(lines, "\n")
}

// Parse parses a tokens file, which errors call name:
//
//	tokens:
//	  - name: agents-eu
//	    sha256: 64 hexadecimal digits, the SHA-256 of the token
//	    scopes: [ingest]
//	    vpcs: [vpc-a, "vpc-eu-*"]       # without it all VPCs; only with scopes ingest and query
//	    expires: 2027-01-01T00:00:00Z   # without it never
//	  - name: collector
//	    certificate: collector.example.net
//	    scopes: [ingest, query]
//
// A certificate is named by its common name, or by its whole subject as in "CN=collector,O=Example" (RFC
// 2253): a text with a = is a subject. A file without entries is an error, since an empty list would let
// every client in.
//
// The error is an *Error with everything that is wrong. It quotes no text that is long enough for a token
// or a digest.
func Parse(name string, data []byte) (*List, error) {
	r := &reader{
		file: name, lines: map[string]int{},
		names: map[string]*Grant{}, subjects: map[string]*Grant{},
	}
	r.read(data)
	if r.more > 0 {
		r.problems = append(r.problems, Problem{name, fmt.Sprintf("and %d more problems", r.more)})
	}
	if len(r.problems) > 0 {
		return nil, &Error{r.problems}
	}
	return newList(r.tokens, r.names, r.subjects), nil
}

// reader parses a tokens file.
type reader struct {
	file     string
	problems []Problem
	more     int // problems beyond maxProblems, which are only counted

	tokens          []tokenGrant
	names, subjects map[string]*Grant
	// lines has the line of each name, digest and certificate, by keys such as "name agents-eu".
	lines map[string]int
}

// wrong records a problem.
func (r *reader) wrong(line int, format string, args ...any) {
	if len(r.problems) == maxProblems {
		r.more++
		return
	}
	r.problems = append(r.problems, Problem{r.file + ":" + strconv.Itoa(line), fmt.Sprintf(format, args...)})
}

// read parses the file: one document, a mapping with the one key tokens.
func (r *reader) read(data []byte) {
	if len(data) > MaxFile {
		r.problems = []Problem{{r.file, fmt.Sprintf("is no tokens file: it is longer than %d MiB", MaxFile>>20)}}
		return
	}
	root := r.document(data)
	if root == nil {
		return
	}
	keys := r.mapping(root, "a tokens file", []string{"tokens"})
	if keys == nil {
		return
	}
	tokens := keys["tokens"]
	switch {
	case tokens == nil:
		r.wrong(root.Line, `needs key "tokens", a list of tokens and what each may do`)
	case tokens.Kind != yaml.SequenceNode:
		r.wrong(tokens.Line, `tokens: is a list; each of it begins with "- name: "`)
	case len(tokens.Content) == 0:
		r.wrong(tokens.Line, "tokens: %s", noEntries)
	case len(tokens.Content) > MaxTokens:
		r.wrong(tokens.Line, "tokens: there are %d; there may be %d", len(tokens.Content), MaxTokens)
	default:
		for _, node := range tokens.Content {
			r.entry(node)
		}
	}
}

const noEntries = "there are none, so no client could do anything; to let any client do everything, start without a tokens file"

// yamlLine matches the line in an error of the YAML package, which has no type for it.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// document returns the root of the one document in data, or nil if data has none.
func (r *reader) document(data []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, more yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		r.wrong(1, "is empty: %s", noEntries)
		return nil
	}
	if err == nil {
		if err = decoder.Decode(&more); err == nil {
			r.wrong(more.Line, "a second document begins here; tokens are one document")
			return nil
		}
	}
	if !errors.Is(err, io.EOF) {
		text, line := err.Error(), 1
		if match := yamlLine.FindStringSubmatch(text); match != nil {
			text = text[len(match[0]):]
			line = max(atoi(match[1]), 1)
		}
		if strings.HasPrefix(text, "unknown anchor") { // the rest of it quotes the file
			text = "an alias (*) of something that is not there"
		}
		r.wrong(line, "is not YAML: %s", text)
		return nil
	}
	return document.Content[0]
}

// atoi returns the number that text is, or 0.
func atoi(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// mapping returns the values of node by key; keys are the allowed ones. It records a problem for each
// invalid key, and leaves that key out. It returns nil if node is not a mapping.
func (r *reader) mapping(node *yaml.Node, what string, keys []string) map[string]*yaml.Node {
	if node.Kind != yaml.MappingNode {
		r.wrong(node.Line, `%s has lines of the form "key: value" with %s`, what, strings.Join(keys, ", "))
		return nil
	}
	values := make(map[string]*yaml.Node, len(keys))
	lines := make(map[string]int, len(keys))
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		first, twice := lines[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			r.wrong(key.Line, "a key is a plain word")
		case key.Value == "token":
			r.wrong(key.Line, `unknown key "token": the file has no tokens, but of each its SHA-256, under key "sha256"`)
		case !slices.Contains(keys, key.Value):
			r.wrong(key.Line, "unknown key %s; %s has %s", shown(key.Value), what, strings.Join(keys, ", "))
		case twice:
			r.wrong(key.Line, "key %q stands on line %d already", key.Value, first)
		default:
			values[key.Value] = value
		}
		lines[key.Value] = key.Line
	}
	return values
}

// longestShown is the length in bytes up to which an error may quote a text. Tokens and digests are longer.
const longestShown = 32

// shown quotes text for an error, or gives only its length if it could be a misplaced secret.
func shown(text string) string {
	if len(text) > longestShown {
		return fmt.Sprintf("a text of %d bytes", len(text))
	}
	return strconv.Quote(text)
}
