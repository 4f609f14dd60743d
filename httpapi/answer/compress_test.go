package answer

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"flowd/httpapi/format"
)

// What a packer holds is what every answer under way costs.
func TestPackersAreSmall(t *testing.T) {
	text := strings.Repeat(`{"src_app":"abc","dest_app":"b","vpc_id":"c","bytes_tx":1,"bytes_rx":2,"hour":12345},`, 2<<20/100)
	for e, name := range format.EncodingNames {
		if format.Encoding(e) == format.Identity {
			continue
		}
		const several = 8
		var sink packedBlock
		all := make([]packer, several)
		before := inUse()
		for i := range all {
			all[i] = packers[e].New().(packer)
			sink.data = sink.data[:0]
			all[i].Reset(&sink)
			if _, err := io.WriteString(all[i], text); err != nil {
				t.Fatal(err)
			}
		}
		each := (inUse() - before) / several
		t.Logf("%s holds %d KiB", name, each>>10)
		if each > 900<<10 {
			t.Errorf("%s holds %d KiB", name, each>>10)
		}
		runtime.KeepAlive(all)
	}
}

// inUse returns how much memory is in use.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
