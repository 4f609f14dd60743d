package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"flowd/flow"
	"flowd/loadtest/flowfile"
)

// fileSource is the flows of files, one file after the other. A file that cannot be read ends
// with an error of its own; the others are read all the same.
type fileSource struct {
	names   []string // still to be read
	opts    flowfile.Options
	stdin   io.Reader
	readBar *readBar

	name    string // of the file being read
	file    *os.File
	scanner *flowfile.Scanner // nil between files

	used    uint64 // records of the file being read that were flows
	skipped flowfile.Skipped
	useless []string // files that were read to their end without one flow
	errs    []error
}

// Next implements replay.Source.
func (s *fileSource) Next() bool {
	for {
		if s.scanner == nil && !s.open() {
			return false
		}
		if s.scanner != nil && s.scanner.Next() {
			s.used++
			return true
		}
		s.close(true)
	}
}

// Flow implements replay.Source.
func (s *fileSource) Flow() *flow.Flow { return s.scanner.Flow() }

// Err implements replay.Source.
func (s *fileSource) Err() error { return errors.Join(s.errs...) }

// open begins the next file. It returns false if no file is left; of a file that cannot be
// opened it keeps the error.
func (s *fileSource) open() bool {
	if len(s.names) == 0 {
		return false
	}
	s.name, s.names = s.names[0], s.names[1:]
	in := s.stdin
	if s.name == "-" {
		s.name = "standard input"
	} else {
		file, err := os.Open(s.name)
		if err != nil {
			s.errs = append(s.errs, err)
			return true
		}
		s.file, in = file, file
	}
	s.scanner = flowfile.New(s.readBar.count(in), s.opts)
	return true
}

// close ends the file being read, if any, and counts what was skipped of it. Ended says that it
// was read to its end, or as far as it can be.
func (s *fileSource) close(ended bool) {
	if s.scanner != nil {
		s.skipped.Add(s.name, s.scanner.Skipped())
		if err := s.scanner.Err(); err != nil {
			s.errs = append(s.errs, s.explain(err))
		} else if s.used == 0 && ended {
			s.useless = append(s.useless, s.name)
		}
		s.scanner, s.used = nil, 0
	}
	if s.file != nil {
		// It was only read.
		_ = s.file.Close()
		s.file = nil
	}
}

// explain says which file it was, and what to do where that is known.
func (s *fileSource) explain(err error) error {
	if errors.Is(err, flowfile.ErrNoVPC) {
		return fmt.Errorf("%s: %w: give one with --vpc", s.name, err)
	}
	return fmt.Errorf("%s: %w", s.name, err)
}

// readBar shows how far the reading of the files has come. A nil one shows nothing.
type readBar struct{ bar *progressbar.ProgressBar }

// newReadBar returns a bar that is drawn on w, of as many bytes as the files have; nil if w is.
func newReadBar(w io.Writer, names []string) *readBar {
	if w == nil {
		return nil
	}
	total := int64(0)
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			total = -1 // the size is not known
			break
		}
		total += info.Size()
	}
	return &readBar{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetSpinnerChangeInterval(0), // it moves with the bytes, not by itself
		progressbar.OptionClearOnFinish(),
	)}
}

// count returns a reader of r whose bytes move the bar.
func (b *readBar) count(r io.Reader) io.Reader {
	if b == nil {
		return r
	}
	return &countedReader{r, b.bar}
}

// clear takes the bar away.
func (b *readBar) clear() {
	if b != nil {
		// A bar that cannot be drawn is no reason to fail.
		_ = b.bar.Clear()
	}
}

type countedReader struct {
	io.Reader
	bar *progressbar.ProgressBar
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	_ = r.bar.Add(n) // it fails where a file has grown, which does no harm
	return n, err
}
