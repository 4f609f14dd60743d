package limit

// FreeFactor is the most that a holder may hold of a shared bound, as a multiple of the places that it leaves free.
const FreeFactor = 4

// MayHold reports whether a holder with held places of a bound may have another one, while free places are
// free. A holder without places may have any free one. One with places may have at most FreeFactor times
// the number of places that then remain free. So a single holder gets four fifths of a bound. n holders
// that want all of it get 4/(4n+1) each, and 1/(4n+1) remains free for the next one. No request is refused
// below four fifths of a bound.
//
// It is the dynamic threshold of shared-memory switches (A. K. Choudhury and E. L. Hahne, Dynamic Queue
// Length Thresholds for Shared-Memory Packet Switches), with a factor that gives a single holder nearly
// all.
func MayHold(held, free uint64) bool {
	return free > 0 && (held == 0 || held < FreeFactor*(free-1))
}

// Share returns the number of places that a holder with held places may get in addition, while free places
// are free: the number that MayHold would grant one after the other.
func Share(held, free uint64) uint64 {
	switch {
	case FreeFactor*free >= held+FreeFactor+1:
		return (FreeFactor*free - held) / (FreeFactor + 1)
	case held == 0:
		return min(free, 1)
	}
	return 0
}

// Unshared returns the number of places of a bound that may be held before MayHold refuses any request.
func Unshared(bound uint64) uint64 { return bound / (FreeFactor + 1) * FreeFactor }
