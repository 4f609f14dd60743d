package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowd/disk/crashfs"
)

// TestDeadlines holds that Flush and Close return at their deadlines, and report the pending batches.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer()
		s.fault = func(post int, _ *http.Request) fault {
			switch post {
			case 1:
				return fault{hangUp: true, counts: true}
			case 2:
				return fault{answer: textAnswer(503, "")}
			}
			return fault{noAnswer: true}
		}
		o := s.options()
		o.Connections, o.Timeout = 2, time.Hour
		c := open(t, o)
		add(t, c, "a", 25)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("Flush returned %v after %v", err, time.Since(begin))
		}
		if stats := checkBalance(t, c); stats.Pending != (Count{3, 25}) || stats.Uncertain != (Count{1, 10}) || stats.Deferred != (Count{1, 10}) || stats.Open != 0 {
			t.Errorf("%+v", stats)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := c.Close(ctx)
		var unsent *UnsentError
		if !errors.As(err, &unsent) || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 2*time.Minute {
			t.Fatalf("Close returned %v after %v", err, time.Since(begin))
		}
		if diff := cmp.Diff(&UnsentError{Pending: Count{3, 25}, Lost: Count{3, 25}}, unsent, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Err" }, cmp.Ignore())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if want := "client: 3 batches with 25 flows are not answered for, and lost: context deadline exceeded"; err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
}

// TestHalt holds that after Halt no POST begins, the POSTs in flight finish, and the next client sends
// the rest.
func TestHalt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer()
		s.fault = func(int, *http.Request) fault {
			answer := make(chan struct{})
			time.AfterFunc(10*time.Second, func() { close(answer) })
			return fault{wait: answer}
		}
		o := s.options()
		o.Connections, o.Dir, o.FS = 2, "spool", crashfs.New()
		c := open(t, o)
		add(t, c, "a", 50)
		time.Sleep(time.Second) // the first two are in flight
		c.Halt()
		begin := time.Now()
		second := make(chan time.Duration)
		go func() {
			time.Sleep(time.Second)
			mustClose(t, c)
			second <- time.Since(begin)
		}()
		err := c.Close(t.Context())
		var unsent *UnsentError
		if !errors.As(err, &unsent) || unsent.Pending != (Count{3, 30}) || !strings.HasSuffix(err.Error(), "halted") {
			t.Errorf("%v", err)
		}
		if first, second := time.Since(begin), <-second; first != 9*time.Second || second != first {
			t.Errorf("Close took %v and a second one %v, want both to wait for the POSTs in flight", first, second)
		}
		if diff := cmp.Diff(onceEach("a", 20), s.counted(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		s.setFault(nil)
		mustClose(t, open(t, o))
		if diff := cmp.Diff(onceEach("a", 50), s.counted(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
