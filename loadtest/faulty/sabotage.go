package faulty

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"flowd/local"

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

// heldBack is how many posts a server that answers first has not passed on yet.
const heldBack = 20

// Main is the command line of a durable server, a process of its own that keeps its batches in a
// folder, and serves until SIGTERM. It returns the exit code.
//
//	--listen ADDR --data DIR [--retention TIME] [--sabotage WHAT]
func Main(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("durable", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:0", "the address to listen on")
	data := flags.String("data", "", "the folder of the data")
	retention := flags.Duration("retention", 0, "how long hours are kept; 0 is for ever")
	sabotage := flags.String("sabotage", "", "what goes wrong")
	if flags.Parse(args) != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *listen, *data, *retention, Sabotage(*sabotage)); err != nil {
		fmt.Fprintln(stderr, "durable:", err)
		return 1
	}
	if Sabotage(*sabotage) == BadEnd {
		return 1
	}
	return 0
}

// serve serves from a folder until ctx ends.
func serve(ctx context.Context, addr, dir string, retention time.Duration, sabotage Sabotage) error {
	o := local.DefaultOptions()
	o.Dir, o.Logged, o.Retention = dir, true, retention
	o.Log.SegmentBytes = 1 << 20
	o.ClockHold = 0
	s := &Server{faults: faultsOf(sabotage)}
	switch sabotage {
	case AnswerFirst:
		s.answerFirst = heldBack
	case NamesForgotten:
		s.suffix = fmt.Sprintf("-%d", os.Getpid())
	case ExpiryForgotten:
		s.forgotten.Flows = 1 // start puts the real number in its place
	}
	if err := s.start(addr, o); err != nil {
		return err
	}
	if sabotage == DropHour {
		s.Expire(s.FirstHour(), true)
	}
	err := s.letExpire(ctx, retention)
	return errors.Join(err, s.Close())
}

// letExpire returns when ctx ends. With a retention it has hours expire as soon as their time has come: by itself the
// engine looks once a second, which is longer than a server lives that is killed again and again.
func (s *Server) letExpire(ctx context.Context, retention time.Duration) error {
	if retention == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(retention / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.engine.Checkpoint(); err != nil {
				return err
			}
		}
	}
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
