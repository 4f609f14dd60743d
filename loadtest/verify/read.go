package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"flowd/loadtest"
)

// readHour asks for hour number i and calls each with the rows of this workload's tuples and
// their cells; the rest is summed up in v.others.
func (v *Verifier) readHour(ctx context.Context, i int, each func(cell int, r *row)) error {
	hour := v.hourNumber(i)
	head := loadtest.AppendGet(nil, v.target, "/flows?hour="+strconv.Itoa(int(hour)))
	a, err := v.conn.RoundTrip(head, nil, time.Now().Add(v.timeout))
	if err != nil {
		return fmt.Errorf("hour %d: %w", hour, err)
	}
	if a.Status != http.StatusOK {
		return fmt.Errorf("hour %d: status %d: %s", hour, a.Status, v.conn.Beginning())
	}
	rows := newRowScanner(&patientReader{v.conn, v.timeout})
	for rows.Next() {
		if rows.count%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r := rows.Row()
		if r.Hour != uint32(hour) {
			return fmt.Errorf("hour %d: the answer has a row of hour %d", hour, r.Hour)
		}
		tuple, ok := v.gen.FindTuple(r.SrcApp, r.DestApp, r.VPCID)
		if !ok {
			v.others.tuples++
			v.others.bytes.add(Bytes{r.BytesTx, r.BytesRx})
			continue
		}
		each(i*v.gen.Tuples+tuple, r)
	}
	_, finishErr := v.conn.Finish()
	if err := errors.Join(rows.Err(), finishErr); err != nil {
		v.conn.Close()
		return fmt.Errorf("hour %d: %w", hour, err)
	}
	return nil
}

// patientReader reads an answer of any length: the timeout is for each piece of it.
type patientReader struct {
	conn    *loadtest.Conn
	timeout time.Duration
}

func (p *patientReader) Read(b []byte) (int, error) {
	if err := p.conn.Extend(time.Now().Add(p.timeout)); err != nil {
		return 0, err
	}
	return p.conn.Read(b)
}
