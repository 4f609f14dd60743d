package ingest

import (
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/flow"
	"flowd/httpapi/reject"
)

// mostForeign is how many flows of other VPCs are listed.
const mostForeign = 20

// foreignVPCs rejects a batch with flows that the right does not reach.
func foreignVPCs(b *flow.Batch, right *access.Grant) *reject.Problem {
	if right.VPCs.All() {
		return nil
	}
	var fields []flow.FieldError
	more := 0
	for i := range b.Items {
		item := &b.Items[i]
		_, _, vpc := flow.Key(b.Keys[item.KeyFrom : item.KeyFrom+uint32(item.KeyLen)]).Names()
		if right.VPCs.Allow(vpc) {
			continue
		}
		if len(fields) == mostForeign {
			more++
			continue
		}
		fields = append(fields, flow.FieldError{
			Pointer: "/" + strconv.Itoa(i) + "/vpc_id", Detail: fmt.Sprintf("%q is not of the VPCs of this token", vpc),
		})
	}
	if fields == nil {
		return nil
	}
	p := &reject.Problem{
		Status: fasthttp.StatusForbidden, Reason: reject.ForeignVPC, Fields: fields,
		Detail: "The batch has flows of VPCs that this token may not write, so none of its flows counts.",
	}
	if more > 0 {
		p.Detail += fmt.Sprintf(" %d more are not listed.", more)
	}
	return p
}
