package conn

import (
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A stop does not wait for those that are being turned away to rest.
func TestStopEndsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		far.Close()
		secured := &TLS{now: time.Now}
		secured.checked.Store(time.Now().UnixNano())
		secured.current.Store(&identity{base: &tls.Config{}})
		ln := NewSet(Options{TLS: secured}).Listen(noListener{})
		ln.rejectOver(near, nil)
		synctest.Wait()
		if ln.Rejecting() != 1 {
			t.Error("no rejector waits")
		}
		began := time.Now()
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		ln.rejected.Wait()
		if took := time.Since(began); took > 0 {
			t.Errorf("the stop took %s", took)
		}
	})
}

// noListener accepts nothing.
type noListener struct{ net.Listener }

func (noListener) Close() error { return nil }
