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

// watch asks every so often until an interrupt, which is no error. What may pass, such as a server
// that is started again, ends it before the first answer alone.
func (a *asker) watch(ctx context.Context) (err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from the first signal on, the next one has its usual effect
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

// missed says that there is no answer this time.
func (a *asker) missed(cause error) error {
	if !a.drawing {
		fmt.Fprintf(a.stderr, "flowd: %v\n", cause)
		return nil
	}
	return a.screen.draw(frame{title: a.title, at: time.Now(), text: a.text, status: cause.Error(), wrong: true})
}
