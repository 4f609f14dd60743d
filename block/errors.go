package block

import "fmt"

// CorruptError is damage: what a file says, and what it should.
type CorruptError struct {
	// Name is the path below the data folder.
	Name string
	// Offset is where in the file, or -1 if that is not known.
	Offset int64
	// Reason names the two values that disagree.
	Reason string
}

func (e *CorruptError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("block: %s is damaged: %s", e.Name, e.Reason)
	}
	return fmt.Sprintf("block: %s is damaged at byte %d: %s", e.Name, e.Offset, e.Reason)
}

// NewerError is a manifest that a newer version of the program wrote.
type NewerError struct {
	// Found is the format's version in the file, Known the newest that can be read.
	Found, Known uint64
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("block: %s has format %d, and the newest known here is %d: start the version that wrote it",
		ManifestName, e.Found, e.Known)
}
