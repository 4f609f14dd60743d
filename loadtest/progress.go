package loadtest

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// ProgressEvery is how often a progress bar is drawn.
const ProgressEvery = 200 * time.Millisecond

// ShowProgress calls draw every ProgressEvery with a bar of that number of steps, until the returned function is
// called, which removes the bar. It shows nothing if w is nil.
func ShowProgress(w io.Writer, steps int64, draw func(*progressbar.ProgressBar)) (stop func()) {
	if w == nil {
		return func() {}
	}
	bar := progressbar.NewOptions64(max(steps, 1),
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionClearOnFinish(),
	)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(ProgressEvery)
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
