package client

import (
	"bytes"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressor returns a batch in its encoding, in newly allocated memory. It is not safe for concurrent
// use.
type compressor func(plain []byte) []byte

// newCompressor uses the fastest level, to leave the host's processors to other programs.
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
			// Writes to a bytes.Buffer do not fail.
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
