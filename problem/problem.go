// Package problem reads the answer of a server that refuses a request, as RFC 9457 has it
// (application/problem+json).
package problem

import (
	"io"
	"strings"

	"github.com/goccy/go-json"
)

// MediaType is the Content-Type of a problem.
const MediaType = "application/problem+json"

// MaxBytes is how much of a body Read reads.
const MaxBytes = 64 << 10

// Problem is what the server says. All fields are optional. Clients print the text, which may hold any
// character.
type Problem struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	// Errors are the fields of a batch that are wrong, by their places.
	Errors []FieldError `json:"errors"`
	// Reasons name why a server is not ready.
	Reasons []string `json:"reasons"`
}

// FieldError says what is wrong at a place of the request's body, a JSON Pointer.
type FieldError struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Parse returns the problem in body, of an answer with this Content-Type. ok is false if it is not a problem.
func Parse(contentType string, body []byte) (p Problem, ok bool) {
	mediaType, _, _ := strings.Cut(contentType, ";")
	if strings.TrimSpace(mediaType) != MediaType || json.Unmarshal(body, &p) != nil {
		return Problem{}, false
	}
	return p, true
}

// Read reads the problem from the first MaxBytes of an answer with this Content-Type, like Parse.
func Read(contentType string, body io.Reader) (p Problem, ok bool) {
	text, err := io.ReadAll(io.LimitReader(body, MaxBytes))
	if err != nil {
		return Problem{}, false
	}
	return Parse(contentType, text)
}

// Text returns the detail, or the title if there is no detail. It may be empty.
func (p *Problem) Text() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// Suffix returns title, detail and the first of the errors for the end of a sentence, each after a colon:
// ": Bad Request: The batch has errors: /0/hour is missing". It is empty if p is.
func (p *Problem) Suffix() string {
	var s strings.Builder
	for _, part := range []string{p.Title, p.Detail} {
		if part != "" {
			s.WriteString(": " + part)
		}
	}
	if len(p.Errors) > 0 {
		s.WriteString(": " + p.Errors[0].Pointer + " " + p.Errors[0].Detail)
	}
	return s.String()
}
