package local

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"flowd/disk/crashfs"
	"flowd/flow"
)

// TestNoSegmentSaysWhy has the making of segments fail for one reason after the other: a client and /readyz learn
// which, and a disk that is not full is not called so.
func TestNoSegmentSaysWhy(t *testing.T) {
	o := testOptions(t)
	disk := crashfs.New()
	o.FS, o.Dir, o.Log.SegmentBytes = disk, "data", 64<<10
	e := open(t, o)
	var failure atomic.Pointer[syscall.Errno]
	fail := func(with syscall.Errno) { failure.Store(&with) }
	fail(syscall.EMFILE)
	disk.Inject(func(op errorfs.Op) error {
		if with := failure.Load(); with != nil && op.Kind == errorfs.OpCreate {
			return *with
		}
		return nil
	})
	many := make([]flow.Flow, 500)
	for i := range many {
		many[i] = tuple(i, 1)
	}
	var err error
	for err == nil {
		_, err = e.post(flow.Origin{}, many...)
	}
	for _, c := range []struct {
		with         syscall.Errno
		reason, says string
	}{
		{syscall.EMFILE, "open-files", "as many files and connections open as it may"},
		{syscall.EROFS, "disk-error", "read-only"},
		{syscall.EIO, "disk-error", "SMART"},
		{syscall.ENOSPC, "disk-full", "free some space"},
	} {
		fail(c.with)
		refused := (*flow.UnavailableError)(nil)
		for deadline := time.Now().Add(time.Minute); ; { // until the log has tried again
			if _, err = e.post(flow.Origin{}, many...); !errors.As(err, &refused) {
				t.Fatalf("%v: a batch got %v", c.with, err)
			}
			if strings.Contains(refused.Detail, c.says) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%v: a batch still gets %q", c.with, refused.Detail)
			}
			time.Sleep(time.Millisecond)
		}
		if refused.Reason != c.reason || c.reason != "disk-full" && strings.Contains(refused.Detail, "space") {
			t.Errorf("%v: %+v", c.with, refused)
		}
		if s := e.Status(); !s.ReadOnly || s.Reasons[0] != c.reason || s.Detail != refused.Detail {
			t.Errorf("%v: the status is %+v", c.with, s)
		}
	}
	failure.Store(nil)
	for deadline := time.Now().Add(time.Minute); !e.ready(); {
		if time.Now().After(deadline) {
			t.Fatal("the engine does not become ready again")
		}
		e.checkpointer.wake() // instead of waiting for its next tick
	}
	e.mustPost(t, flow.Origin{}, tuple(1, 1))
	e.mustClose(t)
}

// TestBatchLargerThanASegment refuses a batch that the log can never take, and counts nothing of it.
func TestBatchLargerThanASegment(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	o.Log.SegmentBytes = 64 << 10
	e := open(t, o)
	defer e.mustClose(t)
	flows := make([]flow.Flow, 10_000)
	for i := range flows {
		flows[i] = tuple(i, 1)
	}
	_, err := e.post(flow.Origin{Client: "a", Key: "k"}, flows...)
	var large *flow.BatchTooLargeError
	if !errors.As(err, &large) || large.Most >= o.Log.SegmentBytes || large.Bytes <= large.Most {
		t.Fatalf("%v", err)
	}
	if duplicate := e.mustPost(t, flow.Origin{Client: "a", Key: "k"}, flows[0]); duplicate {
		t.Error("the refused batch was noted under its key")
	}
	if l := e.checkBalance(t); l.Stored.Flows != 1 || l.Rejected.Flows != 10_000 {
		t.Errorf("%+v", l.Account)
	}
}
