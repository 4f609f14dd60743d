// Package problem reads the answer of a server that refuses a request, as RFC 9457 has it
// (application/problem+json).
package problem

import (
	"errors"
	"io"

	"github.com/goccy/go-json"
)

// MediaType is the Content-Type of a problem.
const MediaType = "application/problem+json"

// MaxBytes is how much of a body Read reads.
const MaxBytes = 64 << 10

// Problem is what the server says. Clients print its text, which may hold any character.
type Problem struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	// Reasons name why a server is not ready.
	Reasons []string `json:"reasons"`
}

var errEmpty = errors.New("problem: it has neither detail nor title")

// Text returns the detail, or the title if there is no detail.
func (p Problem) Text() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// Read reads a problem from the first MaxBytes of a body. One without any text is an error.
func Read(body io.Reader) (Problem, error) {
	var p Problem
	data, err := io.ReadAll(io.LimitReader(body, MaxBytes))
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err == nil && p.Text() == "" {
		err = errEmpty
	}
	if err != nil {
		return Problem{}, err
	}
	return p, nil
}
