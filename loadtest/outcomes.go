package loadtest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"flowd/problem"
)

// Outcomes counts the requests that were not answered with 200, by the way in which they ended. The zero value is
// ready to use. One goroutine at a time may use it.
type Outcomes struct {
	statuses map[int]*outcome    // by status of the answer
	failures map[string]*outcome // requests without an answer, by kind
}

// outcome counts one way in which requests ended, with the first text that came with it.
type outcome struct {
	count   uint64
	example string
}

// ErrorCount counts requests that ended in one way: with a status that is not 200, or without
// an answer in a way that Kind names.
type ErrorCount struct {
	Status int    `json:"status,omitempty"`
	Kind   string `json:"kind,omitempty"`
	Count  uint64 `json:"count"`
	// Example is what one of them came with.
	Example string `json:"example"`
}

// AddStatus counts a request that was answered with another status than 200, and detail in the body.
func (o *Outcomes) AddStatus(status int, detail []byte) {
	count(&o.statuses, status, 1, string(detail))
}

// AddFailure counts a request that had no answer because of err.
func (o *Outcomes) AddFailure(err error) { count(&o.failures, failureKind(err), 1, err.Error()) }

func count[K comparable](m *map[K]*outcome, key K, n uint64, example string) {
	if *m == nil {
		*m = make(map[K]*outcome)
	}
	if (*m)[key] == nil {
		(*m)[key] = &outcome{example: example}
	}
	(*m)[key].count += n
}

// Merge adds the requests of from to o.
func (o *Outcomes) Merge(from *Outcomes) {
	for status, one := range from.statuses {
		count(&o.statuses, status, one.count, one.example)
	}
	for kind, one := range from.failures {
		count(&o.failures, kind, one.count, one.example)
	}
}

// Count returns the number of requests that were not answered with 200.
func (o *Outcomes) Count() uint64 {
	var n uint64
	for _, one := range o.statuses {
		n += one.count
	}
	for _, one := range o.failures {
		n += one.count
	}
	return n
}

// List returns the counts, statuses first, each group in a fixed order.
func (o *Outcomes) List() []ErrorCount {
	list := []ErrorCount{}
	for status, one := range o.statuses {
		list = append(list, ErrorCount{Status: status, Count: one.count, Example: one.explain()})
	}
	for kind, one := range o.failures {
		list = append(list, ErrorCount{Kind: kind, Count: one.count, Example: one.example})
	}
	slices.SortFunc(list, func(a, b ErrorCount) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Status, b.Status))
	})
	return list
}

// explain returns the example, or of a problem document (RFC 9457) only its text.
func (o *outcome) explain() string {
	said, _ := problem.Parse(problem.MediaType, []byte(o.example))
	if said.Text() == "" {
		return o.example
	}
	return strings.TrimPrefix(said.Suffix(), ": ")
}

// The kinds of failure.
const (
	failedConnect = "connect"
	failedTimeout = "timeout"
	failedClosed  = "connection closed"
	failedAnswer  = "not HTTP"
	failedOther   = "other"
)

func failureKind(err error) string {
	var notSent *NotSentError
	var answer *AnswerError
	switch {
	case errors.As(err, &notSent):
		return failedConnect
	case errors.As(err, &answer):
		return failedAnswer
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failedTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return failedClosed
	}
	return failedOther
}

// Name returns the status, or the kind of failure.
func (e *ErrorCount) Name() string {
	if e.Status != 0 {
		return fmt.Sprintf("status %d", e.Status)
	}
	return e.Kind
}

// WriteErrors appends a line for each of errors; what names one request, such as "post".
func WriteErrors(b *strings.Builder, what string, errors []ErrorCount) {
	for _, e := range errors {
		fmt.Fprintf(b, "failed\t%s: %s, such as: %s\n", Plural(int(e.Count), what), e.Name(), OneLine(e.Example))
	}
}
