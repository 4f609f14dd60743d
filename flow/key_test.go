package flow

import "testing"

// TestKeysDiffer has tuples whose names run into the same bytes.
func TestKeysDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, names := range [][3]string{{"a", "bc", "d"}, {"ab", "c", "d"}, {"a", "b", "cd"}, {"abc", "d", "e"}, {"a", "bcd", "e"}} {
		key := AppendKey(nil, names[0], names[1], names[2])
		if seen[string(key)] {
			t.Errorf("%q has the key of another tuple", names)
		}
		seen[string(key)] = true
		if n := KeyLen(key); n != len(key) {
			t.Errorf("KeyLen of %q is %d, not %d", names, n, len(key))
		}
	}
}
