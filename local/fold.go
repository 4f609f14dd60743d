package local

import "time"

// fold has those flows of c count under the tuples of flow.Other whose tuples would be too many, in all or
// for their VPC. The committer does it before c is written to the log, which thus has the flows as they
// count, whatever the bounds are when it is replayed; what tells whether c comes again stays that of the
// flows as they came. The shards answer as of the batches that were sent before, in the order of the log, so that two
// batches never take the same places.
func (e *Engine) fold(c *commit) {
	b := c.split.Batch()
	x := e.admission.Admit(b, c.tally)
	if len(x.Flows) == 0 {
		return
	}
	c.split.Fold(x.Flows)
	c.folded = b.TallyOther() // as a replay, which does not know which of them were sent so
	if e.log != nil {
		c.flows = b.AppendFlows(c.flows[:0])
	}
	e.stats.overShare.Add(uint64(x.OverShare))
	if now := time.Now(); now.Sub(e.saidFold) >= sayFoldEvery {
		e.saidFold = now
		bound := "max-tuples-hour"
		if x.First.InAll {
			bound = "max-tuples"
		}
		e.o.Logger.Warn("flows of new tuples count under ~other: their VPC has its share of the bound, or there is no room",
			"bound", bound, "allows", x.First.Bound, "taken", x.First.Taken, "vpc_id", x.First.VPC, "vpc_has", x.First.Held,
			"hour", x.First.Hour)
	}
}

// sayFoldEvery is how often it is said at most that flows are folded. The metrics have all.
const sayFoldEvery = time.Minute
