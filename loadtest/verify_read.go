package loadtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// readHour asks for hour number i and calls each with the rows of this workload's tuples and
// their cells; the rest is summed up in v.others.
func (v *verifier) readHour(ctx context.Context, i int, each func(cell int, r *row)) error {
	hour := v.hourNumber(i)
	head := appendGetHead(nil, v.target, "/flows?hour="+strconv.Itoa(int(hour)))
	a, err := v.conn.roundTrip(head, nil, time.Now().Add(v.timeout))
	if err != nil {
		return fmt.Errorf("hour %d: %w", hour, err)
	}
	if a.status != statusOK {
		return fmt.Errorf("hour %d: status %d: %s", hour, a.status, v.conn.beginning())
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
		tuple, ok := v.gen.names.find(r.SrcApp, r.DestApp, r.VPCID)
		if !ok {
			v.others.tuples++
			v.others.bytes.add(Bytes{r.BytesTx, r.BytesRx})
			continue
		}
		each(i*v.gen.Tuples+tuple, r)
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
