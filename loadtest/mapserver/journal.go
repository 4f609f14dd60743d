package mapserver

import (
	"bufio"
	"errors"
	"io"
	"os"

	"github.com/goccy/go-json"
)

// record is a batch as the journal holds it: a line of JSON. The name and the flows are one
// record, so that no crash keeps one without the other.
type record struct {
	Name  string `json:"name"`
	Flows []Row  `json:"flows"`
}

// journal is the file that a durable server keeps its batches in, one line after the other.
type journal struct {
	file *os.File
	// held is how many of the last records are kept back in this process, which is the fault of a
	// server that answers before it has written: so many are lost whenever it is killed.
	held    int
	waiting [][]byte
}

// openJournal opens the file at path, made if need be, and calls each with every line of it. A last
// line that was not written to its end is cut off: it was never answered.
func openJournal(path string, each func(*record)) (*journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	whole, err := replay(bufio.NewReader(file), each)
	if err == nil {
		err = file.Truncate(whole)
	}
	if err == nil {
		_, err = file.Seek(whole, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &journal{file: file}, nil
}

// replay returns how many bytes of r are whole lines.
func replay(r *bufio.Reader, each func(*record)) (whole int64, err error) {
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return 0, err
		}
		var rec record
		if err := json.Unmarshal(line, &rec); err != nil {
			return 0, err
		}
		each(&rec)
		whole += int64(len(line))
	}
}

// append writes a record, and returns when it is on disk.
func (j *journal) append(r *record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	j.waiting = append(j.waiting, append(line, '\n'))
	return j.write(j.held)
}

// write writes all that waits but the last records, of which it leaves so many.
func (j *journal) write(leave int) error {
	for ; len(j.waiting) > leave; j.waiting = j.waiting[1:] {
		if _, err := j.file.Write(j.waiting[0]); err != nil {
			return err
		}
	}
	return j.file.Sync()
}

// close writes what waits.
func (j *journal) close() error { return errors.Join(j.write(0), j.file.Close()) }
