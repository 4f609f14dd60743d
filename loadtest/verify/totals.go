package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/goccy/go-json"

	"flowd/flow"
	"flowd/loadtest"
)

// serverTotals are the sums that a server reports beside its rows: the hours that it has, and the outcome of
// all flows that it ever received. They are read by types of our own, as the rows are.
type serverTotals struct {
	hours  map[uint32]hourLine
	ledger ledger
}

// hourLine is an hour of GET /hours.
type hourLine struct {
	Hour   uint32 `json:"hour"`
	Tuples uint64 `json:"tuples"`
	Amount
}

// ledger is the answer of GET /ledger.
type ledger struct {
	ledgerAccount
	// Balanced is whether the server itself thinks that it is; nil if it does not say.
	Balanced *bool `json:"balanced"`
	Hours    []struct {
		Hour uint32 `json:"hour"`
		ledgerAccount
	} `json:"hours"`
}

// ledgerAccount is the flows that were received, and their outcome.
type ledgerAccount struct {
	Received  Amount `json:"received"`
	Stored    Amount `json:"stored"`
	Duplicate Amount `json:"duplicate"`
	Rejected  Amount `json:"rejected"`
	Expired   Amount `json:"expired"`
}

// outcomes adds up the flows by their outcome.
func (a *ledgerAccount) outcomes() Amount {
	sum := a.Stored
	sum.add(a.Duplicate)
	sum.add(a.Rejected)
	sum.add(a.Expired)
	return sum
}

// kept is what ever counted: what is stored, and what expired.
func (a *ledgerAccount) kept() Amount {
	sum := a.Stored
	sum.add(a.Expired)
	return sum
}

const (
	// maxTotalsBytes bounds the text of one answer.
	maxTotalsBytes = 256 << 20
)

// readServerTotals asks for the server totals. They are nil if the server has no such routes.
func (v *Verifier) readServerTotals() (*serverTotals, error) {
	var totals serverTotals
	var hours []hourLine
	kept, err := v.readJSON("/ledger", &totals.ledger)
	if err == nil && kept {
		kept, err = v.readJSON("/hours", &hours)
	}
	if err != nil || !kept {
		return nil, err
	}
	totals.hours = make(map[uint32]hourLine, len(hours))
	for _, h := range hours {
		totals.hours[h.Hour] = h
	}
	return &totals, nil
}

// readJSON asks for a route and reads the answer into dst. It is not found if the server has no
// such route.
func (v *Verifier) readJSON(route string, dst any) (found bool, err error) {
	a, err := v.conn.RoundTrip(loadtest.AppendGet(nil, v.target, route), nil, time.Now().Add(v.timeout))
	if err != nil {
		return false, fmt.Errorf("GET %s: %w", route, err)
	}
	if a.Status == http.StatusNotFound {
		_, err := v.conn.Finish()
		return false, err
	}
	if a.Status != http.StatusOK {
		return false, fmt.Errorf("GET %s: status %d: %s", route, a.Status, v.conn.Beginning())
	}
	text, err := io.ReadAll(io.LimitReader(&patientReader{v.conn, v.timeout}, maxTotalsBytes))
	_, finishErr := v.conn.Finish()
	if err := errors.Join(err, finishErr); err != nil {
		v.conn.Close()
		return false, fmt.Errorf("GET %s: %w", route, err)
	}
	if err := json.Unmarshal(text, dst); err != nil {
		return false, fmt.Errorf("GET %s: the answer is not what it must be: %w", route, err)
	}
	return true, nil
}

// steadyTries is how often the hours are read before they are found to expire too fast.
const steadyTries = 20

// steady calls read at a moment at which nothing expires, with the server totals of that moment in
// v.now. It is called again when something has expired meanwhile.
func (v *Verifier) steady(ctx context.Context, read func() error) error {
	for range steadyTries {
		var err error
		if v.now, err = v.readServerTotals(); err != nil {
			return err
		}
		if v.before != nil && v.now == nil {
			return errors.New("the server had GET /ledger and GET /hours before the load, and has them no more")
		}
		if err := read(); err != nil || v.now == nil {
			return err
		}
		after, err := v.readServerTotals()
		if err != nil {
			return err
		}
		if after != nil && after.ledger.Expired == v.now.ledger.Expired {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return errors.New("the server's hours expire faster than they can be read")
}

// HasServerTotals tells whether the server had GET /hours and GET /ledger before the load.
func (v *Verifier) HasServerTotals() bool { return v.before != nil }

// hasServerTotals tells whether the server had its totals before the load, and has them now.
func (v *Verifier) hasServerTotals() bool { return v.before != nil && v.now != nil }

// compareServerTotals compares the server totals with each other, and their sum with the flows that were sent.
func (v *Verifier) compareServerTotals() {
	if !v.hasServerTotals() {
		return
	}
	v.compareBalance("the ledger", &v.now.ledger.ledgerAccount)
	if b := v.now.ledger.Balanced; b != nil && !*b {
		v.report("the ledger says of itself that it is not balanced")
	}
	listed := make(map[uint32]bool, len(v.now.ledger.Hours))
	var stored Amount
	for i := range v.now.ledger.Hours {
		h := &v.now.ledger.Hours[i]
		listed[h.Hour] = true
		stored.add(h.Stored)
		v.compareBalance(fmt.Sprintf("the ledger of hour %d", h.Hour), &h.ledgerAccount)
		if line := v.now.hours[h.Hour]; line.Amount != h.Stored {
			v.report("hour %d: the ledger has stored %v, GET /hours has %v", h.Hour, h.Stored, line.Amount)
		}
	}
	for _, hour := range slices.Sorted(maps.Keys(v.now.hours)) {
		if !listed[hour] {
			v.report("hour %d: GET /hours has %v, and the ledger does not have the hour", hour, v.now.hours[hour].Amount)
		}
	}
	if stored != v.now.ledger.Stored {
		v.report("the ledger has stored %v in its hours, and %v in the whole", stored, v.now.ledger.Stored)
	}
	if v.Alone {
		v.compareWhole()
	}
}

func (v *Verifier) compareBalance(whose string, a *ledgerAccount) {
	if sum := a.outcomes(); sum != a.Received {
		v.report("%s is not balanced: received %v, and what became of it is %v", whose, a.Received, sum)
	}
}

// compareWhole compares the ledger's sum of all flows that ever counted with the flows that were sent.
func (v *Verifier) compareWhole() {
	has := v.now.ledger.kept()
	least := v.before.ledger.kept()
	most := least
	for i := range v.Hours {
		least.Flows += v.account.flows[i]
		most.Flows += v.account.flows[i] + v.account.unsureFlows[i]
	}
	// The bytes are those of the cells, without what these held before, which is in the ledger.
	for i := range v.Hours * v.gen.Tuples {
		from, to := v.account.bounds(i)
		least.Bytes.add(from)
		most.Bytes.add(to)
	}
	for _, before := range v.base[:v.Hours] {
		least.Bytes, most.Bytes = least.Bytes.beyond(before), most.Bytes.beyond(before)
	}
	if !has.between(least, most) {
		v.report("the ledger has %v stored and expired, it was given %s", has, given(least, most))
	}
}

// between tells whether a is from least to most, each part for itself.
func (a Amount) between(least, most Amount) bool {
	return a.beyond(most) == Amount{} && least.beyond(a) == Amount{}
}

// given says what a server was given, where some of it may count or not.
func given[T interface {
	comparable
	fmt.Stringer
}](least, most T) string {
	if least == most {
		return least.String()
	}
	return fmt.Sprintf("at least %v, and with the posts that had no answer at most %v", least, most)
}

// report lists an error of the server totals, if it is one of the first.
func (v *Verifier) report(format string, args ...any) {
	v.found.TotalsErrorCount++
	if len(v.found.TotalsErrors) < maxDifferences {
		v.found.TotalsErrors = append(v.found.TotalsErrors, fmt.Sprintf(format, args...))
	}
}

// hourNumber is the label of the load's hour number i.
func (v *Verifier) hourNumber(i int) flow.Hour { return v.gen.FirstHour + flow.Hour(i) }
