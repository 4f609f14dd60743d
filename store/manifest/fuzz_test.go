package manifest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"flowd/block"
)

// FuzzManifest has any bytes be a manifest, as they are and behind a first line that fits them. What is
// read is written as the same again.
func FuzzManifest(f *testing.F) {
	whole, err := format(smallManifest())
	if err != nil {
		f.Fatal(err)
	}
	_, body, err := unseal(whole)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, whole, whole[:100], body, seal(2, body), []byte("{}"), []byte(`{"hours":[{}]}`), []byte("null")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, text := range [][]byte{data, seal(newestVersion, data)} {
			m, err := parse(text)
			var corrupt *block.CorruptError
			var newer *NewerError
			if err != nil {
				if !errors.As(err, &corrupt) && !errors.As(err, &newer) {
					t.Fatalf("%T: %v", err, err)
				}
				continue
			}
			again, err := format(m)
			if err != nil {
				t.Fatal(err)
			}
			back, err := parse(again)
			if diff := cmp.Diff(m, back, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Fatal(err, diff)
			}
		}
	})
}
