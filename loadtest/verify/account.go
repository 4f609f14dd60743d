package verify

import (
	"fmt"
	"sync"
	"sync/atomic"

	"flowd/loadtest"
)

// Account is what the server must hold for each tuple and hour of a workload: what it held
// before, and the flows of every batch that it answered with 200. Beside that stand the
// batches without an answer, which may count or not.
//
// It takes 16 bytes for each pair of a tuple and an hour, whatever the run's length, and as
// much again once a batch went without an answer. All connections add to it at once.
type Account struct {
	gen    *loadtest.Generator
	sure   []Bytes
	flows  []uint64 // by hour, those of the batches answered with 200
	others []others // by hour

	mu          sync.Mutex
	unsure      []Bytes // nil while every batch had an answer
	unsureFlows []uint64
}

// Bytes is a count of bytes each way.
type Bytes struct {
	Tx uint64 `json:"bytes_tx"`
	Rx uint64 `json:"bytes_rx"`
}

func (b Bytes) String() string { return fmt.Sprintf("tx %d rx %d", b.Tx, b.Rx) }

func (b *Bytes) add(other Bytes) {
	b.Tx += other.Tx
	b.Rx += other.Rx
}

// Amount is a number of flows and their bytes.
type Amount struct {
	Flows uint64 `json:"flows"`
	Bytes
}

func (a Amount) String() string {
	return fmt.Sprintf("%s with %v", loadtest.Plural(int(a.Flows), "flow"), a.Bytes)
}

func (a *Amount) add(other Amount) {
	a.Flows += other.Flows
	a.Bytes.add(other.Bytes)
}

// beyond returns how much more a is than other, each part for itself, and 0 where it is less.
func (a Amount) beyond(other Amount) Amount {
	return Amount{beyond(a.Flows, other.Flows), a.Bytes.beyond(other.Bytes)}
}

func (b Bytes) beyond(other Bytes) Bytes {
	return Bytes{beyond(b.Tx, other.Tx), beyond(b.Rx, other.Rx)}
}

func beyond(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

// others is what an hour holds of tuples that are no part of the workload. No other sender should
// change it during a run; a name that the server got wrong would.
type others struct {
	tuples uint64
	bytes  Bytes
}

func (o others) String() string { return fmt.Sprintf("%d with %v", o.tuples, o.bytes) }

// NewAccount returns an account in which the server holds nothing.
func NewAccount(g *loadtest.Generator) *Account {
	hours := g.AllHours()
	return &Account{
		gen: g, sure: make([]Bytes, g.Cells()), others: make([]others, hours),
		flows: make([]uint64, hours), unsureFlows: make([]uint64, hours),
	}
}

// Stored adds a batch that was answered with 200.
func (a *Account) Stored(batch []loadtest.Sample) {
	addTo(a.sure, batch)
	a.countFlows(a.flows, batch)
}

// Unknown adds a batch that the server may have counted or not.
func (a *Account) Unknown(batch []loadtest.Sample) {
	a.mu.Lock()
	if a.unsure == nil {
		a.unsure = make([]Bytes, len(a.sure))
	}
	a.mu.Unlock()
	addTo(a.unsure, batch)
	a.countFlows(a.unsureFlows, batch)
}

// countFlows adds the flows of a batch to those of their hours.
func (a *Account) countFlows(hours []uint64, batch []loadtest.Sample) {
	if len(batch) > 0 && a.gen.Hours == 1 {
		atomic.AddUint64(&hours[int(batch[0].Cell)/a.gen.Tuples], uint64(len(batch)))
		return
	}
	for _, s := range batch {
		atomic.AddUint64(&hours[int(s.Cell)/a.gen.Tuples], 1)
	}
}

func addTo(cells []Bytes, batch []loadtest.Sample) {
	for _, s := range batch {
		c := &cells[s.Cell]
		atomic.AddUint64(&c.Tx, uint64(s.Tx))
		atomic.AddUint64(&c.Rx, uint64(s.Rx))
	}
}

// clear forgets everything, as if no batch had been sent.
func (a *Account) clear() {
	clear(a.sure)
	clear(a.flows)
	clear(a.others)
}

// bounds returns the least and the most that the server may hold for a cell. It is called
// when no connection adds any more.
func (a *Account) bounds(i int) (least, most Bytes) {
	least, most = a.sure[i], a.sure[i]
	if a.unsure != nil {
		most.add(a.unsure[i])
	}
	return least, most
}
