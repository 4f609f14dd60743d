package verify

import (
	"fmt"
	"strings"

	"flowd/loadtest"
)

// AppendText appends v for people; v may be nil.
func (v *Verification) AppendText(b *strings.Builder) {
	if v == nil {
		b.WriteString("totals\tnot verified\n")
		return
	}
	compared := fmt.Sprintf("%s in %s", loadtest.Plural(int(v.Tuples), "total"), loadtest.Plural(v.Hours, "hour"))
	switch {
	case v.OK:
		fmt.Fprintf(b, "totals\tright: %s read back, each is what was answered with 200\n", compared)
	case v.DifferenceCount > 0:
		fmt.Fprintf(b, "totals\tWRONG: %d of %s differ from what was answered with 200\n", v.DifferenceCount, compared)
	default:
		fmt.Fprintf(b, "totals\tWRONG: %s read back, each is what was answered with 200, but:\n", compared)
	}
	if v.Expired != (Amount{}) {
		fmt.Fprintf(b, "\t%s of them are gone, and the ledger has %v as expired\n", loadtest.Plural(v.ExpiredHours, "hour"), v.Expired)
	}
	if v.Lost != (Amount{}) {
		fmt.Fprintf(b, "\tlost: %v\n", v.Lost)
	}
	if v.CountedTwice != (Amount{}) {
		fmt.Fprintf(b, "\tcounted twice: %v\n", v.CountedTwice)
	}
	if v.Unanswered > 0 {
		fmt.Fprintf(b, "\t%s had no answer: their flows may count or not\n", loadtest.Plural(int(v.Unanswered), "post"))
	}
	if v.Miscounted > 0 {
		fmt.Fprintf(b, "\t%s answered with another number of flows than sent\n", loadtest.Plural(int(v.Miscounted), "post"))
	}
	for _, d := range v.Differences {
		fmt.Fprintf(b, "\t%s\n", d.What)
	}
	AppendMore(b, v.DifferenceCount, len(v.Differences))
	for _, what := range v.TotalsErrors {
		fmt.Fprintf(b, "\t%s\n", what)
	}
	AppendMore(b, v.TotalsErrorCount, len(v.TotalsErrors))
}

// AppendMore says how many there are beyond those listed.
func AppendMore(b *strings.Builder, count uint64, listed int) {
	if more := count - uint64(listed); more > 0 {
		fmt.Fprintf(b, "\tand %d more\n", more)
	}
}
