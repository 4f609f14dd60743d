package crash

import (
	"fmt"

	"github.com/schollz/progressbar/v3"

	"flowd/loadtest"
)

// showProgress draws how many of the kills are over.
func (r *testRun) showProgress() (stop func()) {
	return loadtest.ShowProgress(r.Progress, int64(r.Kills), func(bar *progressbar.ProgressBar) {
		r.mu.Lock()
		kills := r.kills
		r.mu.Unlock()
		bar.Describe(fmt.Sprintf("%d of %d kills, %d batches", kills, r.Kills, r.batches.Load()))
		_ = bar.Set64(int64(kills))
	})
}
