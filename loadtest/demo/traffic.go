// Package demo makes up the traffic of a shop of 200 apps in three VPCs: with days and nights,
// weekends, jobs of the night, ends that do not quite agree, and one incident. It is there to look
// at, in a page or a shell, where load made of equal tuples shows nothing.
//
// The same options make the same flows. An hour's flows are those of its seed alone, but for the
// incident, so traffic of another last hour is the same where neither has it.
package demo

import (
	"math"
	"math/rand/v2"

	"flowd/flow"
)

// Hours is how many hours a demo has, up to its last one.
const Hours = 48

// The incident begins IncidentBefore hours before the last hour. For SurgeHours the traffic of
// SurgingApp is SurgeFactor times what it would be. From its beginning on, NewApp is there that was
// not before, and SilentApp says nothing any more.
const (
	IncidentBefore = 12
	SurgeHours     = 2
	SurgeFactor    = 20
	SurgingApp     = "search-api"
	SilentApp      = "recommendations-worker"
	NewApp         = "bot-defence"
)

// Options say which traffic. Hours are those since the Unix epoch.
type Options struct {
	Seed uint64
	// LastHour is the last of the demo's hours, Hours-1 to flow.MaxHour.
	LastHour flow.Hour
}

// Traffic is the traffic of a seed. It is never written after New.
type Traffic struct {
	Options
	apps  []string
	talks []talk
}

// New returns the traffic that o says.
func New(o Options) *Traffic {
	l := newLandscape(o.Seed)
	return &Traffic{Options: o, apps: l.apps, talks: l.talks}
}

// FirstHour returns the first of the demo's hours.
func (t *Traffic) FirstHour() flow.Hour { return t.LastHour - Hours + 1 }

// Incident returns the hour in which the incident begins.
func (t *Traffic) Incident() flow.Hour { return t.LastHour - IncidentBefore }

// Flows appends the flows of an hour to dst: of any hour, also after the last one. Both ends of a
// conversation report it, each as one flow or several, as if it ran on several hosts.
func (t *Traffic) Flows(dst []flow.Flow, h flow.Hour) []flow.Flow {
	random := rand.New(rand.NewPCG(t.Seed, uint64(h)))
	moods := make([]float64, len(t.apps))
	for i := range moods {
		moods[i] = spread(random, 0.08)
	}
	for i := range t.talks {
		// Every talk draws as much in every hour, so that the incident changes no other talk.
		k := &t.talks[i]
		drawn := draws{
			present: random.Float64(),
			volume:  spread(random, 0.2) * moods[k.caller] * moods[k.callee],
			loss:    random.Float64(),
			split:   random.Uint64(),
		}
		r := k.report(vpcs[k.vpc].activity(k.rhythm, h), t.incident(k, h), &drawn)
		dst = t.reported(dst, k, &r, h)
	}
	return dst
}

// draws are the random numbers of a talk in an hour.
type draws struct {
	present, loss float64 // from 0 up to 1
	volume        float64 // around 1
	split         uint64
}

// report is what both ends say of a talk in an hour. An end that says nothing is 0 flows.
type report struct {
	request, reply                   uint64 // in bytes, as they were sent
	requestArrived, replyArrived     uint64
	callerFlows, calleeFlows, offset int
}

// report returns the reports of k when it is so active, and the incident makes so many times as much of
// it.
func (k *talk) report(activity, incident float64, drawn *draws) report {
	if drawn.present >= k.often*(0.4+0.6*activity) || incident == 0 {
		return report{}
	}
	sent := k.bytes * activity * incident * drawn.volume
	// The usual loss is what the sender sends once more, and counts twice.
	lost := 0.003 * drawn.loss
	if k.lossy {
		lost = 0.05 + 0.1*drawn.loss
	}
	r := report{
		request: uint64(sent) + 1, reply: uint64(sent*k.replies) + 1,
		callerFlows: 1 + int(drawn.split%3), calleeFlows: 1 + int(drawn.split>>8%3), offset: int(drawn.split >> 16 % 1000),
	}
	r.requestArrived = r.request - uint64(float64(r.request)*lost)
	r.replyArrived = r.reply - uint64(float64(r.reply)*lost)
	switch k.blind {
	case blindCaller:
		r.callerFlows = 0
	case blindCallee:
		r.calleeFlows = 0
	}
	return r
}

// reported appends the flows of both ends' reports.
func (t *Traffic) reported(dst []flow.Flow, k *talk, r *report, h flow.Hour) []flow.Flow {
	caller, callee, vpc := t.apps[k.caller], t.apps[k.callee], vpcs[k.vpc].name
	for i := range r.callerFlows {
		dst = append(dst, flow.Flow{
			SrcApp: caller, DestApp: callee, VPCID: vpc, Hour: h,
			BytesTx: part(r.request, i, r.callerFlows, r.offset), BytesRx: part(r.replyArrived, i, r.callerFlows, r.offset),
		})
	}
	for i := range r.calleeFlows {
		dst = append(dst, flow.Flow{
			SrcApp: callee, DestApp: caller, VPCID: vpc, Hour: h,
			BytesTx: part(r.reply, i, r.calleeFlows, r.offset), BytesRx: part(r.requestArrived, i, r.calleeFlows, r.offset),
		})
	}
	return dst
}

// part returns the share of total, below 2^54, that host i of n has. The shares of all hosts add up to
// it. Offset, from 0 up to 1000, is how much the first host has of it, beside the others.
func part(total uint64, i, n, offset int) uint64 {
	if n == 1 {
		return total
	}
	first := total * uint64(200+offset/2) / 1000 / uint64(n)
	each := (total - first) / uint64(n-1)
	switch i {
	case 0:
		return first
	case n - 1:
		return total - first - each*uint64(n-2)
	}
	return each
}

// spread returns a factor around 1 that is more than twice sigma away from it in one of twenty draws.
func spread(random *rand.Rand, sigma float64) float64 {
	return math.Exp(sigma*random.NormFloat64() - sigma*sigma/2)
}
