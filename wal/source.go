package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"

	"flowd/disk"
)

// source reads the frames of one segment through a window.
type source struct {
	number uint64
	file   disk.File
	size   int64
	salted uint32

	window []byte // the file's bytes from start on
	start  int64
}

// windowBytes is the number of bytes read from a file at once, unless a frame has more.
const windowBytes = 1 << 20

// openSource opens a segment's file without reading it.
func openSource(fs disk.FS, dir string, number uint64) (*source, error) {
	file, err := fs.Open(path.Join(dir, segmentName(number)))
	if err != nil {
		return nil, err
	}
	size, err := file.Size()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &source{number: number, file: file, size: size}, nil
}

// bytes returns n bytes of the file, which must have them. They are valid until the next call.
func (s *source) bytes(off, n int64) ([]byte, error) {
	if off < s.start || off+n > s.start+int64(len(s.window)) {
		want := min(max(n, windowBytes), s.size-off)
		if int64(cap(s.window)) < want {
			s.window = make([]byte, want)
		}
		s.window, s.start = s.window[:want], off
		got, err := s.file.ReadAt(s.window, off)
		if got < len(s.window) {
			s.window = s.window[:0]
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("wal: reading %d bytes of %s at offset %d: %w", want, segmentName(s.number), off, err)
		}
	}
	from := off - s.start
	return s.window[from : from+n : from+n], nil
}

// frame returns the header of the frame at off, and the reason if there is no frame: "" otherwise.
func (s *source) frame(off int64) (frame, string, error) {
	if off+frameHeader > s.size {
		return frame{}, "the file ends", nil
	}
	b, err := s.bytes(off, frameHeader)
	if err != nil {
		return frame{}, "", err
	}
	f, why := readFrame(b, s.salted)
	if why == "" && off+frameHeader+int64(f.length) > s.size {
		return f, fmt.Sprintf("the frame has %d bytes, the file ends after %d", f.size(), s.size-off), nil
	}
	return f, why, nil
}

// payload returns the payload of the frame f at off, valid until the next call of s, and the reason if it
// does not verify: "" otherwise.
func (s *source) payload(f frame, off int64) ([]byte, string, error) {
	b, err := s.bytes(off+frameHeader, int64(f.length))
	if err != nil {
		return nil, "", err
	}
	if is := crc32.Checksum(b, castagnoli); is != f.payloadSum {
		return nil, fmt.Sprintf("the CRC of the payload of group %d is %08x, its frame says %08x", f.group, is, f.payloadSum), nil
	}
	return b, "", nil
}

// witness summarises the valid headers behind a frame that does not verify.
type witness struct {
	first   uint64 // group of the first of them; 0 without any
	durable uint64 // the highest durable of them
	at      int64  // offset of that one
	end     int64  // offset behind the last of them
}

// scan looks for headers of frames from off on, at each place where one may begin, of groups from low to
// high. A valid header proves its fields, even if its payload is torn.
func (s *source) scan(off int64, low, high uint64) (witness, error) {
	var w witness
	for off+frameHeader <= s.size {
		n := min(s.size-off, windowBytes)
		b, err := s.bytes(off, n)
		if err != nil {
			return w, err
		}
		next := off + (n-frameHeader)/frameAlign*frameAlign + frameAlign
		for at := int64(0); at+frameHeader <= n; at += frameAlign {
			// Zeros and the remains of a dropped segment make up most bytes here; the group number alone rules
			// them out.
			if group := binary.LittleEndian.Uint64(b[at+16:]); group < low || group > high {
				continue
			}
			if !frameVerifies(b[at:at+frameHeader], s.salted) {
				continue
			}
			f, _ := readFrame(b[at:at+frameHeader], s.salted)
			if w.first == 0 {
				w.first = f.group
			}
			if f.durable > w.durable {
				w.durable, w.at = f.durable, off+at
			}
			w.end = min(off+at+f.size(), s.size)
			next = off + at + f.size()
			break
		}
		off = next
	}
	return w, nil
}

// close closes the file.
func (s *source) close() error { return s.file.Close() }
