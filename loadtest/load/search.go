package load

// search finds the highest rate that holds, from the outcomes of the rates that it asks for:
// it doubles until a rate fails, halves the gap between the best that held and the worst that
// failed, and in the end lets the best prove itself for longer. It is a pure state machine:
// the caller measures.
type search struct {
	phase     phase
	rate      float64 // to be tried next
	held      float64 // the highest that held, 0 if none did
	failed    float64 // the lowest that failed, 0 if none did
	floor     float64 // the lowest rate to try
	precision float64 // the gap that is small enough, as a share of held
	tries     int
}

type phase uint8

const (
	ramp    phase = iota // double, or halve if already the first rate fails
	bisect               // between held and failed
	confirm              // held, once more and for longer
	done
)

const (
	// highestRate is where a search stops doubling, in posts per second.
	highestRate = 1e8
	// lowering is what is left of a rate that did not hold for longer, and maxConfirms how many
	// rates are given the chance.
	lowering    = 0.9
	maxConfirms = 10
)

// newSearch begins at start, which is at least floor and at most highestRate.
func newSearch(start, floor, precision float64) *search {
	return &search{rate: start, floor: floor, precision: precision}
}

// report takes the outcome of the current rate and moves on to the next.
func (s *search) report(ok bool) {
	switch s.phase {
	case ramp, bisect:
		if ok {
			s.held = s.rate
		} else {
			s.failed = s.rate
		}
		s.choose()
	case confirm:
		s.tries++
		switch {
		case ok:
			s.held, s.phase = s.rate, done
		case s.tries == maxConfirms || s.rate*lowering < s.floor:
			s.held, s.phase = 0, done
		default:
			s.rate *= lowering
		}
	}
}

func (s *search) choose() {
	switch {
	case s.failed == 0 && s.rate*2 <= highestRate:
		s.rate *= 2
	case s.held == 0 && s.rate/2 >= s.floor:
		s.rate /= 2
	case s.held == 0:
		s.phase = done
	case s.failed > s.held*(1+s.precision):
		s.phase = bisect
		s.rate = (s.held + s.failed) / 2
	default:
		s.phase = confirm
		s.rate = s.held
	}
}
