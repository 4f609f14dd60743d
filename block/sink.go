package block

import (
	"fmt"
	"hash/crc32"
	"io"

	"flowd/disk"
)

// castagnoli is the polynomial of CRC-32C, which processors compute themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sinkBuffer is how much is written, or read, at a time.
const sinkBuffer = 256 << 10

// sink writes a file from its start, in large pieces, and sums up what goes through it.
type sink struct {
	file disk.File
	// name is for errors.
	name string
	// buf is what was not yet written, from at on: at most sinkBuffer bytes.
	buf  []byte
	at   int64
	size int64
	crc  uint32
	// section is the checksum since the last call of cut.
	section uint32
	// kept is what was written since the call of keep.
	keeping bool
	kept    []byte
}

func newSink(file disk.File, name string) *sink {
	return &sink{file: file, name: name}
}

// Write appends p.
func (s *sink) Write(p []byte) (int, error) {
	s.crc = crc32.Update(s.crc, castagnoli, p)
	s.section = crc32.Update(s.section, castagnoli, p)
	s.size += int64(len(p))
	if s.keeping {
		s.kept = append(s.kept, p...)
	}
	if len(s.buf)+len(p) > sinkBuffer {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) > sinkBuffer {
		if err := s.put(p); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	s.buf = append(s.buf, p...)
	return len(p), nil
}

func (s *sink) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	err := s.put(s.buf)
	s.buf = s.buf[:0]
	return err
}

// put appends p.
func (s *sink) put(p []byte) error {
	n, err := s.file.WriteAt(p, s.at)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("block: write %s at byte %d: %w", s.name, s.at, err)
	}
	s.at += int64(n)
	return nil
}

// cut ends a section, and returns the checksum of its bytes.
func (s *sink) cut() uint32 {
	crc := s.section
	s.section = 0
	return crc
}

// keep makes the sink keep what is written from now on.
func (s *sink) keep() { s.keeping = true }

// finish writes what is left and makes the file's content durable.
func (s *sink) finish() error {
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("block: sync %s: %w", s.name, err)
	}
	return nil
}
