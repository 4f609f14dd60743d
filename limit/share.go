package limit

// FreeFactor is how many times what it leaves free one may hold of a bound that many share.
const FreeFactor = 4

// MayHold reports whether one that holds a number of the places of a bound may have another, where
// a number of them is free. One that holds none may have any that is free; one that holds some may
// have at most FreeFactor times what is then left free. So one alone gets four fifths of a bound, n
// that want all of it get 4/(4n+1) each, and for one that comes after them 1/(4n+1) is free. Below
// four fifths of a bound nobody is refused.
//
// It is the dynamic threshold by which switches share their memory (A. K. Choudhury and E. L. Hahne,
// Dynamic Queue Length Thresholds for Shared-Memory Packet Switches), with the factor that gives one
// who is alone nearly all.
func MayHold(held, free uint64) bool {
	return free > 0 && (held == 0 || held < FreeFactor*(free-1))
}

// Share returns how many more places one may have that holds a number of them, where a number is free:
// as many as MayHold lets it have one after the other.
func Share(held, free uint64) uint64 {
	switch {
	case FreeFactor*free >= held+FreeFactor+1:
		return (FreeFactor*free - held) / (FreeFactor + 1)
	case held == 0:
		return min(free, 1)
	}
	return 0
}

// Unshared returns how many places of a bound may be held before MayHold refuses anybody any.
func Unshared(bound uint64) uint64 { return bound / (FreeFactor + 1) * FreeFactor }
