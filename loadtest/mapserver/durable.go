package mapserver

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/valyala/fasthttp"
)

// Sabotage is what a durable server does wrong.
type Sabotage string

const (
	// DedupeOff counts a repeated batch again.
	DedupeOff Sabotage = "dedupe-off"
	// AnswerFirst answers before it writes, so that a kill loses what was answered.
	AnswerFirst Sabotage = "answer-first"
	// NamesForgotten keeps the counts over a restart, and not the names of the batches.
	NamesForgotten Sabotage = "names-forgotten"
	// LoseBatch loses one batch.
	LoseBatch Sabotage = "lose-batch"
	// DoubleBatch counts one batch twice.
	DoubleBatch Sabotage = "double-batch"
	// DropHour loses an hour that is not in the ledger as expired.
	DropHour Sabotage = "drop-hour"
	// ExpiryForgotten forgets on a restart what has expired.
	ExpiryForgotten Sabotage = "expiry-forgotten"
	// SayNew answers repeated batches as new ones, although they do not count again.
	SayNew Sabotage = "say-new"
	// SayRepeated answers new batches as repeated ones, although they count.
	SayRepeated Sabotage = "say-repeated"
	// Refuse takes no batch.
	Refuse Sabotage = "refuse"
	// RefuseForGood refuses a batch in a way that says not to send it again.
	RefuseForGood Sabotage = "refuse-for-good"
	// BadEnd ends with an exit code that is not 0.
	BadEnd Sabotage = "bad-end"
)

// faultyBatch is the number, counted from each start, of the batch that goes wrong.
const faultyBatch = 5

// Main is the command line of a durable server, a process of its own that keeps its batches in a
// file, and serves until SIGTERM. It returns the exit code.
//
//	--listen ADDR --data DIR [--max-hours N] [--sabotage WHAT]
func Main(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("durable", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:0", "the address to listen on")
	data := flags.String("data", "", "the folder of the data")
	maxHours := flags.Int("max-hours", 0, "how many hours are kept; 0 is all")
	sabotage := flags.String("sabotage", "", "what goes wrong")
	if flags.Parse(args) != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	d := &durable{Server: newServer(faultsOf(Sabotage(*sabotage))), sabotage: Sabotage(*sabotage)}
	d.table.maxHours = *maxHours
	if err := d.serve(ctx, *listen, *data); err != nil {
		fmt.Fprintln(stderr, "durable:", err)
		return 1
	}
	if d.sabotage == BadEnd {
		return 1
	}
	return 0
}

// faultsOf returns the faults of s that a server in memory can have too.
func faultsOf(s Sabotage) Faults {
	switch s {
	case LoseBatch:
		return Faults{Store: onBatch(func([]Row) []Row { return nil })}
	case DoubleBatch:
		return Faults{Store: onBatch(func(flows []Row) []Row { return append(flows, flows...) })}
	case SayNew:
		return Faults{SaysNew: true}
	case SayRepeated:
		return Faults{SaysRepeated: true}
	case Refuse:
		return Faults{
			Store:  func(int, []Row) []Row { return nil },
			Answer: func(int) int { return fasthttp.StatusServiceUnavailable },
		}
	case RefuseForGood:
		return Faults{
			Store: func(int, []Row) []Row { return nil },
			Answer: func(post int) int {
				if post == faultyBatch {
					return fasthttp.StatusConflict
				}
				return fasthttp.StatusOK
			},
		}
	case DedupeOff:
		return Faults{Forgets: true}
	}
	return Faults{}
}

// onBatch changes the flows of one batch, of those that are not repeated.
func onBatch(change func([]Row) []Row) func(int, []Row) []Row {
	batch := 0
	return func(_ int, flows []Row) []Row {
		if batch++; batch == faultyBatch {
			return change(flows)
		}
		return flows
	}
}

// durable is a server with a journal.
type durable struct {
	*Server
	sabotage Sabotage
}

// serve answers 503 until it has read its journal, and serves until ctx ends.
func (d *durable) serve(ctx context.Context, addr, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := d.listen(addr); err != nil {
		return err
	}
	if err := d.recover(filepath.Join(dir, "journal")); err != nil {
		return err
	}
	<-ctx.Done()
	if err := d.Close(); err != nil {
		return err
	}
	return d.journal.close()
}

func (d *durable) recover(path string) error {
	// The table is not read until ready is set.
	j, err := openJournal(path, d.count)
	if err != nil {
		return err
	}
	switch d.sabotage {
	case AnswerFirst:
		j.held = 20
	case NamesForgotten:
		clear(d.names)
	case DropHour:
		if hours := d.table.sorted(); len(hours) > 0 {
			delete(d.table.hours, hours[0])
		}
	case ExpiryForgotten:
		d.table.received.sub(d.table.expired)
		d.table.expired = amount{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.journal, d.ready = j, true
	return nil
}
