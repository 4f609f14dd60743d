// Package block keeps hours on disk: each as one Parquet file that other programs read as it is.
//
// A file is garbage until a manifest names it, so blocks are written under their final names:
//
//	hours/hour=482659/00000007.parquet  the hour 482659 as generation 7 wrote it
//
// Other programs do not read hours/: while a checkpoint runs, an hour that it writes has two files, of
// which the newer does not count before the manifest names it, and the older is removed right after that.
// They read parquet/, which package view keeps.
package block

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"flowd/flow"
)

// File is a block as the manifest names it. The zero value names none.
type File struct {
	// Name is the path below the data folder, with slashes: "hours/hour=482659/00000007.parquet".
	Name string
	// Size is the length in bytes.
	Size int64
	// CRC is the CRC-32C of all bytes.
	CRC uint32
	// Footer is the CRC-32C of the bytes from the Parquet footer to the end.
	Footer uint32
	// Rows is how many tuples the block holds.
	Rows uint64
}

// Part is a file beside the blocks that the manifest names.
type Part struct {
	// Name is the path below the data folder: "windows-00000007".
	Name string
	// Size is the length in bytes.
	Size int64
	// CRC is the CRC-32C of all bytes.
	CRC uint32
}

// Sums is what the rows of a block add up to, to be compared with the account of the hour.
type Sums struct {
	Rows             uint64
	BytesTx, BytesRx flow.Sum
}

const (
	// HoursFolder is the name of the folder of the blocks, below the data folder.
	HoursFolder = "hours"
	hourPrefix  = "hour="
	fileSuffix  = ".parquet"
)

// FileName returns the name of the block that generation writes of hour.
func FileName(hour flow.Hour, generation uint64) string {
	return fmt.Sprintf("%s/%s%d/%08d%s", HoursFolder, hourPrefix, hour, generation, fileSuffix)
}

// Hour returns the hour and the generation that f's name says.
func (f *File) Hour() (hour flow.Hour, generation uint64, err error) {
	folder, base := path.Split(f.Name)
	digits, _ := strings.CutPrefix(folder, HoursFolder+"/"+hourPrefix)
	h, errHour := strconv.ParseUint(strings.TrimSuffix(digits, "/"), 10, 31)
	g, errFile := strconv.ParseUint(strings.TrimSuffix(base, fileSuffix), 10, 64)
	if errHour != nil || errFile != nil || FileName(flow.Hour(h), g) != f.Name {
		return 0, 0, fmt.Errorf("block: %q is not the name of a block, as %q is", f.Name, FileName(0, 1))
	}
	return flow.Hour(h), g, nil
}

// IsHourFolder reports whether a path below the data folder, with slashes, is that of an hour's folder.
func IsHourFolder(folder string) bool {
	f := File{Name: fmt.Sprintf("%s/%08d%s", folder, 0, fileSuffix)}
	_, _, err := f.Hour()
	return err == nil
}
