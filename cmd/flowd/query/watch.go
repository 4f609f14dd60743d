package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// watch asks at intervals until an interrupt, which is no error. Before the first answer any error ends it;
// after that, errors that may pass, such as those of a server that restarts, do not.
func (a *asker) watch(ctx context.Context) (err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // after the first signal, the next one has its default effect
	defer func() {
		if a.drawing {
			_, left := io.WriteString(a.stdout, toFirstScreen)
			err = cmp.Or(err, left)
		}
	}()
	tick := time.NewTicker(a.Watch)
	defer tick.Stop()
	var cut *cutError
	for answered := false; ; {
		err := a.answer(ctx)
		switch {
		case err == nil:
			answered = true
		case ctx.Err() != nil && !errors.As(err, &cut):
			return nil
		case !answered || !maySucceedLater(err):
			return err
		default:
			if err := a.missed(err); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// missed reports that there is no answer this time.
func (a *asker) missed(cause error) error {
	if !a.drawing {
		fmt.Fprintf(a.stderr, "flowd: %v\n", cause)
		return nil
	}
	return a.screen.draw(frame{title: a.title, at: time.Now(), text: a.text, status: cause.Error(), wrong: true})
}
