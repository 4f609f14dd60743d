package block

import (
	"fmt"
	"hash/crc32"
	"io"

	"flowd/disk"
)

// WritePart makes the file name in the folder dir, which must not exist, with the bytes that write writes, and
// syncs file and folder. After an error the file is removed as far as the disk lets it. The writer is
// buffered, and not to be used after write returned.
func WritePart(fsys disk.FS, dir, name string, write func(io.Writer) error) (Part, error) {
	s, err := create(fsys, dir, name, func(s *sink) error { return write(s) })
	if err != nil {
		return Part{}, err
	}
	return Part{Name: name, Size: s.size, CRC: s.crc}, nil
}

// OpenPart opens p below the folder dir after having compared size and checksum of the whole file: so
// what is read from it can be relied upon. Damage is a *CorruptError, a missing file fs.ErrNotExist.
func OpenPart(fsys disk.FS, dir string, p Part) (io.ReadCloser, error) {
	file, err := openChecked(fsys, dir, p.Name, p.Size, p.CRC)
	if err != nil {
		return nil, err
	}
	return part{io.NewSectionReader(file, 0, p.Size), file}, nil
}

type part struct {
	io.Reader
	io.Closer
}

// VerifyPart reads all of p and compares size and checksum: nil, a *CorruptError, or an error of the
// disk, as fs.ErrNotExist.
func VerifyPart(fsys disk.FS, dir string, p Part) error {
	file, err := openChecked(fsys, dir, p.Name, p.Size, p.CRC)
	if err != nil {
		return err
	}
	return file.Close()
}

// Verify reads all of the block f and compares size and checksum: nil, a *CorruptError, or an error of
// the disk, as fs.ErrNotExist.
func Verify(fsys disk.FS, dir string, f File) error {
	return VerifyPart(fsys, dir, Part{f.Name, f.Size, f.CRC})
}

// openChecked opens a file and compares the checksum of all of it.
func openChecked(fsys disk.FS, dir, name string, size int64, crc uint32) (disk.File, error) {
	file, err := openSized(fsys, dir, name, size)
	if err != nil {
		return nil, err
	}
	found := crc32.New(castagnoli)
	if n, copying := io.CopyBuffer(found, io.NewSectionReader(file, 0, size), make([]byte, min(size+1, sinkBuffer))); copying != nil {
		err = fmt.Errorf("block: read %s at byte %d: %w", name, n, copying)
	} else if n != size {
		err = &CorruptError{name, n, fmt.Sprintf("it ends after %d bytes, and the manifest says %d", n, size)}
	} else if found.Sum32() != crc {
		err = &CorruptError{name, -1, fmt.Sprintf("it has checksum %08x, and the manifest says %08x", found.Sum32(), crc)}
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
