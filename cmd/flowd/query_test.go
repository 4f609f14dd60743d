package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// stub answers paths, and notes what it was asked.
type stub struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // path and parameters, in the order of the requests
	auth  []string // the header Authorization of each
}

// last returns what was asked last.
func (s *stub) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1]
}

// newStub serves until the test ends.
func newStub(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *stub {
	t.Helper()
	s := &stub{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.RequestURI())
		s.auth = append(s.auth, r.Header.Get("Authorization"))
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// says answers each path with a body of its type.
func says(bodies map[string]string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		kind := map[string]string{"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}[r.URL.Query().Get("format")]
		if kind == "" {
			kind = r.Header.Get("Accept")
		}
		w.Header().Set("Content-Type", kind)
		if _, err := w.Write([]byte(bodies[r.URL.Path])); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// queried runs flowd query inside of the test.
func queried(ctx context.Context, server string, args ...string) (code int, stdout, stderr string) {
	var out, errors bytes.Buffer
	code = run(ctx, append([]string{"query", "--server", server}, args...), nil, &out, &errors)
	return code, out.String(), errors.String()
}

const twoHours = `[{"hour":482658,"tuples":2,"flows":3,"bytes_tx":4,"bytes_rx":5},{"hour":482659,"tuples":1,"flows":1,"bytes_tx":9007199254740993,"bytes_rx":18446744073709551615}]`

func TestQueryTables(t *testing.T) {
	const tally = `{"flows":3,"bytes_tx":40000000000000000000000,"bytes_rx":5}`
	s := newStub(t, says(map[string]string{
		"/flows": `{"src_app":"checkout-api","dest_app":"支払い","vpc_id":"vpc-1","bytes_tx":9007199254740993,"bytes_rx":18446744073709551615,"hour":482659}
{"src_app":"a\u001b[31m","dest_app":"b\"\\","vpc_id":"vpc-1","bytes_tx":1,"bytes_rx":2,"hour":7}
`,
		"/diff": `{"src_app":"a","bytes_tx_before":1,"bytes_rx_before":2,"bytes_tx_after":0,"bytes_rx_after":0,"difference":-36893488147419103232,"change":"gone"}
`,
		"/pairs": `{"app_a":"a","app_b":"b","vpc_id":"v","a_to_b_sent":1024,"a_to_b_received":1000,"b_to_a_sent":0,"b_to_a_received":0,"disagreement":24,"reported_by":"both"}
`,
		"/names":  `["a","b\tc"]`,
		"/hours":  twoHours,
		"/ledger": `{"received":` + tally + `,"stored":` + tally + `,"duplicate":` + tally + `,"rejected":` + tally + `,"expired":` + tally + `,"balanced":false,"hours":[]}`,
	}))
	for _, c := range []struct{ args, asked, want string }{
		{"", "/flows?hour=482659&limit=100&order_by=-bytes_total", `
HOUR                  SRC_APP       DEST_APP  VPC_ID  BYTES_TX  BYTES_RX
2025-01-22 19:00 UTC  checkout-api  支払い    vpc-1      8.00P     16.0E
7                     a\x1b[31m     b"\       vpc-1          1         2
total of 2 rows                                          8.00P     16.0E
`},
		{"flows --raw --hour 3 --order-by -bytes_tx --limit 2", "/flows?hour=3&limit=2&order_by=-bytes_tx", `
HOUR                  SRC_APP       DEST_APP  VPC_ID          BYTES_TX              BYTES_RX
2025-01-22 19:00 UTC  checkout-api  支払い    vpc-1   9007199254740993  18446744073709551615
7                     a\x1b[31m     b"\       vpc-1                  1                     2
total of 2 rows                                       9007199254740994  18446744073709551617
`},
		{"diff --group-by src_app", "/diff?a=482658&b=482659&group_by=src_app&limit=100", `
                BEFORE  AFTER
SRC_APP         TX  RX  TX  RX  DIFFERENCE  CHANGE
a                1   2   0   0      -32.0E  gone
total of 1 row   1   2   0   0      -32.0E
`},
		{"pairs --app a --app b* --vpc-id v,w", "/pairs?app=a&app=b%2A&hour=482659&limit=100&vpc_id=v%2Cw", `
                          A TO B           B TO A                    REPORTED
APP_A  APP_B  VPC_ID   SENT  RECEIVED  SENT  RECEIVED  DISAGREEMENT  BY
a      b      v       1.00K      1000     0         0            24  both
total of 1 row        1.00K      1000     0         0            24
`},
		{"names --field src_app --prefix a --from latest-23", "/names?field=src_app&from=482636&prefix=a", `
SRC_APP
a
b\tc
total of 2 rows
`},
		{"hours", "/hours", `
HOUR                  TUPLES  FLOWS  BYTES_TX  BYTES_RX
2025-01-22 18:00 UTC       2      3         4         5
2025-01-22 19:00 UTC       1      1     8.00P     16.0E
total of 2 rows                         8.00P     16.0E
`},
		{"ledger", "/ledger", `
ACCOUNT    FLOWS  BYTES_TX  BYTES_RX
received       3     33.9Z         5
stored         3     33.9Z         5
duplicate      3     33.9Z         5
rejected       3     33.9Z         5
expired        3     33.9Z         5
NOT balanced: flows were lost, or counted twice
`},
	} {
		code, stdout, stderr := queried(t.Context(), s.URL, append(strings.Fields(c.args), "--format", "table")...)
		if code != exitOK || stderr != "" {
			t.Errorf("%s: exit code %d, on stderr: %s", c.args, code, stderr)
		}
		if diff := cmp.Diff(c.want, "\n"+stdout); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.args, diff)
		}
		if last := s.last(); last != c.asked {
			t.Errorf("%s: asked %s, want %s", c.args, last, c.asked)
		}
	}
}

// What is asked is what the flags say, and hours count from the newest one.
func TestQueryParameters(t *testing.T) {
	s := newStub(t, says(map[string]string{"/hours": twoHours, "/names": "[]"}))
	for args, want := range map[string]string{
		"":                          "/flows?format=ndjson&hour=482659",
		"--hour latest-2":           "/flows?format=ndjson&hour=482657",
		"--from latest-1 --to 99":   "/flows?format=ndjson&from=482658&to=99",
		"--to 2026-01-31T15:00:00Z": "/flows?format=ndjson&to=2026-01-31T15%3A00%3A00Z",
		"--hour 1 --src-app a,b":    "/flows?format=ndjson&hour=1&src_app=a%2Cb",
		"--hour 1 --order-by=-hour": "/flows?format=ndjson&hour=1&order_by=-hour",
		"--hour 1 --order-by hour":  "/flows?format=ndjson&hour=1&order_by=hour",
		"diff":                      "/diff?a=482658&b=482659&format=ndjson",
		"diff --a-from 1 --a-to 2":  "/diff?a_from=1&a_to=2&b=482659&format=ndjson",
		"diff --a 3 --b-to latest":  "/diff?a=3&b_to=482659&format=ndjson",
		"pairs --hour 1 --limit 3":  "/pairs?format=ndjson&hour=1&limit=3",
		"names --field vpc_id":      "/names?field=vpc_id",
		"--vpc-id v --dest-app * --group-by hour,vpc_id --hour 1 --limit 7": "/flows?dest_app=%2A&format=ndjson&group_by=hour%2Cvpc_id&hour=1&limit=7&vpc_id=v",
	} {
		code, _, stderr := queried(t.Context(), s.URL+"/", strings.Fields(args)...)
		if code != exitOK || stderr != "" {
			t.Errorf("%s: exit code %d, on stderr: %s", args, code, stderr)
		}
		if last := s.last(); last != want {
			t.Errorf("%s: asked %s, want %s", args, last, want)
		}
	}
}

func TestQueryUsage(t *testing.T) {
	for args, want := range map[string]string{
		"--server ftp://x":                   "--server: must look like http://host:port or https://host",
		"--server user:secret@x":             "--server: must look like http://host:port or https://host",
		"--server http://user:secret@x":      "--server: http://user:xxxxx@x must have no user",
		"--server http://x/?a=b":             "--server: http://x/?a=b must have no user, no ? and no #",
		"--token secret --token-file f":      "--token: there is --token-file too; give one of both",
		"--watch 1ms":                        "--watch: 1ms is too short; the least is 100ms",
		"--timeout 0s":                       "--timeout: must be over 0, not 0s",
		"--format xml":                       `--format must be one of "auto","table","json","ndjson","csv"`,
		"--order-by --limit 3":               "expected a field, with or without a - before it",
		"--order-by":                         "expected a field, with or without a - before it",
		"hours --format csv":                 "--format: csv is for flows, diff and pairs; this one comes as table or json",
		"ledger --format ndjson":             "--format: ndjson is for flows, diff and pairs",
		"names --field src_app --format csv": "--format: csv is for flows, diff and pairs",
		"names":                              "missing flags: --field",
		"names --field hour":                 "--field must be one of",
		"diff --hour 3":                      "unknown flag --hour",
		"all":                                "unexpected argument all",
	} {
		code, stdout, stderr := queried(t.Context(), "http://127.0.0.1:1", strings.Fields(args)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, on stdout %q, on stderr %q, want %q", args, code, stdout, stderr, want)
		}
		if strings.Contains(stderr, "secret") {
			t.Errorf("%s: a secret is shown: %s", args, stderr)
		}
	}
}

// queriedFlows are what the scripts ask for.
const queriedFlows = `{"src_app":"checkout-api","dest_app":"payments-api","vpc_id":"vpc-1","bytes_tx":100,"bytes_rx":300,"hour":482658}
{"src_app":"gone-api","dest_app":"payments-api","vpc_id":"vpc-1","bytes_tx":7,"bytes_rx":9,"hour":482658}
{"src_app":"checkout-api","dest_app":"payments-api","vpc_id":"vpc-1","bytes_tx":2000,"bytes_rx":6000,"hour":482659}
{"src_app":"payments-api","dest_app":"checkout-api","vpc_id":"vpc-1","bytes_tx":6000,"bytes_rx":1900,"hour":482659}
{"src_app":"new-api","dest_app":"checkout-api","vpc_id":"vpc-1","bytes_tx":1,"bytes_rx":2,"hour":482659}
{"src_app":"search-api","dest_app":"支払い","vpc_id":"vpc-2","bytes_tx":9223372036854775807,"bytes_rx":0,"hour":482659}
{"src_app":"search-api","dest_app":"支払い","vpc_id":"vpc-2","bytes_tx":9223372036854775807,"bytes_rx":0,"hour":482659}
`

// TestQueryScripts asks a server.
func TestQueryScripts(t *testing.T) {
	s := start(t)
	response, err := http.Post("http://"+s.address+"/flows", "application/x-ndjson", strings.NewReader(queriedFlows))
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	if response.Body.Close(); response.StatusCode != http.StatusOK {
		t.Fatalf("the flows were answered with %s", response.Status)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script/query",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			env.Setenv("FLOWD_SERVER", "http://"+s.address)
			env.Setenv("GORACE", raceOption)
			return nil
		},
	})
}
