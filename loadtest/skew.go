package loadtest

import "math"

// aliasTable draws numbers with given weights in constant time (Walker's method): every slot
// is either its own number or one other, and a coin that is weighted for the slot decides.
// Unlike the sampling of Zipf's law by rejection it needs no logarithm for a draw, and takes
// any exponent, 1 and less among them.
type aliasTable struct{ slots []aliasSlot }

type aliasSlot struct{ keep, other uint32 }

// newAliasTable weighs number r with 1/(r+1)^s.
func newAliasTable(n int, s float64) *aliasTable {
	share := make([]float64, n)
	sum := 0.0
	for r := range share {
		share[r] = math.Pow(float64(r+1), -s)
		sum += share[r]
	}
	// Weights fall, so those over the average are in front: one index walks the numbers that
	// have too much for their slot, another those that have too little, and each of the
	// latter is filled up from one of the former.
	slots := make([]aliasSlot, n)
	for r := range share {
		share[r] *= float64(n) / sum
		slots[r] = aliasSlot{keep: math.MaxUint32, other: uint32(r)}
	}
	rich := 0
	fill := func(poor int) {
		slots[poor] = aliasSlot{keep: uint32(min(share[poor], 1) * math.MaxUint32), other: uint32(rich)}
		share[rich] -= 1 - share[poor]
	}
	for poor := n - 1; poor > rich; poor-- {
		fill(poor)
		// One that gave too much away is poor itself, and is filled by the next.
		for share[rich] < 1 && rich+1 < poor {
			rich++
			fill(rich - 1)
		}
	}
	return &aliasTable{slots}
}

// pick turns a random number into a drawn one.
func (t *aliasTable) pick(random uint64) uint32 {
	i := below(random&^math.MaxUint32, len(t.slots))
	if slot := t.slots[i]; uint32(random) > slot.keep {
		return slot.other
	}
	return i
}
