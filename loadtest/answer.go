package loadtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http/httputil"
	"strconv"
)

// The head of a response is read here, and not by fasthttp's ResponseHeader, which takes 1.7 times as long for an answer
// of flowd (1.0 and 0.6 µs) since it keeps all headers: the client would take that from the server on the same
// machine, in each request that is measured. Besides, it accepts HTTP/2.0 and a status of 999, and hides the cause of
// a failure before the first byte, by which the report counts failures.

// Answer is the head of a response; its body is still to be read.
type Answer struct {
	// Status is that of the response.
	Status  int
	length  int64 // of the unread rest; -1 when the body is chunked or ends with the connection
	chunked bool
	close   bool
}

// headLines bounds the head of a response, and what follows its last chunk.
const headLines = 128

// readTrailer reads the lines after the last chunk up to the empty one, which the chunked
// reader leaves.
func (c *Conn) readTrailer() error {
	for range headLines {
		line, err := c.readLine()
		if err != nil || len(line) == 0 {
			return err
		}
	}
	return errLongHead
}

// readHead reads status line and headers, past any interim response.
func (c *Conn) readHead() error {
	for {
		line, err := c.readLine()
		if err != nil {
			return err
		}
		status, minor, err := parseStatusLine(line)
		if err != nil {
			return err
		}
		c.answer = Answer{Status: status, length: -1, close: minor == 0}
		if err := c.readHeaders(); err != nil {
			return err
		}
		switch {
		case status == 204 || status == 304:
			c.answer.length, c.answer.chunked = 0, false
		case status >= 200 && c.answer.length < 0 && !c.answer.chunked:
			c.answer.close = true
		}
		if c.answer.chunked {
			c.chunks = httputil.NewChunkedReader(c.br)
		}
		if status >= 200 {
			return nil
		}
	}
}

func (c *Conn) readHeaders() error {
	for range headLines {
		line, err := c.readLine()
		if err != nil || len(line) == 0 {
			return err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		// The length of the name decides first: nearly every header is passed over without
		// being compared.
		switch len(name) {
		case len("Content-Length"):
			err = c.answer.takeLength(name, value)
		case len("Transfer-Encoding"):
			if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
				c.answer.chunked = bytes.EqualFold(bytes.TrimSpace(value), []byte("chunked"))
			}
		case len("Connection"):
			if bytes.EqualFold(name, []byte("Connection")) && bytes.EqualFold(bytes.TrimSpace(value), []byte("close")) {
				c.answer.close = true
			}
		}
		if err != nil {
			return err
		}
	}
	return errLongHead
}

func (a *Answer) takeLength(name, value []byte) error {
	if !bytes.EqualFold(name, []byte("Content-Length")) {
		return nil
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 62)
	if err != nil {
		return &AnswerError{fmt.Sprintf("Content-Length is %q", value)}
	}
	a.length = int64(n)
	return nil
}

// readLine reads a line without its end; it is valid until the next read.
func (c *Conn) readLine() ([]byte, error) {
	line, err := c.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, errLongHead
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// AnswerError says how an answer is not HTTP/1.
type AnswerError struct{ reason string }

func (e *AnswerError) Error() string { return "the answer is not HTTP/1: " + e.reason }

var errLongHead = &AnswerError{"its head is too long"}

// parseStatusLine reads "HTTP/1.1 200 OK".
func parseStatusLine(line []byte) (status, minor int, err error) {
	const version = "HTTP/1."
	if len(line) < len("HTTP/1.1 200") || string(line[:len(version)]) != version || line[len(version)+1] != ' ' {
		return 0, 0, &AnswerError{fmt.Sprintf("it begins with %q", line[:min(len(line), 64)])}
	}
	digits := line[len(version)+2 : len(version)+5]
	n, err := strconv.ParseUint(string(digits), 10, 16)
	if err != nil || n < 100 || n > 599 {
		return 0, 0, &AnswerError{fmt.Sprintf("its status is %q", digits)}
	}
	return int(n), int(line[len(version)] - '0'), nil
}
