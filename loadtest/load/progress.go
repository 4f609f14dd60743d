package load

import (
	"fmt"
	"time"

	"flowd/loadtest"

	"github.com/schollz/progressbar/v3"
)

// showProgress draws how much of the time is over and how fast it goes, until the returned
// function is called, which takes the bar away again.
func (l *load) showProgress() (stop func()) {
	return loadtest.ShowProgress(l.Progress, int64(l.For/loadtest.ProgressEvery), l.draw)
}

func (l *load) draw(bar *progressbar.ProgressBar) {
	elapsed := time.Since(l.start)
	var flows, reads, failed uint64
	for _, rec := range l.recorders {
		rec.mu.Lock()
		flows += rec.writes.flows
		reads += rec.reads.ok
		failed += rec.writes.Count() + rec.reads.Count()
		rec.mu.Unlock()
	}
	text := loadtest.SI(float64(flows)/elapsed.Seconds(), "") + " flows/s"
	if l.Options.Reads > 0 {
		text += ", " + loadtest.SI(float64(reads)/elapsed.Seconds(), "") + " reads/s"
	}
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	bar.Describe(text)
	_ = bar.Set64(min(int64(elapsed/loadtest.ProgressEvery), bar.GetMax64()))
}
