package loadtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"flowd/flow"
)

// Verification is what the server holds at the end, compared with what it was given.
type Verification struct {
	// OK is true if nothing differs.
	OK bool `json:"ok"`
	// Hours were read back, and Tuples is how many totals were compared, over all hours.
	Hours  int    `json:"hours"`
	Tuples uint64 `json:"tuples"`
	// Unanswered counts posts without an answer: their flows may count or not.
	Unanswered uint64 `json:"unanswered_posts"`
	// Miscounted counts posts answered with 200 and another number of flows than they had.
	Miscounted uint64 `json:"miscounted_posts"`
	// DifferenceCount counts what differs, and Differences are the first of it.
	DifferenceCount uint64       `json:"difference_count"`
	Differences     []Difference `json:"differences"`
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

// verifier reads a server's hours before and after a load.
type verifier struct {
	*load
	conn   *conn
	found  Verification
	seen   []uint64 // a bit for each tuple of the hour being read
	others others
}

// readBase enters what the server holds before the load into the account.
func (v *verifier) readBase(ctx context.Context) error {
	for i := range v.Hours {
		v.others = others{}
		err := v.readHour(ctx, i, func(cell int, r *row) {
			v.account.sure[cell].add(Bytes{r.BytesTx, r.BytesRx})
		})
		if err != nil {
			return fmt.Errorf("before the load: %w", err)
		}
		v.account.others[i] = v.others
	}
	return nil
}

// compare reads what the server holds after the load.
func (v *verifier) compare(ctx context.Context) (*Verification, error) {
	v.found = Verification{
		Hours: v.Hours, Unanswered: v.unanswered.Load(), Miscounted: v.miscounted.Load(), Differences: []Difference{},
	}
	v.seen = make([]uint64, (v.Tuples+63)/64)
	for i := range v.Hours {
		if err := v.compareHour(ctx, i); err != nil {
			return nil, fmt.Errorf("after the load: %w", err)
		}
	}
	v.found.OK = v.found.DifferenceCount == 0 && v.found.Miscounted == 0
	return &v.found, nil
}

func (v *verifier) compareHour(ctx context.Context, i int) error {
	clear(v.seen)
	v.others = others{}
	first := i * v.Tuples
	err := v.readHour(ctx, i, func(n int, r *row) {
		tuple := n - first
		if v.seen[tuple/64]&(1<<(tuple%64)) != 0 {
			v.differs(n, Bytes{r.BytesTx, r.BytesRx}, "is listed a second time")
			return
		}
		v.seen[tuple/64] |= 1 << (tuple % 64)
		v.compareCell(n, Bytes{r.BytesTx, r.BytesRx})
	})
	if err != nil {
		return err
	}
	for tuple := range v.Tuples {
		if v.seen[tuple/64]&(1<<(tuple%64)) == 0 {
			v.compareCell(first+tuple, Bytes{})
		}
	}
	v.compareOthers(i)
	return nil
}

// compareCell compares one tuple in one hour; a tuple that is not listed has nothing.
func (v *verifier) compareCell(n int, has Bytes) {
	least, most := v.account.bounds(n)
	if most != (Bytes{}) || has != (Bytes{}) {
		v.found.Tuples++
	}
	if has.Tx < least.Tx || has.Tx > most.Tx || has.Rx < least.Rx || has.Rx > most.Rx {
		v.differs(n, has, "differs")
	}
}

// differs lists a difference of cell n.
func (v *verifier) differs(n int, has Bytes, how string) {
	f := v.gen.Flow(Sample{cell: uint32(n)})
	d := Difference{Hour: f.Hour, SrcApp: f.SrcApp, DestApp: f.DestApp, VPCID: f.VPCID, Has: has}
	d.Least, d.Most = v.account.bounds(n)
	v.list(d, func() string {
		given := d.Least.String()
		if d.Most != d.Least {
			given = fmt.Sprintf("at least %v, and with the posts that had no answer at most %v", d.Least, d.Most)
		}
		return fmt.Sprintf("hour %d, %s to %s in %s %s: the server has %v, it was given %s",
			d.Hour, d.SrcApp, d.DestApp, d.VPCID, how, has, given)
	})
}

// compareOthers compares the tuples of hour number i that are no part of the load.
func (v *verifier) compareOthers(i int) {
	before, now := v.account.others[i], v.others
	if now == before {
		return
	}
	d := Difference{Hour: v.FirstHour + flow.Hour(i), Has: now.bytes, Least: before.bytes, Most: before.bytes}
	v.list(d, func() string {
		return fmt.Sprintf("hour %d, tuples that are no part of this load: the server has %v, before the load it had %v",
			d.Hour, now, before)
	})
}

// list counts a difference, and puts it in words if it is one of the first.
func (v *verifier) list(d Difference, what func() string) {
	v.found.DifferenceCount++
	if len(v.found.Differences) < maxDifferences {
		d.What = what()
		v.found.Differences = append(v.found.Differences, d)
	}
}

// readHour asks for hour number i and calls each with the rows of this workload's tuples and
// their cells; the rest is summed up in v.others.
func (v *verifier) readHour(ctx context.Context, i int, each func(cell int, r *row)) error {
	hour := v.FirstHour + flow.Hour(i)
	head := appendGetHead(nil, v.target, "/flows?hour="+strconv.Itoa(int(hour)))
	a, err := v.conn.roundTrip(head, nil, time.Now().Add(v.Timeout))
	if err != nil {
		return fmt.Errorf("hour %d: %w", hour, err)
	}
	if a.status != statusOK {
		return fmt.Errorf("hour %d: status %d: %s", hour, a.status, v.conn.beginning())
	}
	rows := newRowScanner(&patientReader{v.conn, v.Timeout})
	for rows.Next() {
		if rows.count%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r := rows.Row()
		if r.Hour != uint32(hour) {
			return fmt.Errorf("hour %d: the answer has a row of hour %d", hour, r.Hour)
		}
		tuple, ok := v.gen.names.find(r.SrcApp, r.DestApp, r.VPCID)
		if !ok {
			v.others.tuples++
			v.others.bytes.add(Bytes{r.BytesTx, r.BytesRx})
			continue
		}
		each(i*v.Tuples+tuple, r)
	}
	_, finishErr := v.conn.finish()
	if err := errors.Join(rows.Err(), finishErr); err != nil {
		v.conn.Close()
		return fmt.Errorf("hour %d: %w", hour, err)
	}
	return nil
}

// patientReader reads an answer of any length: the timeout is for each piece of it.
type patientReader struct {
	conn    *conn
	timeout time.Duration
}

func (p *patientReader) Read(b []byte) (int, error) {
	if err := p.conn.extend(time.Now().Add(p.timeout)); err != nil {
		return 0, err
	}
	return p.conn.Read(b)
}
