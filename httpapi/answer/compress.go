package answer

import (
	"flowd/httpapi/format"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// leastPacked is how many bytes an answer must have to be compressed. What is shorter goes out in
// one packet either way.
const leastPacked = 1 << 10

// answerWindow is the window of a zstd answer. Rows resemble those just before them, so a larger
// one makes answers no shorter, and would be held once more by every answer under way.
const answerWindow = 64 << 10

// packer compresses an answer. It works in the goroutine of its caller.
type packer interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// packers hold those not in use, about 0.7 MB each.
var packers = [...]sync.Pool{
	format.Gzip: {New: func() any { return newGzipWriter() }},
	format.Zstd: {New: func() any { return newZstdWriter() }},
}

func newGzipWriter() *gzip.Writer {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic("this level is one: " + err.Error())
	}
	return w
}

func newZstdWriter() *zstd.Encoder {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(answerWindow))
	if err != nil {
		panic("these options are in range: " + err.Error())
	}
	return w
}

// packedBlock takes what a packer writes.
type packedBlock struct{ data []byte }

func (b *packedBlock) Write(p []byte) (int, error) {
	b.data = append(b.data, p...)
	return len(p), nil
}

// compress has the text written in an encoding from its first block on.
func (a *Answer) compress(e format.Encoding) error {
	if e == format.Identity {
		return nil
	}
	a.coded, a.packer = e, packers[e].Get().(packer)
	a.packed.data = append(a.packed.data[:0], make([]byte, blockHead)...)
	a.packer.Reset(&a.packed)
	return a.pack()
}

// pack compresses the text, and more of it until what comes out fills a block. It gives the packer
// back with the end of the text, so a client that takes its time over the last block does not hold
// one; a packer whose answer was cut off may be in any state, and is left to the garbage collector.
func (a *Answer) pack() error {
	for {
		if _, err := a.packer.Write(a.block[blockHead:]); err != nil {
			return err
		}
		a.block = a.block[:blockHead]
		if !a.more {
			if err := a.packer.Close(); err != nil {
				return err
			}
			packers[a.coded].Put(a.packer)
			a.packer = nil
			return nil
		}
		if len(a.packed.data) >= blockHead+BlockBytes {
			return nil
		}
		var err error
		if a.block, a.more, err = a.source.Next(a.block, blockHead+BlockBytes); err != nil {
			return err
		}
	}
}
