package shard

import "testing"

// TestRecordsDiffer changes the bytes of a record one by one and two by two: whatever differs,
// and also if two differences look alike, it is not the same record.
func TestRecordsDiffer(t *testing.T) {
	var same record
	for i := range same {
		same[i] = byte(i)
	}
	copied := same
	if !same.is(&copied) {
		t.Fatal("a record is not what it was copied from")
	}
	for i := range same {
		for j := i; j < len(same); j++ {
			other := same
			other[i] ^= 1
			if j > i {
				other[j] ^= 1
			}
			if same.is(&other) {
				t.Fatalf("records that differ in bytes %d and %d are the same", i, j)
			}
		}
	}
}
