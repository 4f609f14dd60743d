package local

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flowd/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testOptions are those of an engine in a folder, with a log of small segments.
func testOptions(t testing.TB) Options {
	o := DefaultOptions()
	o.Dir = t.TempDir()
	o.Logged = true
	o.Log.SegmentBytes = 1 << 20
	o.Shards = 2
	o.Logger = slog.New(slog.NewTextHandler(testLog{t}, nil))
	o.CheckpointEvery = time.Hour // tests ask for checkpoints
	return o
}

// testLog writes what the engine logs where the test's own lines go.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// open opens an engine that must open.
func open(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Open(); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *Engine) mustClose(t testing.TB) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// tuple returns the flow of tuple n with n as its bytes.
func tuple(n int, h flow.Hour) flow.Flow {
	return flow.Flow{
		SrcApp: fmt.Sprintf("app-%d", n), DestApp: fmt.Sprintf("db-%d", n%7), VPCID: "vpc-1",
		BytesTx: uint64(n), BytesRx: uint64(2 * n), Hour: h,
	}
}

// post appends flows as one batch.
func (e *Engine) post(o flow.Origin, flows ...flow.Flow) (flow.Receipt, error) {
	b := e.Acquire(time.Minute)
	for i := range flows {
		b.Add(&flows[i])
	}
	return e.Append(b, o)
}

func (e *Engine) mustPost(t testing.TB, o flow.Origin, flows ...flow.Flow) (duplicate bool) {
	t.Helper()
	receipt, err := e.post(o, flows...)
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Duplicate
}

// totals are the rows of some hours, by key and hour.
type totals map[string]flow.Totals

func (m totals) add(flows ...flow.Flow) {
	for i := range flows {
		f := &flows[i]
		name := rowName(f.Key(), f.Hour)
		t := m[name]
		t.BytesTx += f.BytesTx
		t.BytesRx += f.BytesRx
		m[name] = t
	}
}

func rowName(k flow.Key, h flow.Hour) string {
	src, dest, vpc := k.Names()
	return fmt.Sprintf("%d %s %s %s", h, src, dest, vpc)
}

// read returns all rows of some hours.
func (e *Engine) read(t testing.TB, hours ...flow.Hour) totals {
	t.Helper()
	all, err := e.readHours(hours...)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (e *Engine) readHours(hours ...flow.Hour) (totals, error) {
	all := make(totals)
	for _, h := range hours {
		rows, err := e.Rows(h)
		if err != nil {
			return nil, err
		}
		dst := make([]flow.Row, 100)
		for n := rows.Next(dst); n > 0; n = rows.Next(dst) {
			for _, r := range dst[:n] {
				name := rowName(r.Key, r.Hour)
				if _, twice := all[name]; twice {
					err = fmt.Errorf("hour %d has %s twice", h, name)
				}
				all[name] = r.Totals
			}
		}
		err = errors.Join(err, rows.Err())
		rows.Close()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// checkBalance compares the account with the tables, and returns it.
func (e *Engine) checkBalance(t testing.TB) flow.Ledger {
	t.Helper()
	var ledger flow.Ledger
	var view *hoursView
	e.ask(func() { ledger, view = e.ledger(), e.viewHours() })
	if found := balance(&ledger, view.hours()); found != (imbalance{}) {
		t.Errorf("the account and the tables differ by %+v: %+v", found, ledger)
	}
	return ledger
}
