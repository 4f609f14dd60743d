package loadtest

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressEvery is how often the bar moves.
const progressEvery = 200 * time.Millisecond

// showProgress draws how much of the time is over and how fast it goes, until the returned
// function is called, which takes the bar away again.
func (l *load) showProgress() (stop func()) {
	return showBar(l.Progress, int64(l.For/progressEvery), l.draw)
}

// showBar calls draw for a bar of so many steps now and then, until the returned function is
// called. Without a place for it nothing is shown.
func showBar(w io.Writer, steps int64, draw func(*progressbar.ProgressBar)) (stop func()) {
	if w == nil {
		return func() {}
	}
	bar := newBar(w, steps)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				draw(bar)
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		// A bar that cannot be drawn is no reason to fail.
		_ = bar.Clear()
	}
}

func (l *load) draw(bar *progressbar.ProgressBar) {
	elapsed := time.Since(l.start)
	var flows, reads, failed uint64
	for _, rec := range l.recorders {
		rec.mu.Lock()
		flows += rec.writes.flows
		reads += rec.reads.ok
		failed += rec.writes.failed() + rec.reads.failed()
		rec.mu.Unlock()
	}
	text := si(float64(flows)/elapsed.Seconds(), "") + " flows/s"
	if l.Options.Reads > 0 {
		text += ", " + si(float64(reads)/elapsed.Seconds(), "") + " reads/s"
	}
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	bar.Describe(text)
	_ = bar.Set64(min(int64(elapsed/progressEvery), bar.GetMax64()))
}

// showProgress draws how many of the kills are over.
func (r *crashRun) showProgress() (stop func()) {
	return showBar(r.Progress, int64(r.Kills), func(bar *progressbar.ProgressBar) {
		r.mu.Lock()
		kills := r.kills
		r.mu.Unlock()
		bar.Describe(fmt.Sprintf("%d of %d kills, %d batches", kills, r.Kills, r.batches.Load()))
		_ = bar.Set64(int64(kills))
	})
}

func newBar(w io.Writer, steps int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(max(steps, 1),
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionClearOnFinish(),
	)
}
