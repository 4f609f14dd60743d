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
