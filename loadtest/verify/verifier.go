// Package verify compares the answers of a server after a load with the flows that it was sent: the total of each tuple and hour,
// GET /hours and GET /ledger. It reads the answers by its own code, which shares nothing with flowd's, so that one
// mistake cannot cancel out another.
package verify

import (
	"context"
	"fmt"
	"time"

	"flowd/flow"
	"flowd/loadtest"
)

// Verification is what the server holds at the end, compared with the flows that were sent.
type Verification struct {
	// OK is true if nothing differs.
	OK bool `json:"ok"`
	// Hours were read back, and Tuples is how many totals were compared, over all hours.
	Hours  int    `json:"hours"`
	Tuples uint64 `json:"tuples"`
	// ExpiredHours are gone while others expired, and Expired is by how much the expired flows of the
	// server's ledger grew.
	ExpiredHours int    `json:"expired_hours"`
	Expired      Amount `json:"expired"`
	// Lost is what is missing without having expired, and CountedTwice what is there too much. The
	// flows are those of GET /hours, 0 where the server does not have that.
	Lost         Amount `json:"lost"`
	CountedTwice Amount `json:"counted_twice"`
	// Unanswered counts posts without an answer: their flows may count or not.
	Unanswered uint64 `json:"unanswered_posts"`
	// Miscounted counts posts answered with 200 and another number of flows than they had.
	Miscounted uint64 `json:"miscounted_posts"`
	// DifferenceCount counts what differs, and Differences are the first of it.
	DifferenceCount uint64       `json:"difference_count"`
	Differences     []Difference `json:"differences"`
	// TotalsErrorCount counts what is wrong in GET /hours and GET /ledger, where the server has
	// them, and TotalsErrors are the first of it.
	TotalsErrorCount uint64   `json:"book_error_count"`
	TotalsErrors     []string `json:"book_errors"`
}

// maxDifferences is how many differences are listed.
const maxDifferences = 20

// Difference is an amount that is not what it must be: that of a tuple in an hour or, without
// names, that of all tuples of an hour that are no part of the load.
type Difference struct {
	Hour    flow.Hour `json:"hour"`
	SrcApp  string    `json:"src_app,omitempty"`
	DestApp string    `json:"dest_app,omitempty"`
	VPCID   string    `json:"vpc_id,omitempty"`
	// Has is what the server has. It must be at least Least, which was there before the load
	// or answered with 200, and at most Most, which has the posts without an answer added.
	Has   Bytes `json:"has"`
	Least Bytes `json:"least"`
	Most  Bytes `json:"most"`
	// What says it in words.
	What string `json:"what"`
}

// Verifier reads a server's hours before and after a load.
type Verifier struct {
	gen     *loadtest.Generator
	account *Account
	target  *loadtest.Target
	conn    *loadtest.Conn
	timeout time.Duration
	// Alone is true if no other client sends to the server, so that its whole ledger can be compared.
	Alone bool

	// before are the server totals before the load, now those of the moment being compared. Both are nil
	// if the server has no such totals. base is the bytes of the load's tuples before the load, by hour.
	before, now *serverTotals
	base        []Bytes

	// Hours is how many hours are read, from the first on.
	Hours  int
	found  Verification
	seen   []uint64 // a bit for each tuple of the hour being read
	others others
	short  shortage
}

// New returns a verifier that compares the answers of target with account. A request may take as long as timeout.
func New(a *Account, t *loadtest.Target, dial loadtest.DialFunc, timeout time.Duration) *Verifier {
	return &Verifier{
		gen: a.gen, account: a, target: t, conn: loadtest.NewConn(t, dial), timeout: timeout, Hours: a.gen.AllHours(),
		seen: make([]uint64, (a.gen.Tuples+63)/64), base: make([]Bytes, a.gen.AllHours()),
	}
}

// Close closes the verifier's connection; its next request opens another.
func (v *Verifier) Close() { v.conn.Close() }

// ReadBase enters what the server holds before the load into the account.
func (v *Verifier) ReadBase(ctx context.Context) error {
	err := v.steady(ctx, func() error {
		v.account.clear()
		v.before = v.now
		clear(v.base)
		for i := range v.Hours {
			if v.now != nil && v.now.hours[uint32(v.hourNumber(i))] == (hourLine{}) {
				continue
			}
			v.others = others{}
			err := v.readHour(ctx, i, func(cell int, r *row) {
				v.account.sure[cell].add(Bytes{r.BytesTx, r.BytesRx})
				v.base[i].add(Bytes{r.BytesTx, r.BytesRx})
			})
			if err != nil {
				return err
			}
			v.account.others[i] = v.others
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("before the load: %w", err)
	}
	return nil
}

// Posts is what is known of the posts of a load beside their flows.
type Posts struct{ Unanswered, Miscounted uint64 }

// Compare reads what the server holds after the load.
func (v *Verifier) Compare(ctx context.Context, p Posts) (*Verification, error) {
	err := v.steady(ctx, func() error {
		v.found = Verification{
			Hours: v.Hours, Unanswered: p.Unanswered, Miscounted: p.Miscounted,
			Differences: []Difference{}, TotalsErrors: []string{},
		}
		v.short = shortage{}
		for i := range v.Hours {
			if err := v.compareHour(ctx, i); err != nil {
				return err
			}
		}
		v.resolve()
		v.compareServerTotals()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("after the load: %w", err)
	}
	v.found.OK = v.found.DifferenceCount == 0 && v.found.TotalsErrorCount == 0 && v.found.Miscounted == 0
	return &v.found, nil
}

func (v *Verifier) compareHour(ctx context.Context, i int) error {
	clear(v.seen)
	v.others = others{}
	first := i * v.gen.Tuples
	var rows uint64
	var sum Bytes
	err := v.readHour(ctx, i, func(n int, r *row) {
		has := Bytes{r.BytesTx, r.BytesRx}
		rows++
		sum.add(has)
		tuple := n - first
		if v.seen[tuple/64]&(1<<(tuple%64)) != 0 {
			v.differs(n, has, "is listed a second time")
			return
		}
		v.seen[tuple/64] |= 1 << (tuple % 64)
		v.compareCell(n, has)
	})
	if err != nil {
		return err
	}
	rows += v.others.tuples
	sum.add(v.others.bytes)
	v.compareLine(i, rows, sum)
	if rows == 0 && v.expires() {
		v.absentHour(i)
		return nil
	}
	for tuple := range v.gen.Tuples {
		if v.seen[tuple/64]&(1<<(tuple%64)) == 0 {
			v.compareCell(first+tuple, Bytes{})
		}
	}
	v.compareOthers(i)
	return nil
}

// compareCell compares one tuple in one hour; a tuple that is not listed has nothing.
func (v *Verifier) compareCell(n int, has Bytes) {
	least, most := v.account.bounds(n)
	if most != (Bytes{}) || has != (Bytes{}) {
		v.found.Tuples++
	}
	v.miss(has, least, most)
	v.found.CountedTwice.Bytes.add(has.beyond(most))
	switch {
	case has.beyond(most) != Bytes{}, least.beyond(has) != Bytes{} && !v.expires():
		v.differs(n, has, "differs")
	case least.beyond(has) != Bytes{}:
		d, what := v.difference(n, has, "is short")
		v.postpone(d, 1, what)
	}
}

// differs lists a difference of cell n.
func (v *Verifier) differs(n int, has Bytes, how string) {
	v.list(v.difference(n, has, how))
}

// difference returns a difference of cell n, and what says it in words.
func (v *Verifier) difference(n int, has Bytes, how string) (Difference, func() string) {
	f := v.gen.Flow(loadtest.Sample{Cell: uint32(n)})
	d := Difference{Hour: f.Hour, SrcApp: f.SrcApp, DestApp: f.DestApp, VPCID: f.VPCID, Has: has}
	d.Least, d.Most = v.account.bounds(n)
	return d, func() string {
		return fmt.Sprintf("hour %d, %s to %s in %s %s: the server has %v, it was given %s",
			d.Hour, d.SrcApp, d.DestApp, d.VPCID, how, has, given(d.Least, d.Most))
	}
}

// compareOthers compares the tuples of hour number i that are no part of the load.
func (v *Verifier) compareOthers(i int) {
	before, now := v.account.others[i], v.others
	if now == before {
		return
	}
	v.miss(now.bytes, before.bytes, before.bytes)
	v.found.CountedTwice.Bytes.add(now.bytes.beyond(before.bytes))
	d := Difference{Hour: v.hourNumber(i), Has: now.bytes, Least: before.bytes, Most: before.bytes}
	what := func() string {
		return fmt.Sprintf("hour %d, tuples that are no part of this load: the server has %v, before the load it had %v",
			d.Hour, now, before)
	}
	if v.expires() && now.tuples <= before.tuples && now.bytes.beyond(before.bytes) == (Bytes{}) {
		v.postpone(d, 1, what)
		return
	}
	v.list(d, what)
}

// list counts a difference, and puts it in words if it is one of the first.
func (v *Verifier) list(d Difference, what func() string) {
	v.found.DifferenceCount++
	if len(v.found.Differences) < maxDifferences {
		d.What = what()
		v.found.Differences = append(v.found.Differences, d)
	}
}
