package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/goccy/go-json"

	"flowd/flow"
)

// books are what a server says of itself beside its totals: what hours it has, and what became of
// all flows that ever came. They are read by types of our own, as the rows are.
type books struct {
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

// ledgerAccount is what came, and what became of it.
type ledgerAccount struct {
	Received  Amount `json:"received"`
	Stored    Amount `json:"stored"`
	Duplicate Amount `json:"duplicate"`
	Rejected  Amount `json:"rejected"`
	Expired   Amount `json:"expired"`
}

// spent adds up what became of the flows.
func (a *ledgerAccount) spent() Amount {
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
	statusNotFound = 404
	// maxBooks bounds the text of one of the books.
	maxBooks = 256 << 20
)

// readBooks asks for the books. They are nil if the server keeps none.
func (v *verifier) readBooks() (*books, error) {
	var b books
	var hours []hourLine
	kept, err := v.readJSON("/ledger", &b.ledger)
	if err == nil && kept {
		kept, err = v.readJSON("/hours", &hours)
	}
	if err != nil || !kept {
		return nil, err
	}
	b.hours = make(map[uint32]hourLine, len(hours))
	for _, h := range hours {
		b.hours[h.Hour] = h
	}
	return &b, nil
}

// readJSON asks for a route and reads the answer into dst. It is not found if the server has no
// such route.
func (v *verifier) readJSON(route string, dst any) (found bool, err error) {
	a, err := v.conn.roundTrip(appendGetHead(nil, v.target, route), nil, time.Now().Add(v.timeout))
	if err != nil {
		return false, fmt.Errorf("GET %s: %w", route, err)
	}
	if a.status == statusNotFound {
		_, err := v.conn.finish()
		return false, err
	}
	if a.status != statusOK {
		return false, fmt.Errorf("GET %s: status %d: %s", route, a.status, v.conn.beginning())
	}
	text, err := io.ReadAll(io.LimitReader(&patientReader{v.conn, v.timeout}, maxBooks))
	_, finishErr := v.conn.finish()
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

// steady calls read at a moment at which nothing expires, with the books of that moment in
// v.now. It is called again when something has expired meanwhile.
func (v *verifier) steady(ctx context.Context, read func() error) error {
	for range steadyTries {
		var err error
		if v.now, err = v.readBooks(); err != nil {
			return err
		}
		if v.before != nil && v.now == nil {
			return errors.New("the server had GET /ledger and GET /hours before the load, and has them no more")
		}
		if err := read(); err != nil || v.now == nil {
			return err
		}
		after, err := v.readBooks()
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

// hasBooks tells whether the books were there before the load, and are now.
func (v *verifier) hasBooks() bool { return v.before != nil && v.now != nil }

// compareBooks compares the books with each other, and the whole with the flows that were sent.
func (v *verifier) compareBooks() {
	if !v.hasBooks() {
		return
	}
	v.compareBalance("the ledger", &v.now.ledger.ledgerAccount)
	if b := v.now.ledger.Balanced; b != nil && !*b {
		v.blame("the ledger says of itself that it is not balanced")
	}
	listed := make(map[uint32]bool, len(v.now.ledger.Hours))
	var stored Amount
	for i := range v.now.ledger.Hours {
		h := &v.now.ledger.Hours[i]
		listed[h.Hour] = true
		stored.add(h.Stored)
		v.compareBalance(fmt.Sprintf("the ledger of hour %d", h.Hour), &h.ledgerAccount)
		if line := v.now.hours[h.Hour]; line.Amount != h.Stored {
			v.blame("hour %d: the ledger has stored %v, GET /hours has %v", h.Hour, h.Stored, line.Amount)
		}
	}
	for _, hour := range slices.Sorted(maps.Keys(v.now.hours)) {
		if !listed[hour] {
			v.blame("hour %d: GET /hours has %v, and the ledger does not have the hour", hour, v.now.hours[hour].Amount)
		}
	}
	if stored != v.now.ledger.Stored {
		v.blame("the ledger has stored %v in its hours, and %v in the whole", stored, v.now.ledger.Stored)
	}
	if v.alone {
		v.compareWhole()
	}
}

func (v *verifier) compareBalance(whose string, a *ledgerAccount) {
	if spent := a.spent(); spent != a.Received {
		v.blame("%s is not balanced: received %v, and what became of it is %v", whose, a.Received, spent)
	}
}

// compareWhole compares the ledger's sum of all flows that ever counted with the flows that were sent.
func (v *verifier) compareWhole() {
	has := v.now.ledger.kept()
	least := v.before.ledger.kept()
	most := least
	for i := range v.hours {
		least.Flows += v.account.flows[i]
		most.Flows += v.account.flows[i] + v.account.unsureFlows[i]
	}
	// The bytes are those of the cells, without what these held before, which is in the ledger.
	for i := range v.hours * v.gen.Tuples {
		from, to := v.account.bounds(i)
		least.Bytes.add(from)
		most.Bytes.add(to)
	}
	for _, before := range v.base[:v.hours] {
		least.Bytes, most.Bytes = least.Bytes.beyond(before), most.Bytes.beyond(before)
	}
	if !has.between(least, most) {
		v.blame("the ledger has %v stored and expired, it was given %s", has, given(least, most))
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

// blame lists what is wrong with the books, if it is one of the first.
func (v *verifier) blame(format string, args ...any) {
	v.found.BookErrorCount++
	if len(v.found.BookErrors) < maxDifferences {
		v.found.BookErrors = append(v.found.BookErrors, fmt.Sprintf(format, args...))
	}
}

// hourNumber is the label of the load's hour number i.
func (v *verifier) hourNumber(i int) flow.Hour { return v.gen.FirstHour + flow.Hour(i) }
