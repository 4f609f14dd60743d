// Package loadtest holds what all tests of a running server share: a deterministic workload, the HTTP connection that
// carries it, and the counts and texts of the reports.
//
// The tests themselves are packages below it. Package load sends the workload at a rate and measures latencies, package
// verify compares the answers of the server with the flows that were sent, package crash kills the server meanwhile, and package
// replay sends the flows of files.
package loadtest

import (
	"fmt"
	"math/bits"
	"strconv"

	"flowd/flow"
	"flowd/flow/flowjson"
)

// Skew is how the flows spread over the tuples.
type Skew string

const (
	// Uniform gives every tuple the same share.
	Uniform Skew = "uniform"
	// Zipf gives the tuple of rank r a share in proportion to 1/r^s.
	Zipf Skew = "zipf"
)

// Limits of a workload.
const (
	MaxTuples       = 1 << 27
	MaxHours        = 1 << 16
	MaxCells        = 1 << 31
	MaxFlowsPerPost = 1 << 20
	MaxZipfS        = 8
)

// Workload says what flows there are. The same workload makes the same batches, in every
// process and with any number of connections.
type Workload struct {
	// Tuples is the number of distinct tuples, up to MaxTuples.
	Tuples int
	// FirstHour is the first of Hours hours, which all have the same share of the flows.
	FirstHour flow.Hour
	Hours     int
	// Moves is how many times the hours move on by one while the load lasts, 0 for hours that
	// stay. Tuples times Hours plus Moves is at most MaxCells.
	Moves int
	// Skew spreads the flows over the tuples; ZipfS is the exponent of Zipf, over 0 and up to MaxZipfS.
	Skew  Skew
	ZipfS float64
	// FlowsPerPost is the number of flows in a batch, up to MaxFlowsPerPost.
	FlowsPerPost int
	// Seed chooses the flows.
	Seed uint64
}

// Check returns what is wrong with w, or nil.
func (w *Workload) Check() error {
	switch {
	case w.Tuples < 1 || w.Tuples > MaxTuples:
		return Invalid("tuples", "must be 1 to %d, not %d", MaxTuples, w.Tuples)
	case w.Hours < 1 || w.Hours > MaxHours:
		return Invalid("hours", "must be 1 to %d, not %d", MaxHours, w.Hours)
	case w.Moves < 0 || w.AllHours() > MaxHours:
		return Invalid("hours", "with those that they move on by must be at most %d, not %d and %d", MaxHours, w.Hours, w.Moves)
	case int64(w.FirstHour)+int64(w.AllHours())-1 > flow.MaxHour:
		return Invalid("first-hour", "with %d hours must be at most %d, not %d",
			w.AllHours(), flow.MaxHour-w.AllHours()+1, w.FirstHour)
	case w.Cells() > MaxCells:
		return Invalid("tuples", "times --hours must be at most %d, not %d", MaxCells, w.Cells())
	case w.FlowsPerPost < 1 || w.FlowsPerPost > MaxFlowsPerPost:
		return Invalid("flows", "must be 1 to %d, not %d", MaxFlowsPerPost, w.FlowsPerPost)
	case w.Skew != Uniform && w.Skew != Zipf:
		return Invalid("skew", "must be %s or %s, not %q", Uniform, Zipf, w.Skew)
	case w.Skew == Zipf && !(w.ZipfS > 0 && w.ZipfS <= MaxZipfS):
		return Invalid("zipf-s", "must be over 0 and up to %d, not %v", MaxZipfS, w.ZipfS)
	}
	return nil
}

// InvalidError is an option that cannot be used.
type InvalidError struct {
	// Option is its name on the command line, without dashes.
	Option string
	// Reason says what it must be instead.
	Reason string
}

func (e *InvalidError) Error() string { return "--" + e.Option + " " + e.Reason }

// Invalid returns an *InvalidError for an option, by its name on the command line.
func Invalid(option, format string, args ...any) error {
	return &InvalidError{option, fmt.Sprintf(format, args...)}
}

// Generator makes the batches of a workload. It is never written after NewGenerator, so all
// connections share one.
type Generator struct {
	Workload
	names nameTable
	ranks *aliasTable // nil for uniform
	hours [][]byte    // for each hour: `,"hour":482659}`
}

// NewGenerator prepares a workload. It returns an *InvalidError if the workload is not one.
func NewGenerator(w Workload) (*Generator, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	g := &Generator{Workload: w, names: newNameTable(w.Tuples)}
	if w.Skew == Zipf {
		g.ranks = newAliasTable(w.Tuples, w.ZipfS)
	}
	for i := range w.AllHours() {
		hour := append([]byte(`,"hour":`), strconv.Itoa(int(w.FirstHour)+i)...)
		g.hours = append(g.hours, append(hour, '}'))
	}
	return g, nil
}

// Sample is one flow of a batch in twelve bytes.
type Sample struct {
	// Cell numbers the pair of an hour and a tuple: it is the hour's number times Tuples, plus the tuple's number.
	Cell uint32
	// Tx and Rx are its bytes.
	Tx, Rx uint32
}

// AllHours returns how many hours there are flows for, from the first to the last.
func (w *Workload) AllHours() int { return w.Hours + w.Moves }

// Cells returns the number of pairs of a tuple and an hour; MaxCells keeps it within Sample's 32 bits.
func (w *Workload) Cells() int { return w.Tuples * w.AllHours() }

// Draw replaces dst's content by the flows of batch number k, before the hours have moved on.
func (g *Generator) Draw(dst []Sample, k uint64) []Sample { return g.DrawMoved(dst, k, 0) }

// DrawMoved is Draw after the hours have moved on by that number of hours; they stay when all Moves are made.
func (g *Generator) DrawMoved(dst []Sample, k uint64, moves int) []Sample {
	dst = dst[:0]
	first := uint32(min(moves, g.Moves))
	r := newRandom(g.Seed, k)
	for range g.FlowsPerPost {
		var rank uint32
		if g.ranks != nil {
			rank = g.ranks.pick(r.next())
		} else {
			rank = below(r.next(), g.Tuples)
		}
		hour := first
		if g.Hours > 1 {
			hour += below(r.next(), g.Hours)
		}
		dst = append(dst, Sample{
			Cell: hour*uint32(g.Tuples) + rank,
			Tx:   byteCount(r.next()),
			Rx:   byteCount(r.next()),
		})
	}
	return dst
}

// Flow returns s as a flow.
func (g *Generator) Flow(s Sample) flow.Flow {
	tuple := int(s.Cell) % g.Tuples
	src, dest, vpc := g.names.of(tuple)
	return flow.Flow{
		SrcApp: g.names.apps[src].name, DestApp: g.names.apps[dest].name, VPCID: g.names.vpcs[vpc].name,
		BytesTx: uint64(s.Tx), BytesRx: uint64(s.Rx),
		Hour: g.FirstHour + flow.Hour(int(s.Cell)/g.Tuples),
	}
}

// FindTuple returns the number of the tuple with these names. It is not ok for a tuple that is no part of the workload.
func (g *Generator) FindTuple(srcApp, destApp, vpcID string) (tuple int, ok bool) {
	return g.names.find(srcApp, destApp, vpcID)
}

// Encode appends the body of a POST with samples. Everything but the two byte counts is there
// already in pieces, so a flow costs about as much as copying it.
func (g *Generator) Encode(dst []byte, samples []Sample, format flowjson.Format) []byte {
	separator := byte(',')
	if format == flowjson.NDJSON {
		separator = '\n'
	} else {
		dst = append(dst, '[')
	}
	for i, s := range samples {
		if i > 0 {
			dst = append(dst, separator)
		}
		hour := int(s.Cell) / g.Tuples
		src, dest, vpc := g.names.of(int(s.Cell) - hour*g.Tuples)
		dst = append(dst, g.names.apps[src].asSrc...)
		dst = append(dst, g.names.apps[dest].asDest...)
		dst = append(dst, g.names.vpcs[vpc].json...)
		dst = strconv.AppendUint(dst, uint64(s.Tx), 10)
		dst = append(dst, `,"bytes_rx":`...)
		dst = strconv.AppendUint(dst, uint64(s.Rx), 10)
		dst = append(dst, g.hours[hour]...)
	}
	if format == flowjson.NDJSON {
		return append(dst, '\n')
	}
	return append(dst, ']')
}

// random is splitmix64: one addition and two multiplications a number, and any two seeds
// give unrelated rows of numbers, so each batch can begin its own.
type random uint64

func newRandom(seed, k uint64) random {
	r := random(seed)
	return random(r.next() ^ (k+1)*0xd1342543de82ef95)
}

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below maps a random number to 0 ... n-1.
func below(random uint64, n int) uint32 {
	high, _ := bits.Mul64(random, uint64(n))
	return uint32(high)
}

// byteCount makes a byte count that is nearly log-normal, as those of real flows are: the
// number of ones among 24 random bits is nearly normal, and it is the exponent. The median is
// about 96 kB, nine in ten are between 4 kB and 2 MB, and all are between 16 bytes and 512 MB.
func byteCount(random uint64) uint32 {
	exponent := 4 + bits.OnesCount32(uint32(random)&0xffffff)
	return 1<<exponent | uint32(random>>24)&(1<<exponent-1)
}
