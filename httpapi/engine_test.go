package httpapi

import (
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"flowd/flow"
)

// nullEngine takes batches and forgets them.
type nullEngine struct{ batch flow.Batch }

func (e *nullEngine) Acquire(time.Duration) *flow.Batch { return &e.batch }
func (e *nullEngine) Release(*flow.Batch)               {}
func (e *nullEngine) Append(*flow.Batch, flow.Origin) (flow.Receipt, error) {
	return flow.Receipt{}, nil
}
func (e *nullEngine) Labels(from, to flow.Hour) ([]flow.Hour, error) {
	return firstHours(from, to), nil
}
func (e *nullEngine) Scan(flow.Hour, flow.ScanOptions) ([]flow.Scan, error) {
	return nil, nil
}
func (e *nullEngine) Find(flow.Hour, []flow.Key) ([]flow.Row, bool, error) { return nil, false, nil }
func (e *nullEngine) Version(h flow.Hour) (uint64, error)                  { return uint64(h), nil }
func (e *nullEngine) Hours() ([]flow.HourTotals, error)                    { return nil, nil }
func (e *nullEngine) ExpiredBefore(flow.Hour, flow.Hour) bool              { return false }
func (e *nullEngine) Ledger() (flow.Ledger, error)                         { return flow.Ledger{}, nil }
func (e *nullEngine) Room() int64                                          { return math.MaxInt64 }
func (e *nullEngine) Status() flow.Status                                  { return flow.Status{} }

// firstHours returns those of the first hundred hours that are in a range.
func firstHours(from, to flow.Hour) (labels []flow.Hour) {
	for h := from; h < min(to, 100); h++ {
		labels = append(labels, h)
	}
	return labels
}

// manyEngine answers every hour with the same number of rows, and counts the readings that
// were not closed.
type manyEngine struct {
	nullEngine
	rows atomic.Int64
	open atomic.Int64
}

func newMany(rows int) *manyEngine {
	e := &manyEngine{}
	e.rows.Store(int64(rows))
	return e
}

func (e *manyEngine) Rows(h flow.Hour) (flow.Rows, error) { return e.many(h), nil }

func (e *manyEngine) Scan(h flow.Hour, _ flow.ScanOptions) ([]flow.Scan, error) {
	return []flow.Scan{flow.ScanRows(e.many(h))}, nil
}

func (e *manyEngine) many(h flow.Hour) *manyRows {
	e.open.Add(1)
	key := flow.AppendKey(nil, "frontend-service-17", `pay"ments`, "vpc-0a1b2c3d")
	return &manyRows{engine: e, hour: h, left: int(e.rows.Load()), key: key}
}

type manyRows struct {
	engine *manyEngine
	hour   flow.Hour
	left   int
	key    flow.Key
}

func (r *manyRows) Next(dst []flow.Row) int {
	n := min(len(dst), r.left)
	for i := range dst[:n] {
		dst[i] = flow.Row{Key: r.key, Totals: flow.Totals{BytesTx: uint64(r.left - i), BytesRx: 1 << 40}, Hour: r.hour}
	}
	r.left -= n
	return n
}

func (r *manyRows) Err() error { return nil }

func (r *manyRows) Close() {
	if r.engine != nil {
		r.engine.open.Add(-1)
		r.engine = nil
	}
}

// hookEngine runs a function in place of a method, where one is set. With rows it has the first
// hundred hours.
type hookEngine struct {
	Engine
	append  func(*flow.Batch, flow.Origin) (flow.Receipt, error)
	rows    func(flow.Hour) (flow.Rows, error)
	labels  func() ([]flow.Hour, error)
	version func(flow.Hour) (uint64, error)
	hours   func() ([]flow.HourTotals, error)
	ledger  func() (flow.Ledger, error)
	partial func(from, to flow.Hour) bool
	status  atomic.Pointer[flow.Status]
}

func (e *hookEngine) Append(b *flow.Batch, o flow.Origin) (flow.Receipt, error) {
	if e.append != nil {
		return e.append(b, o)
	}
	return e.Engine.Append(b, o)
}

func (e *hookEngine) Labels(from, to flow.Hour) ([]flow.Hour, error) {
	switch {
	case e.labels != nil:
		return e.labels()
	case e.rows != nil:
		return firstHours(from, to), nil
	}
	return e.Engine.Labels(from, to)
}

func (e *hookEngine) Scan(h flow.Hour, o flow.ScanOptions) ([]flow.Scan, error) {
	if e.rows == nil {
		return e.Engine.Scan(h, o)
	}
	rows, err := e.rows(h)
	if err != nil {
		return nil, err
	}
	return []flow.Scan{flow.ScanRows(rows)}, nil
}

func (e *hookEngine) Version(h flow.Hour) (uint64, error) {
	if e.version != nil {
		return e.version(h)
	}
	return e.Engine.Version(h)
}

func (e *hookEngine) Hours() ([]flow.HourTotals, error) {
	if e.hours != nil {
		return e.hours()
	}
	return e.Engine.Hours()
}

func (e *hookEngine) Ledger() (flow.Ledger, error) {
	if e.ledger != nil {
		return e.ledger()
	}
	return e.Engine.Ledger()
}

func (e *hookEngine) ExpiredBefore(from, to flow.Hour) bool {
	if e.partial != nil {
		return e.partial(from, to)
	}
	return e.Engine.ExpiredBefore(from, to)
}

func (e *hookEngine) Status() flow.Status {
	if s := e.status.Load(); s != nil {
		return *s
	}
	return e.Engine.Status()
}

func hex(n int) string  { return strconv.FormatInt(int64(n), 16) }
func itoa(n int) string { return strconv.Itoa(n) }

// oneFlow is a batch of one flow from src in this hour.
func oneFlow(src string, hour int) string {
	return `[{"src_app":"` + src + `","dest_app":"d","vpc_id":"v","bytes_tx":1,"bytes_rx":2,"hour":` + itoa(hour) + `}]`
}

// flowsBody is a batch of n flows among fifty tuples, as a JSON array.
func flowsBody(n int) []byte {
	b := []byte{'['}
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"src_app":"app-`...)
		b = strconv.AppendInt(b, int64(i%50), 10)
		b = append(b, `","dest_app":"db","vpc_id":"vpc-0","bytes_tx":100,"bytes_rx":300,"hour":1}`...)
	}
	return append(b, ']')
}
