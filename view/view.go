// Package view maintains DATA/parquet, the folder for other programs: one Parquet file for each hour, as of
// the last checkpoint.
//
//	parquet/hour=482659/flows.parquet   the hour's block, under a second name (a hard link)
//	parquet/hour=482600/flows.parquet   no rows: the hour expired, and the file goes within some hours
//	parquet/hour=-1/flows.parquet       no rows, always: readers find the columns, and a file, in any case
//	parquet/.new-482659                 on its way to its place: no reader takes it for one of its files
//
// Blocks get their final names before the manifest names them, and their predecessors stay for some time,
// so a program that reads hours/ finds an hour twice. Here a file gets into its place by one rename, and
// only after the manifest that names it is durable.
//
// Programs list a folder first and open its files later. Some, such as DuckDB, open each file more than
// once and expect the same file. So a file in use is not replaced before it is closed, for a bounded time,
// and the file of an expired hour is replaced by a file without rows, long before its name is removed.
// DuckDB reads the columns from the first file of the list and closes it before it reads the rows: so the
// first file is one that never changes.
//
// The data does not depend on this folder: Repair corrects whatever is wrong in it at the next start.
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

// Mode is how an hour's block gets into the folder.
type Mode string

// The values of Mode.
const (
	// Link gives the block a second name, which costs nothing. On a file system without hard links there is
	// no folder.
	Link Mode = "link"
	// Copy copies the block, which takes its bytes twice.
	Copy Mode = "copy"
	// Off maintains no folder, and removes an existing one.
	Off Mode = "off"
)

// Options configure a Folder.
type Options struct {
	// FS is the file system of Data, the data folder.
	FS   disk.FS
	Data string
	Mode Mode
	// Logger receives the events that matter to an operator.
	Logger *slog.Logger
}

const (
	// folder is its name in the data folder, and fileName the name of each hour's file.
	folder     = "parquet"
	hourPrefix = "hour="
	fileName   = "flows.parquet"
	newPrefix  = ".new-"
	// columnsHour is the hour of the file that never has rows. It sorts before all hours, both as text and
	// as a number.
	columnsHour = "-1"
)

var columnsName = path.Join(folder, hourPrefix+columnsHour, fileName)

// FileName returns the name of the hour's file, relative to the data folder.
func FileName(hour flow.Hour) string { return path.Join(folder, hourFolder(hour), fileName) }

func hourFolder(hour flow.Hour) string { return hourPrefix + strconv.FormatUint(uint64(hour), 10) }

func newName(hour string) string { return path.Join(folder, newPrefix+hour) }

// hourOf returns the hour of a folder in parquet/.
func hourOf(name string) (flow.Hour, bool) {
	digits, ok := strings.CutPrefix(name, hourPrefix)
	n, err := strconv.ParseUint(digits, 10, 31)
	hour := flow.Hour(n)
	return hour, ok && err == nil && hourFolder(hour) == name
}

const (
	// patience is how long a file in use is not replaced. A reader that has it open for longer keeps the
	// open file, and fails if it opens the file once more.
	patience = time.Minute
	// closePatience is the patience while the server shuts down.
	closePatience = time.Second
	// inUseRetry is the time after which a file in use is tried again.
	inUseRetry = 10 * time.Millisecond
	// failedRetry is the time after which a failed change is first retried, maxRetry the longest such time.
	failedRetry = time.Second
	maxRetry    = time.Minute
	// A file without rows stays for emptyAtLeast, so that a reader that listed its hour still finds it. Each
	// removal of a name can fall between a reader's listing and opening. So all such files are removed
	// together, once one of them has been there for emptySweep.
	emptyAtLeast = 10 * time.Minute
	emptySweep   = time.Hour
)

// Blocks are the blocks that a manifest names, by hour.
type Blocks map[flow.Hour]block.File

// Folder maintains the folder. A nil *Folder does nothing. Only one goroutine at a time may call Follow.
type Folder struct {
	o       Options
	columns []byte // a file without rows

	latest atomic.Pointer[Blocks]
	woken  chan struct{} // has room for one token
	stop   chan struct{}
	ending sync.WaitGroup
	behind atomic.Int64

	// The following fields are owned by Repair, then by the folder's goroutine, then by Close.
	off     bool
	planned *Blocks
	shown   map[flow.Hour]string // the block that the hour's name shows; noBlock for a file without rows
	changes map[flow.Hour]*change
	emptied map[flow.Hour]time.Time // since when the hour has a file without rows
	said    string                  // the error that was logged last
}

// change is a pending replacement of an hour's file.
type change struct {
	block string    // noBlock for a file without rows
	ready bool      // the new file exists under its temporary name
	since time.Time // when the old file was first found in use
}

// noBlock is the block name of a file without rows.
const noBlock = ""

// New returns a Folder. It does not access the file system.
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

// Start starts the goroutine that maintains the folder until Close.
func (f *Folder) Start() {
	if f != nil && !f.off {
		f.ending.Go(f.run)
	}
}

// Follow makes the folder show blocks, which must be those of a durable manifest, and must not be changed
// any more. It returns without waiting for the changes. The files of the blocks must exist until the next
// call.
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

// Behind returns the number of hours whose files are not as of the last checkpoint, because they are in use
// or the folder cannot be written to.
func (f *Folder) Behind() int64 {
	if f == nil {
		return 0
	}
	return f.behind.Load()
}

// Close stops the goroutine, and makes the last changes, with little patience for readers.
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

// run is the folder's goroutine.
func (f *Folder) run() {
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

// logOnce logs an error, unless it is the one that was logged last.
func (f *Folder) logOnce(what string, err error) {
	if text := fmt.Sprint(what, err); text != f.said {
		f.said = text
		f.o.Logger.Warn("the folder parquet/ is not as of the last checkpoint, and is tried again", "file", what, "error", err)
	}
}

func (f *Folder) path(name string) string { return path.Join(f.o.Data, name) }
