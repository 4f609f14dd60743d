package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/valyala/fasthttp"

	"flowd/httpapi/format"
	"flowd/httpapi/reject"
	"flowd/httpapi/reservation"
	"flowd/humanize"
)

// maxWindow is the largest window of a zstd body, which RFC 9659 sets.
const maxWindow = 8 << 20

// maxBlock is the most that a block of zstd holds, and what the decoder may write behind it.
const maxBlock = 128<<10 + 16

// gzipReader reads gzip from memory.
type gzipReader struct {
	src bytes.Reader
	gz  gzip.Reader
}

// gzipReaders and zstdReaders hold decoders not in use. One is taken when a body is complete, so
// no decoder waits for a client.
var (
	gzipReaders = sync.Pool{New: func() any { return new(gzipReader) }}
	zstdReaders = sync.Pool{New: func() any { return newZstdReader() }}
)

// newZstdReader returns a decoder that works in the goroutine of its caller and writes no
// further than the capacity of the memory that it is given.
func newZstdReader() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("these options are in range: " + err.Error())
	}
	return d
}

// decompress replaces the body by what it holds.
func (in *request) decompress() *reject.Problem {
	if p := in.makeRoom(min(reservation.Growth*len(in.body.Data), in.ingester.options.DecodedBytes)); p != nil {
		return p
	}
	// A decoder that panicked would not be taken back.
	var p *reject.Problem
	if in.head.encoding == format.Gzip {
		r := gzipReaders.Get().(*gzipReader)
		p = in.gunzip(r)
		r.src.Reset(nil)
		gzipReaders.Put(r)
	} else {
		d := zstdReaders.Get().(*zstd.Decoder)
		p = in.unzstd(d)
		zstdReaders.Put(d)
	}
	if p != nil {
		return p
	}
	in.ingester.bodies.Release(in.body)
	in.body, in.plain = in.plain, nil
	in.ingester.decodedBytes.Add(len(in.body.Data))
	return nil
}

// gunzip decompresses the body, which may be several gzip files in a row, into plain.
func (in *request) gunzip(r *gzipReader) *reject.Problem {
	r.src.Reset(in.body.Data)
	err := r.gz.Reset(&r.src)
	if err == nil {
		err = in.ingester.bodies.Fill(&in.plain, &r.gz, -1, in.ingester.options.DecodedBytes)
	}
	switch err {
	case nil:
		return nil
	case reservation.ErrTooLarge:
		return in.ingester.decodedTooLarge()
	case reservation.ErrNoMemory:
		return in.ingester.noMemory()
	default:
		return corruptBody("gzip")
	}
}

// unzstd decompresses the body, which may be several zstd frames in a row, into plain. The
// decoder works in one go, so when there was too little memory it begins again with more.
func (in *request) unzstd(d *zstd.Decoder) *reject.Problem {
	limit := in.ingester.options.DecodedBytes
	var header zstd.Header
	if header.Decode(in.body.Data) == nil && header.HasFCS {
		if header.FrameContentSize > uint64(limit) {
			return in.ingester.decodedTooLarge()
		}
		if p := in.makeRoom(int(header.FrameContentSize)); p != nil {
			return p
		}
	}
	for {
		room := min(cap(in.plain.Data), limit+maxBlock)
		data, err := d.DecodeAll(in.body.Data, in.plain.Data[:0:room])
		// Where less memory is left than for a whole block, the error is not always this one.
		exceeded := errors.Is(err, zstd.ErrDecoderSizeExceeded)
		switch {
		case len(data) > limit, exceeded && room >= limit:
			return in.ingester.decodedTooLarge()
		case err == nil && len(in.body.Data) > 0:
			// The decoder may have moved the data to memory of its own.
			in.plain.Data = in.plain.Data[:copy(in.plain.Data[:room], data)]
			return nil
		case errors.Is(err, zstd.ErrWindowSizeExceeded):
			return windowTooLarge()
		case !exceeded && len(data) <= room-maxBlock, room == limit+maxBlock:
			return corruptBody("zstd")
		}
		larger := limit + maxBlock
		if room < limit {
			larger = min(reservation.Growth*room, limit)
		}
		if p := in.makeRoom(larger); p != nil {
			return p
		}
	}
}

// makeRoom sees to it that plain has memory for n bytes.
func (in *request) makeRoom(n int) *reject.Problem {
	bodies := &in.ingester.bodies
	var larger *reservation.Buffer
	switch {
	case in.plain == nil:
		larger = bodies.Acquire(n, in.client)
	case cap(in.plain.Data) >= n:
		return nil
	default:
		larger = bodies.Grow(in.plain, n)
	}
	if larger == nil {
		return in.ingester.noMemory()
	}
	in.plain = larger
	return nil
}

func windowTooLarge() *reject.Problem {
	return &reject.Problem{
		Status: fasthttp.StatusUnsupportedMediaType, Reason: reject.ContentEncoding,
		Detail: "The zstd body needs a window of more than " + humanize.Limit(maxWindow) +
			"; compress it with a smaller one.",
		Header: headerAcceptEncoding, Value: acceptEncoding,
	}
}

func corruptBody(name string) *reject.Problem {
	return &reject.Problem{
		Status: fasthttp.StatusBadRequest, Reason: reject.CorruptEncoding,
		Detail: "The body is not what Content-Encoding says: it cannot be decompressed as " + name +
			" to its end. Nothing of it counts.",
	}
}

func (s *Ingester) decodedTooLarge() *reject.Problem {
	return &reject.Problem{
		Status: fasthttp.StatusRequestEntityTooLarge, Reason: reject.DecodedTooLarge,
		Detail: fmt.Sprintf("The body is larger than %s once decompressed; send smaller batches, or raise "+
			"max-decoded-bytes.", humanize.Limit(int64(s.options.DecodedBytes))),
	}
}
