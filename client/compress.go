package client

import (
	"bytes"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressor returns a batch as it is sent, in memory of its own. It belongs to one goroutine.
type compressor func(plain []byte) []byte

// newCompressor compresses at the fastest level: an agent's processor is somebody else's.
func newCompressor(e Encoding) (compressor, error) {
	switch e {
	case Gzip:
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		return func(plain []byte) []byte {
			out.Reset()
			w.Reset(&out)
			// A buffer in memory takes all that is written to it.
			_, _ = w.Write(plain)
			_ = w.Close()
			return bytes.Clone(out.Bytes())
		}, nil
	case Zstandard:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return nil, err
		}
		var out []byte
		return func(plain []byte) []byte {
			out = w.EncodeAll(plain, out[:0])
			return bytes.Clone(out)
		}, nil
	}
	return bytes.Clone, nil
}
