package verify

import (
	"fmt"

	"flowd/flow"
	"flowd/loadtest"
)

// A server with retention lets old hours go, and says in its ledger how much went. So an hour
// may have less than it was given, by all of it or, if more flows for it came after it went, by
// what it had till then. Which hours went is the server's choice, so what is missing is added up
// over all hours, and must be what expired, flow by flow and byte by byte.

// shortage is what hours have less than they were given.
type shortage struct {
	// least is what is surely missing, most is with the posts that had no answer.
	least, most Amount
	// count counts totals that are short, and listed are the first of them. They become
	// differences if what is missing is not what expired.
	count  uint64
	listed []Difference
}

// expires tells whether any hour expired since the load began.
func (v *Verifier) expires() bool { return v.expired() != Amount{} }

// expired is what expired since the load began.
func (v *Verifier) expired() Amount {
	if !v.hasServerTotals() {
		return Amount{}
	}
	return v.now.ledger.Expired.beyond(v.before.ledger.Expired)
}

// miss counts bytes that an hour has less than it was given.
func (v *Verifier) miss(has, least, most Bytes) {
	v.short.least.Bytes.add(least.beyond(has))
	v.short.most.Bytes.add(most.beyond(has))
}

// missFlows counts flows that an hour has less than it was given.
func (v *Verifier) missFlows(has, least, most uint64) {
	v.short.least.Flows += beyond(least, has)
	v.short.most.Flows += beyond(most, has)
}

// absentHour assumes that hour number i expired, which resolve decides.
func (v *Verifier) absentHour(i int) {
	d := Difference{Hour: v.hourNumber(i), Least: v.account.others[i].bytes, Most: v.account.others[i].bytes}
	totals := v.account.others[i].tuples
	for tuple := range v.gen.Tuples {
		least, most := v.account.bounds(i*v.gen.Tuples + tuple)
		if least != (Bytes{}) {
			totals++
		}
		d.Least.add(least)
		d.Most.add(most)
	}
	v.miss(Bytes{}, d.Least, d.Most)
	if totals == 0 {
		return
	}
	v.found.ExpiredHours++
	v.postpone(d, totals, func() string {
		return fmt.Sprintf("hour %d is gone, it was given %s in %s", d.Hour, given(d.Least, d.Most), loadtest.Plural(int(totals), "total"))
	})
}

// postpone keeps a difference that may be one of expiry.
func (v *Verifier) postpone(d Difference, totals uint64, what func() string) {
	v.short.count += totals
	if len(v.short.listed) < maxDifferences {
		d.What = what()
		v.short.listed = append(v.short.listed, d)
	}
}

// compareLine compares hour number i of GET /hours with its rows and with the flows given.
func (v *Verifier) compareLine(i int, rows uint64, sum Bytes) {
	if !v.hasServerTotals() {
		return
	}
	hour := v.hourNumber(i)
	line := v.now.hours[uint32(hour)]
	// A server that holds an hour in two parts may count the tuples of the larger one.
	if line.Tuples > rows || line.Tuples == 0 && rows > 0 || line.Bytes != sum {
		v.report("hour %d: GET /hours has %d tuples with %v, the rows of the hour are %d with %v",
			hour, line.Tuples, line.Bytes, rows, sum)
	}
	least := v.before.hours[uint32(hour)].Flows + v.account.flows[i]
	most := least + v.account.unsureFlows[i]
	v.missFlows(line.Flows, least, most)
	v.found.CountedTwice.Flows += beyond(line.Flows, most)
	if line.Flows > most || line.Flows < least && !v.expires() {
		v.report("hour %d: GET /hours has %s, it was given %s", hour, loadtest.Plural(int(line.Flows), "flow"),
			given(count64(least), count64(most)))
	}
}

// count64 is a number that can be written.
type count64 uint64

func (n count64) String() string { return fmt.Sprint(uint64(n)) }

// resolve decides whether the missing flows are those that expired.
func (v *Verifier) resolve() {
	v.found.Expired = v.expired()
	v.missElsewhere()
	v.found.Lost = v.short.least.beyond(v.found.Expired)
	if !v.expires() || v.found.Expired.between(v.short.least, v.short.most) {
		return
	}
	v.report("the ledger's expired flows grew by %v, and what is gone from the hours is %s",
		v.found.Expired, given(v.short.least, v.short.most))
	v.found.DifferenceCount += v.short.count
	for _, d := range v.short.listed {
		if len(v.found.Differences) < maxDifferences {
			v.found.Differences = append(v.found.Differences, d)
		}
	}
}

// missElsewhere adds what is gone of hours that are no part of the load, which may expire as well.
func (v *Verifier) missElsewhere() {
	if !v.hasServerTotals() {
		return
	}
	last := v.gen.FirstHour + flow.Hour(v.Hours)
	for hour, line := range v.before.hours {
		if h := flow.Hour(hour); h >= v.gen.FirstHour && h < last {
			continue
		}
		gone := line.beyond(v.now.hours[hour].Amount)
		v.short.least.add(gone)
		v.short.most.add(gone)
	}
}
