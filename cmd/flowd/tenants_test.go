package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tenantRows is the section of the page for operators that says what tenants can do to each other.
const tenantRows = "What one tenant can do to another's data, answers and place"

// tenantCases try what the rows of that table say, each by the first cell of its row. They get a server that
// has nothing yet, with the settings given.
var tenantCases = map[string]struct {
	settings string // flags
	try      func(*tenants)
}{
	"`max-tuples-hour`":     {"--max-tuples-hour=10 --max-tuples=0", (*tenants).floodAnHour},
	"`max-tuples`":          {"--max-tuples-hour=0 --max-tuples=10", (*tenants).floodAllHours},
	"`max-hours`":           {"--max-hours=20", (*tenants).floodHours},
	"`max-ahead`":           {"", (*tenants).labelAhead},
	"`retention-bytes`":     {"--retention-bytes=40KiB --checkpoint-interval=1s", (*tenants).floodDisk},
	"lines of the log":      {"", (*tenants).floodLog},
	"`idempotency-keys`":    {"--idempotency-keys=20", (*tenants).floodKeys},
	"`max-agents`":          {"--max-agents=10", (*tenants).floodAgents},
	"`max-queries`":         {"--max-queries=5", (*tenants).floodQueries},
	"`max-groups`":          {"--max-groups=10", (*tenants).askForTooMuch},
	"`max-connections`":     {"--max-connections=20", (*tenants).floodConnections},
	"`max-inflight-bytes`":  {"--max-inflight-bytes=640KiB --max-body-bytes=128KiB --max-decoded-bytes=128KiB", (*tenants).floodBodies},
	"`queue-batches`":       {"--queue-batches=2 --queue-wait=1m", (*tenants).floodPlaces},
	"`rate-flows`":          {"--rate-flows=10 --rate-flows-burst=100 --max-flows=100", (*tenants).exceedRate},
	"`rate-clients`":        {"--rate-flows=10 --rate-flows-burst=100 --max-flows=100 --rate-clients=1", (*tenants).exceedRate},
	"VPCs of others":        {"", (*tenants).reachForOthers},
	"wrong tokens":          {"", (*tenants).failToEnter},
	"series of the metrics": {"", (*tenants).inventNames},
}

// TestTenants walks the table: each row has a case, and each case a row.
func TestTenants(t *testing.T) {
	rows, cases := map[string]bool{}, map[string]bool{}
	for _, row := range tables(section(t, tenantRows)) {
		if len(row) != 3 || len(row[1]) < 20 || len(row[2]) < 8 {
			t.Errorf("%q does not say what protects others, and what is left", row)
		}
		if rows[row[0]] {
			t.Errorf("%s is there twice", row[0])
		}
		rows[row[0]] = true
	}
	for name := range tenantCases {
		cases[name] = true
	}
	if diff := cmp.Diff(cases, rows); diff != "" {
		t.Errorf("what tenants can do (-cases +page):\n%s", diff)
	}
	for name, c := range tenantCases {
		t.Run(strings.Trim(name, "`"), func(t *testing.T) {
			t.Parallel() // most of the time they wait for a server
			c.try(serveTenants(t, strings.Fields(c.settings)...))
		})
	}
}

// The tokens of the tenants: evil and good are bound to a VPC each.
const (
	evil     = "flowd_evil"
	good     = "flowd_good"
	operator = "flowd_operator"
)

// tenants is a server with two tenants, which have a VPC each.
type tenants struct {
	*server
	t *testing.T
}

func serveTenants(t *testing.T, args ...string) *tenants {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	entry := func(token, rest string) string {
		return fmt.Sprintf("  - name: %s\n    sha256: %x\n%s", strings.TrimPrefix(token, "flowd_"), sha256.Sum256([]byte(token)), rest)
	}
	text := "tokens:\n" + entry(evil, "    scopes: [ingest, query]\n    vpcs: [vpc-evil]\n") +
		entry(good, "    scopes: [ingest, query]\n    vpcs: [vpc-good]\n") + entry(operator, "    scopes: [query, metrics]\n")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tenants{start(t, append(args, "--tokens-file="+file, "--durability=interval", "--shards=2")...), t}
}

// flows returns a batch of a token's VPC in an hour: tuples numbered from from up to to.
func flows(token string, hour, from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, `,{"src_app":"app-%d","dest_app":"d","vpc_id":"vpc-%s","bytes_tx":1,"bytes_rx":0,"hour":%d}`,
			i, strings.TrimPrefix(token, "flowd_"), hour)
	}
	return "[" + b.String()[1:] + "]"
}

// do asks with a token and headers, from an address of this machine.
func (s *tenants) do(from, token, method, path, body string, headers ...string) (status int, answer string) {
	s.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	request, err := http.NewRequest(method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		s.t.Error(err)
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Error(err)
	}
	return response.StatusCode, string(text)
}

const here = "127.0.0.1"

// post posts a batch, which must be answered with a status and a text.
func (s *tenants) post(token, body string, want int, says string, headers ...string) {
	s.t.Helper()
	if status, answer := s.do(here, token, "POST", "/flows", body, headers...); status != want || !strings.Contains(answer, says) {
		s.t.Errorf("a POST of %s: %d, not %d, or it does not say %q: %s", token, status, want, says, answer)
	}
}

// metric returns the value of a series.
func (s *tenants) metric(series string) string {
	s.t.Helper()
	_, page := s.do(here, operator, "GET", "/metrics", "")
	_, rest, _ := strings.Cut(page, "\n"+series+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// names holds that a tenant's VPC has these tuples in an hour, and no others.
func (s *tenants) names(token string, hour int, want ...string) {
	s.t.Helper()
	_, answer := s.do(here, token, "GET", fmt.Sprintf("/flows?hour=%d&format=csv&group_by=src_app&order_by=src_app", hour), "")
	var got []string
	for line := range strings.Lines(answer) {
		name, _, _ := strings.Cut(line, ",")
		got = append(got, name)
	}
	if diff := cmp.Diff(append([]string{"src_app"}, want...), got); diff != "" {
		s.t.Errorf("apps of %s in hour %d (-want +got):\n%s", token, hour, diff)
	}
}

func (s *tenants) floodAnHour() {
	s.post(evil, flows(evil, 7, 0, 60), 200, "")
	s.post(good, flows(good, 7, 0, 1), 200, "")
	s.post(evil, flows(evil, 7, 60, 90), 200, "")
	s.names(good, 7, "app-0")
	s.names(evil, 7, "app-0", "app-1", "app-2", "app-3", "app-4", "app-5", "app-6", "app-7", "~other")
	if all, over := s.metric("flowd_folded_flows_total"), s.metric("flowd_folded_over_share_flows_total"); all != "82" || over != "82" {
		s.t.Errorf("%s flows are folded, %s of them for the share", all, over)
	}
}

func (s *tenants) floodAllHours() {
	for hour := range 30 {
		s.post(evil, flows(evil, 100+hour, 2*hour, 2*hour+2), 200, "")
	}
	s.post(good, flows(good, 7, 0, 1), 200, "")
	s.names(good, 7, "app-0")
	s.names(evil, 129, "~other")
}

func (s *tenants) floodKeys() {
	s.post(good, flows(good, 7, 0, 1), 200, `"duplicate":false`, "Idempotency-Key", "k")
	for i := range 60 {
		s.post(evil, flows(evil, 7, 0, 1), 200, `"duplicate":false`, "Idempotency-Key", fmt.Sprint("k-", i))
	}
	s.post(good, flows(good, 7, 0, 1), 200, `"duplicate":true`, "Idempotency-Key", "k")
	s.post(evil, flows(evil, 7, 0, 1), 200, `"duplicate":false`, "Idempotency-Key", "k-0")
}

func (s *tenants) floodAgents() {
	for i := range 8 {
		s.post(evil, flows(evil, 7, 0, 1), 200, "", "Flowd-Agent", fmt.Sprint("a-", i), "Flowd-Seq", "1")
	}
	s.post(evil, flows(evil, 7, 0, 1), 503, "8 agents of this client were heard of within the idempotency-window, which is its share "+
		"of max-agents (10) while 2 are left", "Flowd-Agent", "a-8", "Flowd-Seq", "1")
	s.post(good, flows(good, 7, 0, 1), 200, "", "Flowd-Agent", "a", "Flowd-Seq", "1")
	s.post(evil, flows(evil, 7, 0, 1), 200, `"duplicate":true`, "Flowd-Agent", "a-0", "Flowd-Seq", "1")
	if refused := s.metric(`flowd_http_requests_rejected_total{reason="agent-share"}`); refused != "1" {
		s.t.Errorf("%s refused for their share", refused)
	}
}

// hold sends a text on a connection from an address and leaves it open; what is answered is not read.
func (s *tenants) hold(from, text string) net.Conn {
	s.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc, err := dialer.Dial("tcp", s.address)
	if err == nil {
		s.t.Cleanup(func() { nc.Close() })
		_ = nc.SetDeadline(time.Now().Add(patience))
		_, err = io.WriteString(nc, text)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return nc
}

func (s *tenants) floodQueries() {
	// More than a connection holds, so that who does not read it stays under way.
	for i := range 30 {
		s.post(evil, strings.ReplaceAll(flows(evil, 7, 2000*i, 2000*i+2000), `"d"`, `"`+strings.Repeat("d", 200)+`"`), 200, "")
	}
	ask := "GET /flows?hour=7 HTTP/1.1\r\nHost: flowd\r\nAuthorization: Bearer " + evil + "\r\n\r\n"
	for i := range 4 {
		s.hold(here, ask)
		s.until("the question is under way", func() bool { return s.metric("flowd_http_queries") == fmt.Sprint(i+1) })
	}
	if status, answer := s.do(here, evil, "GET", "/flows?hour=7", ""); status != 503 ||
		!strings.Contains(answer, "4 answers to this client are being written already, which is its share of max-queries (5) while 1 are left") {
		s.t.Errorf("a fifth question: %d: %s", status, answer)
	}
	if status, answer := s.do(here, good, "GET", "/flows?hour=7", ""); status != 200 {
		s.t.Errorf("a question of another: %d: %s", status, answer)
	}
	if refused := s.metric(`flowd_http_requests_rejected_total{reason="query_share"}`); refused != "1" {
		s.t.Errorf("%s refused for their share", refused)
	}
}

func (s *tenants) askForTooMuch() {
	s.post(evil, flows(evil, 7, 0, 60), 200, "")
	s.post(good, flows(good, 7, 0, 5), 200, "")
	if status, answer := s.do(here, evil, "GET", "/flows?hour=7&group_by=src_app", ""); status != 400 || !strings.Contains(answer, "max-groups") {
		s.t.Errorf("%d: %s", status, answer)
	}
	// What others have is not among the rows of a question that is bound to a VPC.
	s.names(good, 7, "app-0", "app-1", "app-2", "app-3", "app-4")
}

func (s *tenants) floodConnections() {
	const there = "127.0.0.2"
	for range 16 {
		s.hold(there, "")
	}
	s.until("connections are open", func() bool { return s.metric("flowd_http_connections") == "17" }) // with that of the question
	if status, answer := s.do(there, evil, "GET", "/hours", ""); status != 503 || !strings.Contains(answer,
		"This address has 16 connections, which is its share of max-connections (20)") {
		s.t.Errorf("one connection more: %d: %s", status, answer)
	}
	s.post(good, flows(good, 7, 0, 1), 200, "")
	if refused := s.metric(`flowd_http_requests_rejected_total{reason="address_share"}`); refused != "1" {
		s.t.Errorf("%s refused for their share", refused)
	}
}

func (s *tenants) floodBodies() {
	head := "POST /flows HTTP/1.1\r\nHost: flowd\r\nAuthorization: Bearer " + evil + "\r\nContent-Length: 120000\r\n\r\n"
	for i := range 10 {
		s.hold(here, head+strings.Repeat(" ", 60_000))
		s.until("the body is held or refused", func() bool {
			refused := s.metric(`flowd_http_requests_rejected_total{reason="inflight_bytes"}`)
			held, _ := strconv.Atoi(s.metric("flowd_http_inflight_body_bytes"))
			return refused != "0" || held >= (i+1)*60_000
		})
	}
	if refused := s.metric(`flowd_http_requests_rejected_total{reason="inflight_bytes"}`); refused == "0" {
		s.t.Error("all memory for bodies is held by one client")
	}
	s.post(good, flows(good, 7, 0, 500), 200, "")
}

func (s *tenants) floodPlaces() {
	var done atomic.Bool
	var flood sync.WaitGroup
	body := flows(evil, 7, 0, 2000)
	for range 12 {
		flood.Go(func() {
			for !done.Load() {
				s.do(here, evil, "POST", "/flows", body)
			}
		})
	}
	for range 20 {
		s.post(good, flows(good, 7, 0, 1), 200, "")
	}
	done.Store(true)
	flood.Wait()
}

func (s *tenants) exceedRate() {
	s.post(evil, flows(evil, 7, 0, 100), 200, "")
	s.post(evil, flows(evil, 7, 0, 100), 429, "rate-flows")
	s.post(good, flows(good, 7, 0, 100), 200, "")
}

func (s *tenants) reachForOthers() {
	s.post(good, flows(good, 7, 0, 1), 200, "")
	s.post(evil, flows(good, 7, 0, 1), 403, "vpc-good")
	s.post(evil, flows(evil, 8, 0, 1), 200, "")
	for _, path := range []string{"/flows?hour=7", "/flows?hour=7&vpc_id=vpc-good", "/names?field=src_app&hour=7", "/hours", "/pairs?hour=7", "/diff?a=8&b=7"} {
		status, answer := s.do(here, evil, "GET", path, "")
		if status != 200 || strings.Contains(answer, "vpc-good") || path != "/diff?a=8&b=7" && strings.Contains(answer, "app-0") {
			s.t.Errorf("%s tells of another's VPC: %d: %s", path, status, answer)
		}
	}
	for _, path := range []string{"/ledger", "/metrics"} {
		if status, answer := s.do(here, evil, "GET", path, ""); status != 403 {
			s.t.Errorf("%s: %d: %s", path, status, answer)
		}
	}
	s.names(good, 7, "app-0")
}

func (s *tenants) failToEnter() {
	slowed := 0
	for i := range 40 {
		if status, _ := s.do(here, fmt.Sprint("flowd_wrong_", i), "GET", "/hours", ""); status == 429 {
			slowed++
		}
	}
	if slowed == 0 {
		s.t.Error("40 wrong tokens, and none was slowed")
	}
	s.post(good, flows(good, 7, 0, 1), 200, "")
}

func (s *tenants) inventNames() {
	series := func() int {
		_, page := s.do(here, operator, "GET", "/metrics", "")
		return strings.Count(page, "\nflowd_")
	}
	// Once, so that what is counted by status is there.
	invent := func(i int) {
		s.post(evil, flows(evil, 7+i, 20*i, 20*i+20), 200, "", "Flowd-Agent", fmt.Sprint("a-", i), "Flowd-Seq", "1")
		s.do(here, evil, "GET", fmt.Sprint("/flows?hour=", i), "")
		s.do(here, evil, "GET", fmt.Sprint("/no-such-path-", i), "")
		s.do(here, fmt.Sprint("flowd_wrong_", i%3), "GET", "/hours", "")
	}
	series()
	for i := range 20 { // so many that wrong tokens are slowed
		invent(i)
	}
	before := series()
	for i := range 30 {
		invent(20 + i)
	}
	if after := series(); after > before {
		s.t.Errorf("names, paths and tokens that a tenant invents made %d series %d", before, after)
	}
}
