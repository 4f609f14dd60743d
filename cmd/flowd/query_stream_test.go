package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// encoded returns text in a content encoding.
func encoded(t *testing.T, encoding, text string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if encoding == "zstd" {
		var err error
		if w, err = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// manyRows is more than any buffer on the way holds.
var manyRows = strings.Repeat(`{"src_app":"a","dest_app":"b","vpc_id":"c","bytes_tx":18446744073709551615,"bytes_rx":2,"hour":3}`+"\n", 20_000)

// Answers are copied byte by byte, whatever they are encoded in.
func TestQueryCopies(t *testing.T) {
	bodies := map[string]string{
		"ndjson": manyRows,
		"json":   "[" + strings.Join(strings.Fields(manyRows), ",") + "]",
		"csv":    "src_app,bytes_tx\r\n\"a \"\"b\"\"\",1\r\n",
	}
	for _, encoding := range []string{"", "gzip", "zstd"} {
		s := newStub(t, func(w http.ResponseWriter, r *http.Request) {
			body := bodies[r.URL.Query().Get("format")]
			if got := r.Header.Get("Accept-Encoding"); got != "zstd, gzip" {
				t.Errorf("Accept-Encoding is %q", got)
			}
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
				body = encoded(t, encoding, body)
			}
			w.Header().Set("Flowd-Truncated", "true")
			says(map[string]string{"/flows": body})(w, r)
		})
		for format, want := range bodies {
			code, stdout, stderr := queried(t.Context(), s.URL, "--hour", "3", "--format", format)
			if code != exitOK || stderr != "flowd: the answer ends at its limit, and there are more rows: raise --limit, or ask for less\n" {
				t.Errorf("%s in %q: exit code %d, on stderr %q", format, encoding, code, stderr)
			}
			if stdout != want && stdout != want+"\n" {
				t.Errorf("%s in %q: %d bytes are not the %d of the answer", format, encoding, len(stdout), len(want))
			}
		}
	}
}

// An answer without rows is whole.
func TestQueryCopiesNothing(t *testing.T) {
	for format, body := range map[string]string{"json": "[]", "ndjson": "", "csv": "src_app,bytes_tx\r\n"} {
		s := newStub(t, says(map[string]string{"/pairs": body}))
		code, stdout, stderr := queried(t.Context(), s.URL, "pairs", "--hour", "3", "--format", format)
		if code != exitOK || stderr != "" || strings.TrimSpace(stdout) != strings.TrimSpace(body) {
			t.Errorf("%s: exit code %d, on stdout %q, on stderr %q", format, code, stdout, stderr)
		}
	}
}

// raw answers with bytes as they stand, and hangs up.
func raw(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, text) // who reads it may have gone
		_ = conn.Close()
	}
}

func chunks(texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(text), text)
	}
	return b.String()
}

// However an answer is cut, it does not look whole: the exit code is 1, and stderr says why.
func TestQueryCutAnswers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
	const row = `{"src_app":"a","bytes_tx":1}` + "\n"
	zipped, packed := encoded(t, "gzip", row), encoded(t, "zstd", row)
	for name, c := range map[string]struct{ format, answer string }{
		"no last chunk":               {"ndjson", "Transfer-Encoding: chunked\r\n\r\n" + chunks(row)},
		"in a chunk":                  {"ndjson", "Transfer-Encoding: chunked\r\n\r\n" + chunks(row) + "1d\r\n" + row[:9]},
		"before its length":           {"ndjson", "Content-Length: 100\r\n\r\n" + row},
		"no last chunk of gzip":       {"ndjson", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(zipped)},
		"no last chunk of zstd":       {"ndjson", "Content-Encoding: zstd\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(packed)},
		"gzip without its end":        {"ndjson", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(zipped[:len(zipped)-4]) + "0\r\n\r\n"},
		"zstd without its end":        {"ndjson", "Content-Encoding: zstd\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(packed[:len(packed)-4]) + "0\r\n\r\n"},
		"only the head of gzip":       {"ndjson", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(zipped[:4])},
		"in a row, framing whole":     {"ndjson", "Transfer-Encoding: chunked\r\n\r\n" + chunks(row, row[:9]) + "0\r\n\r\n"},
		"in a list, framing whole":    {"json", "\r\n[" + strings.TrimSpace(row) + ","},
		"csv in a row, framing whole": {"csv", "\r\nsrc_app,bytes_tx\r\na,1"},
		"csv of nothing":              {"csv", "\r\n"},
		"json of nothing":             {"json", "\r\n"},
	} {
		kind := map[string]string{"ndjson": "application/x-ndjson", "json": "application/json", "csv": "text/csv"}[c.format]
		s := newStub(t, raw(head+"Content-Type: "+kind+"\r\n"+c.answer))
		code, stdout, stderr := queried(t.Context(), s.URL, "--hour", "3", "--format", c.format)
		if code != exitRuntime || !strings.Contains(stderr, "the answer is cut") {
			t.Errorf("%s: exit code %d, on stdout %q, on stderr %q", name, code, stdout, stderr)
		}
		if c.format != "ndjson" {
			continue
		}
		code, stdout, stderr = queried(t.Context(), s.URL, "--hour", "3", "--format", "table")
		if code != exitRuntime || stdout != "" || !strings.Contains(stderr, "the answer is cut") {
			t.Errorf("%s as a table: exit code %d, on stdout %q, on stderr %q", name, code, stdout, stderr)
		}
	}
}

func TestQueryRefusals(t *testing.T) {
	answers := func(status int, kind, body string, headers ...string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body) // who reads it may have gone
		}
	}
	const problem = "application/problem+json"
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		"a problem": {answers(400, problem, `{"type":"about:blank","title":"Bad Request","status":400,"detail":"Parameter \"hour\" must be\u001b[2J a number."}`),
			`400 Bad Request: Parameter "hour" must be\x1b[2J a number.`},
		"a problem without detail": {answers(503, problem, `{"title":"Busy"}`), "503 Service Unavailable: Busy"},
		"a problem in zstd":        {answers(503, problem, encoded(t, "zstd", `{"detail":"Wait."}`), "Content-Encoding", "zstd"), "503 Service Unavailable: Wait."},
		"no token":                 {answers(401, problem, `{"detail":"There is no token."}`), "401 Unauthorized: There is no token.\nGive a token with --token-file or FLOWD_TOKEN."},
		"another server":           {answers(404, "text/html", "<html>"), "URL answered 404 Not Found, not as flowd does: is it the address of a flowd server?"},
		"a damaged problem":        {answers(500, problem, `{"detail`), "URL answered 500 Internal Server Error, not as flowd does: is it the address of a flowd server?"},
		"a page":                   {answers(200, "text/html", "<html>"), `URL answered with "text/html", not as flowd does: is it the address of a flowd server?`},
		"another place":            {answers(302, "text/html", "", "Location", "https://login/?a=b"), "URL answered 302 Found and points to https://login/?a=b: give the address of the server itself with --server"},
		"an encoding of its own":   {answers(200, "application/x-ndjson", "x", "Content-Encoding", "br"), `the answer is encoded as "br", which was not asked for`},
		"no gzip":                  {answers(200, "application/x-ndjson", "0123456789012345", "Content-Encoding", "gzip"), "the answer is cut or damaged: decoding gzip: "},
		"no HTTP":                  {raw("SSH-2.0-OpenSSH_9.6\r\n"), "no answer from URL: "},
		"nothing":                  {raw(""), "no answer from URL: EOF"},
	} {
		s := newStub(t, c.answer)
		code, stdout, stderr := queried(t.Context(), s.URL, "--hour", "3", "--token", "t0p-secret")
		want := "flowd: " + strings.ReplaceAll(c.want, "URL", s.URL)
		if code != exitRuntime || stdout != "" || !strings.Contains(stderr, strings.TrimPrefix(want, "flowd: ")) || strings.Contains(stderr, "\x1b") {
			t.Errorf("%s: exit code %d, on stdout %q, on stderr %q, want %q", name, code, stdout, stderr, want)
		}
		if strings.Contains(stderr, "t0p-secret") {
			t.Errorf("%s: the token is shown: %q", name, stderr)
		}
	}
}

// What is no row of flowd's is said to be none, and numbers are never rounded.
func TestQueryStrangeRows(t *testing.T) {
	for row, want := range map[string]string{
		`{"src_app":"a","bytes_tx":1.5,"bytes_rx":1}`:                           "row 1 of the answer is not flowd's: bytes_tx is 1.5, and no integer",
		`{"src_app":"a","bytes_tx":1e3,"bytes_rx":1}`:                           "bytes_tx is 1e3, and no integer",
		`{"src_app":7,"bytes_tx":1,"bytes_rx":1}`:                               "src_app is 7, and no text",
		`{"src_app":null,"bytes_tx":1,"bytes_rx":1}`:                            "src_app is null, and no text",
		`{"hour":-1,"bytes_tx":1}`:                                              "hour is -1, and no hour",
		`{"x":1}`:                                                               "row 1 of the answer has no field that is known",
		`[1]`:                                                                   "row 1 of the answer is not flowd's: ",
		`{"src_app":"a","bytes_tx":1}` + "\n" + `{"bytes_tx":1}`:                "row 2 of the answer is not flowd's: src_app is missing",
		`{"src_app":"` + strings.Repeat("x", 64<<10) + `","bytes_tx":1}`:        "row 1 of the answer is longer than 65536 bytes",
		`{"src_app":"a"}` + "\n" + `{"src_app":"a"}` + "\n" + `{"src_app":"a"}`: "the server sent more than the 2 rows that were asked for",
	} {
		s := newStub(t, says(map[string]string{"/flows": row + "\n"}))
		code, stdout, stderr := queried(t.Context(), s.URL, "--hour", "3", "--format", "table", "--limit", "2")
		if code != exitRuntime || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%.80s: exit code %d, on stdout %q, on stderr %q, want %q", row, code, stdout, stderr, want)
		}
	}
}

func TestQueryWithoutAnswer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	stops := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, "{}\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	// A timeout that is to pass is short where nothing has to come before it, and else long.
	for _, c := range []struct{ server, timeout, want string }{
		{"http://127.0.0.1:1", "30s", "flowd: no server listens at http://127.0.0.1:1: start one with flowd serve, or name another with --server\n"},
		{"http://" + silent.Addr().String(), "200ms", " does not answer within 200ms: give it longer with --timeout\n"},
		{stops.URL, "3s", " sent nothing for 3s after 3 bytes; give it longer with --timeout\n"},
		{"https" + strings.TrimPrefix(stops.URL, "http"), "30s", "no answer from https://127.0.0.1:"},
	} {
		code, _, stderr := queried(t.Context(), c.server, "--hour", "3", "--timeout", c.timeout)
		if code != exitRuntime || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, on stderr %q, want %q", c.server, code, stderr, c.want)
		}
	}
}

// Who takes his time over an answer is not kept from the rest of it: only the server may not be silent.
func TestQuerySlowReader(t *testing.T) {
	s := newStub(t, says(map[string]string{"/flows": manyRows}))
	var stderr bytes.Buffer
	slow := &slowWriter{pause: 400 * time.Millisecond}
	code := run(t.Context(), []string{"query", "--server", s.URL, "--hour", "3", "--timeout", "100ms"}, nil, slow, &stderr)
	if code != exitOK || slow.bytes != len(manyRows) {
		t.Errorf("exit code %d after %d bytes of %d, on stderr %q", code, slow.bytes, len(manyRows), stderr.String())
	}
}

// slowWriter pauses once.
type slowWriter struct {
	pause time.Duration
	bytes int
}

func (w *slowWriter) Write(p []byte) (int, error) {
	time.Sleep(w.pause)
	w.pause = 0
	w.bytes += len(p)
	return len(p), nil
}

// An empty server has no latest hour.
func TestQueryWithoutHours(t *testing.T) {
	s := newStub(t, says(map[string]string{"/hours": "[]"}))
	code, _, stderr := queried(t.Context(), s.URL)
	if want := "flowd: the server has no hours yet, so there is no latest one: post some flows, or name an hour\n"; code != exitRuntime || stderr != want {
		t.Errorf("exit code %d, on stderr %q, want %q", code, stderr, want)
	}
	s = newStub(t, says(map[string]string{"/hours": `[{"hour":7}]`}))
	for hour, want := range map[string]string{
		"latest-8": "flowd: --a-from: latest-8 is before hour 0, as the latest is hour 7\n",
		"latest+1": "flowd: --a-from: \"latest+1\" is no hour; one is a number, latest, or latest-N\n",
	} {
		code, _, stderr = queried(t.Context(), s.URL, "diff", "--a-from", hour)
		if code != exitRuntime || stderr != want {
			t.Errorf("%s: exit code %d, on stderr %q, want %q", hour, code, stderr, want)
		}
	}
}

// The token goes to the server, from wherever it was taken.
func TestQueryToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file \nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FLOWD_TOKEN", "from-environment")
	s := newStub(t, says(map[string]string{"/hours": "[]"}))
	for args, want := range map[string]string{
		"":                     "Bearer from-environment",
		"--token from-flag":    "Bearer from-flag",
		"--token-file " + file: "Bearer from-file",
	} {
		code, _, stderr := queried(t.Context(), s.URL, append(strings.Fields(args), "hours")...)
		if got := s.auth[len(s.auth)-1]; code != exitOK || got != want {
			t.Errorf("%s: exit code %d, Authorization %q, want %q; on stderr %q", args, code, got, want, stderr)
		}
	}
	t.Setenv("FLOWD_TOKEN_FILE", file)
	code, _, stderr := queried(t.Context(), s.URL, "hours", "--token", "from-flag")
	if got := s.auth[len(s.auth)-1]; code != exitOK || got != "Bearer from-flag" {
		t.Errorf("a flag beside the environment: exit code %d, Authorization %q, on stderr %q", code, got, stderr)
	}
	code, _, stderr = queried(t.Context(), s.URL, "hours")
	if code != exitRuntime || stderr != "flowd: FLOWD_TOKEN: there is FLOWD_TOKEN_FILE too; give one of both\n" {
		t.Errorf("two tokens: exit code %d, on stderr %q", code, stderr)
	}
	t.Setenv("FLOWD_TOKEN", "")
	code, _, stderr = queried(t.Context(), s.URL, "hours")
	if got := s.auth[len(s.auth)-1]; code != exitOK || got != "Bearer from-file" {
		t.Errorf("a file of the environment: exit code %d, Authorization %q, on stderr %q", code, got, stderr)
	}
	t.Setenv("FLOWD_TOKEN_FILE", os.DevNull)
	code, _, stderr = queried(t.Context(), s.URL, "hours")
	if code != exitRuntime || stderr != "flowd: FLOWD_TOKEN_FILE: /dev/null has no token on its first line\n" {
		t.Errorf("an empty file of the environment: exit code %d, on stderr %q", code, stderr)
	}
	t.Setenv("FLOWD_TOKEN_FILE", "")
	t.Setenv("FLOWD_TOKEN", "from-environment")
	code, stdout, stderr := queried(t.Context(), s.URL, "--help")
	if code != exitOK || strings.Contains(stdout+stderr, "from-environment") {
		t.Errorf("exit code %d, help:\n%s", code, stdout)
	}
	for _, wrong := range []struct{ token, file, want string }{
		{"a\nb", "", "flowd: FLOWD_TOKEN: has a character that no token has"},
		{"", file + "-of-nobody", "flowd: --token-file: open "},
		{"", os.DevNull, "flowd: --token-file: /dev/null has no token on its first line\n"},
	} {
		t.Setenv("FLOWD_TOKEN", wrong.token)
		asked := len(s.asked)
		code, _, stderr := queried(t.Context(), s.URL, "hours", "--token-file="+wrong.file)
		if code != exitRuntime || !strings.HasPrefix(stderr, wrong.want) || len(s.asked) != asked {
			t.Errorf("exit code %d, %d requests, on stderr %q, want %q", code, len(s.asked)-asked, stderr, wrong.want)
		}
	}
}

// Who reads the answer may have enough of it.
func TestQueryBrokenPipe(t *testing.T) {
	s := newStub(t, says(map[string]string{"/flows": manyRows}))
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"query", "--server", s.URL, "--hour", "3"}, nil, failing{syscall.EPIPE}, &stderr)
	if code != exitOK || stderr.Len() > 0 {
		t.Errorf("exit code %d, on stderr %q", code, stderr.String())
	}
	code = run(t.Context(), []string{"query", "--server", s.URL, "--hour", "3"}, nil, failing{syscall.ENOSPC}, &stderr)
	if code != exitRuntime || stderr.String() != "flowd: no space left on device\n" {
		t.Errorf("exit code %d, on stderr %q", code, stderr.String())
	}
}

// failing is a stdout that cannot be written.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
