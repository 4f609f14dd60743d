package loadtest

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encoding is the Content-Encoding of the bodies sent.
type Encoding string

const (
	Plain     Encoding = "none"
	Gzip      Encoding = "gzip"
	Zstandard Encoding = "zstd"
)

// header is the value of Content-Encoding, empty for none.
func (e Encoding) header() string {
	if e == Plain {
		return ""
	}
	return string(e)
}

// compressor returns a function that compresses body into the memory of dst, at the fastest
// level. The function belongs to one goroutine. It is nil for Plain.
func (e Encoding) compressor() (func(dst, body []byte) []byte, error) {
	switch e {
	case Plain:
		return nil, nil
	case Gzip:
		return gzipCompressor()
	case Zstandard:
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return nil, err
		}
		return func(dst, body []byte) []byte { return enc.EncodeAll(body, dst[:0]) }, nil
	}
	return nil, fmt.Errorf("encoding %q is not known", e)
}

func gzipCompressor() (func(dst, body []byte) []byte, error) {
	enc, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	return func(dst, body []byte) []byte {
		out := bytes.NewBuffer(dst[:0])
		enc.Reset(out)
		// A buffer in memory takes all that is written to it.
		_, _ = enc.Write(body)
		_ = enc.Close()
		return out.Bytes()
	}, nil
}
