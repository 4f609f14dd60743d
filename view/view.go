// Package view keeps DATA/parquet, the folder that other programs read: one Parquet file for each hour,
// as of the last checkpoint.
//
//	parquet/hour=482659/flows.parquet   the hour's block, under a second name (a hard link)
//	parquet/hour=482600/flows.parquet   no rows: the hour expired, and the file goes within some hours
//	parquet/hour=-1/flows.parquet       no rows, always: readers find the columns, and a file, in any case
//	parquet/.new-482659                 on its way to its place: no reader takes it for one of its files
//
// Blocks come under their final names before the manifest names them, and their predecessors stay a
// while, so a program that reads hours/ finds an hour twice. Here a file comes into its place by one
// rename, and only after the manifest that names it is durable.
//
// Programs list a folder first and open its files then, some of them each file more than once (DuckDB
// does), expecting the same file. So a file in use is not replaced before it is closed, for a bounded
// time, and an hour that expires is replaced by a file without rows, long before its name goes. DuckDB
// reads the columns from the first file of the list and closes it before it reads the rows: so the first
// one is a file that never changes.
//
// Nothing here is needed for the data: what is wrong in the folder, Repair makes right at the next start.
package view

import (
	"fmt"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"flowd/block"
	"flowd/disk"
	"flowd/flow"
)

// Mode is how an hour's block comes into the folder.
type Mode string

// The modes.
const (
	// Link gives the block a second name, which costs nothing. Where the file system has no hard links
	// there is no folder.
	Link Mode = "link"
	// Copy copies the block, which takes its bytes twice.
	Copy Mode = "copy"
	// Off has no folder, and removes what is there.
	Off Mode = "off"
)

// Options say what a folder is made of.
type Options struct {
	// FS is where Data is, the data folder.
	FS   disk.FS
	Data string
	Mode Mode
	// Logger gets what an operator should know.
	Logger *slog.Logger
}

const (
	// folder is the name below the data folder, and fileName that of each hour's file.
	folder     = "parquet"
	hourPrefix = "hour="
	fileName   = "flows.parquet"
	newPrefix  = ".new-"
	// columnsHour is the hour of the file that has no rows. It sorts before all hours, whichever way.
	columnsHour = "-1"
)

var columnsName = path.Join(folder, hourPrefix+columnsHour, fileName)

// FileName returns the name of the hour's file, below the data folder.
func FileName(hour flow.Hour) string { return path.Join(folder, hourFolder(hour), fileName) }

func hourFolder(hour flow.Hour) string { return hourPrefix + strconv.FormatUint(uint64(hour), 10) }

func newName(hour string) string { return path.Join(folder, newPrefix+hour) }

// hourOf returns the hour of a folder below parquet/.
func hourOf(name string) (flow.Hour, bool) {
	digits, ok := strings.CutPrefix(name, hourPrefix)
	n, err := strconv.ParseUint(digits, 10, 31)
	hour := flow.Hour(n)
	return hour, ok && err == nil && hourFolder(hour) == name
}

const (
	// patience is how long a file is not replaced because it is in use. A reader that has it open for
	// longer goes on with the file it has open, and fails if it opens it once more.
	patience = time.Minute
	// closePatience is the same at the end of the server.
	closePatience = time.Second
	// inUseRetry is how soon a file in use is tried again.
	inUseRetry = 10 * time.Millisecond
	// failedRetry is how soon a change that failed is tried again at first, maxRetry how late at most.
	failedRetry = time.Second
	maxRetry    = time.Minute
	// A file without rows stays for emptyAtLeast, so that a reader that listed its hour still finds it. To take
	// away its name is a moment in which a reader can be between the two: so they go together, once one
	// of them has been there for emptySweep.
	emptyAtLeast = 10 * time.Minute
	emptySweep   = time.Hour
)

// Blocks are the blocks that a manifest names, by hour.
type Blocks map[flow.Hour]block.File

// Folder keeps the folder. A nil *Folder keeps none. Follow may be called by one goroutine at a time.
type Folder struct {
	o       Options
	columns []byte // a file without rows

	latest atomic.Pointer[Blocks]
	woken  chan struct{} // holds one
	stop   chan struct{}
	ending sync.WaitGroup
	behind atomic.Int64

	// What follows belongs to Repair, then to the folder's goroutine, then to Close.
	off     bool
	planned *Blocks
	shown   map[flow.Hour]string // the block under the hour's name; none for a file without rows
	changes map[flow.Hour]*change
	emptied map[flow.Hour]time.Time // since when the hour has a file without rows
	said    string                  // the error that was logged last
}

// change is an hour whose file is to be another one.
type change struct {
	block string    // none for a file without rows
	ready bool      // it has its temporary name
	since time.Time // when it was found in use first
}

// none stands for no block, in the place of its name.
const none = ""

// New returns a folder that has looked at nothing yet.
func New(o Options) (*Folder, error) {
	columns, err := block.NoRows()
	if err != nil {
		return nil, err
	}
	return &Folder{
		o: o, columns: columns, off: o.Mode == Off,
		woken: make(chan struct{}, 1), stop: make(chan struct{}),
		shown: map[flow.Hour]string{}, changes: map[flow.Hour]*change{}, emptied: map[flow.Hour]time.Time{},
	}, nil
}

// Start keeps the folder from here on, in a goroutine that ends with Close.
func (f *Folder) Start() {
	if f != nil && !f.off {
		f.ending.Go(f.keep)
	}
}

// Follow has the folder show blocks, which must be those of a manifest that is durable, and must not be changed any more. It does not wait for
// that. The blocks must stay until the next call.
func (f *Folder) Follow(blocks Blocks) {
	if f == nil || f.off {
		return
	}
	f.latest.Store(&blocks)
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

// Behind returns how many hours' files are not as of the last checkpoint: since they are in use, or the
// folder cannot be written to.
func (f *Folder) Behind() int64 {
	if f == nil {
		return 0
	}
	return f.behind.Load()
}

// Close ends the goroutine, and makes the last changes, without patience for readers.
func (f *Folder) Close() {
	if f == nil || f.off {
		return
	}
	close(f.stop)
	f.ending.Wait()
	for deadline := time.Now().Add(closePatience); ; time.Sleep(inUseRetry) {
		forced := time.Now().After(deadline)
		if inUse, _ := f.pass(forced); inUse == 0 || forced {
			return
		}
	}
}

// keep is the folder's goroutine.
func (f *Folder) keep() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failed := failedRetry
	for {
		select {
		case <-f.stop:
			return
		case <-f.woken:
		case <-timer.C:
		}
		inUse, failures := f.pass(false)
		f.sweep(time.Now())
		switch {
		case inUse > 0:
			timer.Reset(inUseRetry)
		case failures > 0:
			timer.Reset(failed)
			failed = min(2*failed, maxRetry)
			continue
		default:
			timer.Reset(emptyAtLeast)
		}
		failed = failedRetry
	}
}

// say logs an error, unless it is the one that was logged last.
func (f *Folder) say(what string, err error) {
	if text := fmt.Sprint(what, err); text != f.said {
		f.said = text
		f.o.Logger.Warn("the folder parquet/ is not as of the last checkpoint, and is tried again", "file", what, "error", err)
	}
}

func (f *Folder) path(name string) string { return path.Join(f.o.Data, name) }
