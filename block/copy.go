package block

import (
	"bytes"

	"github.com/parquet-go/parquet-go"

	"flowd/disk"
)

// CheckCopy compares the file name below dir, whose name need not be that of a block, with the block f by
// size and footer, which has the checksums of all that is before it. It does not read that. It returns nil,
// a *CorruptError, or an error of the disk, as fs.ErrNotExist.
func CheckCopy(fsys disk.FS, dir, name string, f File) error {
	file, err := openSized(fsys, dir, name, f.Size)
	if err != nil {
		return err
	}
	b := &opened{file: file, name: name}
	defer b.close()
	_, _, err = b.readTail(f)
	return err
}

// VerifyCopy is Verify of a file whose name need not be that of a block.
func VerifyCopy(fsys disk.FS, dir, name string, f File) error {
	return VerifyPart(fsys, dir, Part{name, f.Size, f.CRC})
}

// NoRows returns a Parquet file with the columns of a block and no rows. It is the same for all hours,
// and each time.
func NoRows() ([]byte, error) {
	var text bytes.Buffer
	err := parquet.NewGenericWriter[record](&text, parquet.Compression(codec)).Close()
	return text.Bytes(), err
}
