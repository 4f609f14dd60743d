package limit

import "testing"

// take has one take places of a bound until it may not, and returns how many it has.
func take(held, free uint64) (uint64, uint64) {
	for MayHold(held, free) {
		held, free = held+1, free-1
	}
	return held, free
}

// One alone gets four fifths, those who want all get equal parts of what is left to them, and there is always
// one for who comes next, if there are no more of them than a fifth of the places.
func TestMayHold(t *testing.T) {
	for _, tt := range []struct{ bound, first, second, third uint64 }{
		{0, 0, 0, 0}, {1, 1, 0, 0}, {2, 1, 1, 0}, {3, 2, 1, 0}, {4, 3, 1, 0}, {5, 4, 1, 0}, {10, 8, 1, 1}, {32, 25, 5, 1},
		{100, 80, 16, 3}, {5_000_000, 4_000_000, 800_000, 160_000},
	} {
		first, free := take(0, tt.bound)
		second, free := take(0, free)
		third, free := take(0, free)
		if first != tt.first || second != tt.second || third != tt.third || first+second+third+free != tt.bound {
			t.Errorf("of %d three get %d, %d and %d one after the other, not %d, %d and %d", tt.bound, first, second, third, tt.first, tt.second, tt.third)
		}
	}
}

// Whoever holds what, below Unshared nobody is refused.
func TestUnshared(t *testing.T) {
	for bound := range uint64(300) {
		for taken := range Unshared(bound) {
			if !MayHold(taken, bound-taken) {
				t.Fatalf("one that holds %d of %d, all that are taken, may not have another, though %d are not shared", taken, bound, Unshared(bound))
			}
		}
	}
}

// Share is what MayHold lets one have, one after the other.
func TestShare(t *testing.T) {
	for held := range uint64(300) {
		for free := range uint64(100) {
			if all, _ := take(held, free); Share(held, free) != all-held {
				t.Fatalf("one with %d, where %d are free, may have %d more, not %d", held, free, all-held, Share(held, free))
			}
		}
	}
}
