package loadtest

import (
	"fmt"
	"strings"
)

// writeText writes v for people, also if it is nil.
func (v *Verification) writeText(b *strings.Builder) {
	if v == nil {
		b.WriteString("totals    not verified\n")
		return
	}
	compared := fmt.Sprintf("%s in %s", plural(int(v.Tuples), "total"), plural(v.Hours, "hour"))
	switch {
	case v.OK:
		fmt.Fprintf(b, "totals    right: %s read back, each is what was answered with 200\n", compared)
	case v.DifferenceCount > 0:
		fmt.Fprintf(b, "totals    WRONG: %d of %s differ from what was answered with 200\n", v.DifferenceCount, compared)
	default:
		fmt.Fprintf(b, "totals    WRONG: %s read back, each is what was answered with 200, but:\n", compared)
	}
	if v.Expired != (Amount{}) {
		fmt.Fprintf(b, "          %s of them are gone, and the ledger has %v as expired\n", plural(v.ExpiredHours, "hour"), v.Expired)
	}
	if v.Lost != (Amount{}) {
		fmt.Fprintf(b, "          lost: %v\n", v.Lost)
	}
	if v.CountedTwice != (Amount{}) {
		fmt.Fprintf(b, "          counted twice: %v\n", v.CountedTwice)
	}
	if v.Unanswered > 0 {
		fmt.Fprintf(b, "          %s had no answer: their flows may count or not\n", plural(int(v.Unanswered), "post"))
	}
	if v.Miscounted > 0 {
		fmt.Fprintf(b, "          %s answered with another number of flows than sent\n", plural(int(v.Miscounted), "post"))
	}
	for _, d := range v.Differences {
		fmt.Fprintf(b, "          %s\n", d.What)
	}
	writeMore(b, v.DifferenceCount, len(v.Differences))
	for _, what := range v.BookErrors {
		fmt.Fprintf(b, "          %s\n", what)
	}
	writeMore(b, v.BookErrorCount, len(v.BookErrors))
}

// writeMore says how many there are beyond those listed.
func writeMore(b *strings.Builder, count uint64, listed int) {
	if more := count - uint64(listed); more > 0 {
		fmt.Fprintf(b, "          and %d more\n", more)
	}
}
