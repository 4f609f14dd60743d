package httpapi

import (
	"errors"
	"flowd/httpapi/answer"
	"io"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// unpack decompresses a text to its end.
func unpack(encoding, text string) (string, error) {
	switch encoding {
	case "gzip":
		r, err := gzip.NewReader(strings.NewReader(text))
		if err != nil {
			return "", err
		}
		plain, err := io.ReadAll(r)
		return string(plain), err
	case "zstd":
		r, err := zstd.NewReader(strings.NewReader(text), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return "", err
		}
		defer r.Close()
		plain, err := io.ReadAll(r)
		return string(plain), err
	}
	return text, nil
}

// unpacked does the same for a text that must be whole.
func unpacked(t testing.TB, encoding, text string) string {
	t.Helper()
	plain, err := unpack(encoding, text)
	if err != nil {
		t.Fatalf("%d bytes of %q: %v", len(text), encoding, err)
	}
	return plain
}

// A compressed answer is the same text, whatever its length and the client's HTTP version; HEAD has
// the same headers.
func TestCompression(t *testing.T) {
	t.Parallel()
	e := newMany(0)
	ts := serve(t, e, nil)
	c := ts.dial()
	for _, name := range []string{"gzip", "zstd"} {
		for _, n := range []int{0, 1, 7, 8, 9, 64, 489, 490, 491, 2000, 10_000, 60_000} {
			t.Run(name+"-"+itoa(n), func(t *testing.T) {
				e.rows.Store(int64(n))
				c.write(head("GET", "/flows?hour=5", "Accept-Encoding: "+name))
				r := c.read("GET")
				text := unpacked(t, r.Header.Get("Content-Encoding"), r.body)
				wantRows(t, text, n)
				want := name
				if len(text) < 1<<10 {
					want = ""
				}
				if got := r.Header.Get("Content-Encoding"); got != want || r.Header.Get("Vary") != "Accept, Accept-Encoding" {
					t.Errorf("%d bytes with Content-Encoding %q, Vary %q", len(text), got, r.Header.Get("Vary"))
				}
				if want != "" && len(r.body) > len(text)/2 {
					t.Errorf("%d bytes became %d", len(text), len(r.body))
				}
				one := len(r.body) <= answer.BlockBytes
				if (r.ContentLength == int64(len(r.body))) != one || (len(r.TransferEncoding) == 0) != one {
					t.Errorf("%d bytes with Content-Length %d, Transfer-Encoding %q", len(r.body), r.ContentLength, r.TransferEncoding)
				}
				c.write(head("HEAD", "/flows?hour=5", "Accept-Encoding: "+name))
				h := c.read("HEAD")
				if h.StatusCode != 200 || h.ContentLength != r.ContentLength || h.Header.Get("Content-Encoding") != want {
					t.Errorf("HEAD: %d, Content-Length %d, Content-Encoding %q", h.StatusCode, h.ContentLength, h.Header.Get("Content-Encoding"))
				}

				old := ts.dial()
				old.write("GET /flows?hour=5 HTTP/1.0\r\nAccept-Encoding: " + name + "\r\n\r\n")
				r = old.read("GET")
				wantRows(t, unpacked(t, want, r.body), n)
				if len(r.TransferEncoding) > 0 || !r.Close {
					t.Errorf("HTTP/1.0: Transfer-Encoding %q, close %t", r.TransferEncoding, r.Close)
				}
				old.ends()
			})
		}
	}
	if e.open.Load() != 0 {
		t.Errorf("%d readings were not closed", e.open.Load())
	}
	for series, want := range map[string]string{"gzip": "27", "zstd": "27", "identity": "18"} {
		if got := ts.metric(`flowd_http_answers_total{encoding="` + series + `"}`); got != want {
			t.Errorf("%s answers in %s, want %s", got, series, want)
		}
	}
}

// An hour that is found damaged when a part of it is sent must not look whole when it is compressed
// either: neither the connection nor the compressed text comes to its end.
func TestDamagedInTheMiddleOfCompression(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gzip", "zstd"} {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(name+"-"+version, func(t *testing.T) {
				ts, many := damaged(t, 100_000, errDamaged)
				c := ts.dial()
				c.write("GET /flows?hour=5 HTTP/" + version + "\r\nHost: test\r\nAccept-Encoding: " + name + "\r\n\r\n")
				r, err := http.ReadResponse(c.r, nil)
				switch {
				case version == "1.0" && errors.Is(err, syscall.ECONNRESET):
					// The reset took even the beginning away.
				case err != nil:
					t.Fatal(err)
				default:
					text, err := io.ReadAll(r.Body)
					if version == "1.1" && err != io.ErrUnexpectedEOF || version == "1.0" && !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("%v after %d bytes", err, len(text))
					}
					if r.Header.Get("Content-Encoding") != name {
						t.Errorf("Content-Encoding %q", r.Header.Get("Content-Encoding"))
					}
					if plain, err := unpack(name, string(text)); err == nil {
						t.Errorf("%d bytes decompress to %d without an error", len(text), len(plain))
					}
				}
				eventually(t, "it is counted and given up", func() bool {
					return ts.metric("flowd_http_answers_broken_total") == "1" && ts.metric("flowd_http_queries") == "0" && many.open.Load() == 0
				})
			})
		}
	}
}

// The memory of a compressed answer does not grow with its length, and is not made anew each time.
func TestCompressionMemory(t *testing.T) {
	ts := serve(t, newMany(200_000), nil) // 26 MB
	c := ts.dial()
	for _, name := range []string{"gzip", "zstd"} {
		read := func() (n int64) {
			c.write(head("GET", "/flows?hour=5", "Accept-Encoding: "+name))
			r, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if n, err = io.Copy(io.Discard, r.Body); err != nil || n < 4*answer.BlockBytes {
				t.Fatalf("%d bytes, %v", n, err)
			}
			return n
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := read()
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 3<<20 {
			t.Errorf("%s: an answer of %d bytes allocated %d", name, n, grown)
		}
	}
}
