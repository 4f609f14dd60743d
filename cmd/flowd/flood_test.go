package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-json"
)

// floods is how many requests a flood has, and how long it takes to send them: FLOWD_FLOOD, as make flood
// sets it, is such as 1000000/60s.
func floods(t *testing.T) (requests int, over time.Duration) {
	t.Helper()
	text := os.Getenv("FLOWD_FLOOD")
	if text == "" {
		return 20_000, 0
	}
	number, duration, _ := strings.Cut(text, "/")
	requests, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("FLOWD_FLOOD: %v", err)
	}
	if over, err = time.ParseDuration(duration); err != nil {
		t.Fatalf("FLOWD_FLOOD: %v", err)
	}
	return requests, over
}

// refusedRequests are refused, each for another reason.
var refusedRequests = []string{
	"GET /nowhere/" + strings.Repeat("%00", 300) + " HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /flows?hour=" + strings.Repeat("x", 1000) + " HTTP/1.1\r\nHost: a\r\n\r\n",
	"DELETE /flows HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST /flows HTTP/1.1\r\nHost: a\r\nContent-Length: 16\r\n\r\n[{\"src_app\":\"a\"}",
	"POST /flows HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n[]",
}

// A client that is refused again and again does not fill the disk with the log, at debug neither: at most
// 1 MB a minute, no second has more than 100 lines, and log and metrics know of each refusal.
func TestFlood(t *testing.T) {
	for _, level := range []string{"info", "debug"} {
		t.Run(level, func(t *testing.T) {
			requests, over := floods(t)
			s := start(t, "--log-format=json", "--log-level="+level)
			began := time.Now()
			s.flood(requests, over)
			took := time.Since(began)
			_, metrics, err := s.get("/metrics")
			if err != nil {
				t.Fatal(err)
			}
			if got := sumOf(metrics, `flowd_http_requests_rejected_total`); got != requests {
				t.Errorf("the metrics have %d of %d refusals", got, requests)
			}
			suppressed := sumOf(metrics, `flowd_logging_suppressed_lines_total`)
			s.signal(syscall.SIGTERM)
			log := s.exits(exitOK)
			written, summed := refusals(t, log)
			if written+summed != requests {
				t.Errorf("the log has %d refusals and the sum of %d, want %d", written, summed, requests)
			}
			if most := 1_000_000 * (int(took/time.Minute) + 1); len(log) > most {
				t.Errorf("%d bytes of log, more than %d", len(log), most)
			}
			t.Logf("%d refusals in %s: %d bytes of log, %d lines, %d of them refusals and %d summed up (%d counted as such)",
				requests, took.Round(time.Second/10), len(log), strings.Count(log, "\n"), written, summed, suppressed)
		})
	}
}

// flood sends so many requests, which are refused, over a time, or as fast as it can. It returns when all
// are answered.
func (s *server) flood(requests int, over time.Duration) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	answered := make(chan error, 1)
	go func() {
		for in, n := bufio.NewReader(conn), 0; n < requests; {
			line, err := in.ReadString('\n')
			if err != nil {
				answered <- fmt.Errorf("after %d answers: %w", n, err)
				return
			}
			// It follows the body of the answer before it without a line's end.
			if _, status, found := strings.Cut(line, "HTTP/1.1 "); found {
				if status[0] != '4' {
					answered <- fmt.Errorf("answer %d is %s", n, status)
					return
				}
				n++
			}
		}
		answered <- nil
	}()
	const slices = 600
	out, sent := bufio.NewWriter(conn), 0
	for begin, slice := time.Now(), 1; slice <= slices; slice++ {
		for ; sent < requests*slice/slices; sent++ {
			_, _ = io.WriteString(out, refusedRequests[sent%len(refusedRequests)]) // Flush tells
		}
		if err := out.Flush(); err != nil {
			s.t.Fatalf("%v; %v", err, <-answered)
		}
		time.Sleep(time.Until(begin.Add(over * time.Duration(slice) / slices)))
	}
	select {
	case err := <-answered:
		if err != nil {
			s.t.Fatal(err)
		}
	case <-time.After(patience + over):
		s.t.Fatal("not all requests are answered")
	}
}

// sumOf returns the sum of all series of a metric.
func sumOf(page, metric string) (sum int) {
	for _, found := range regexp.MustCompile(`(?m)^`+metric+`(?:{[^}]*})? (\d+)$`).FindAllStringSubmatch(page, -1) {
		n, _ := strconv.Atoi(found[1])
		sum += n
	}
	return sum
}

// refusals returns how many lines of the log are refusals, and how many refusals others sum up. No second
// may have more than 100 lines of any kind.
func refusals(t *testing.T, log string) (written, summed int) {
	t.Helper()
	var times []time.Time
	for text := range strings.Lines(log) {
		var line struct {
			Time time.Time
			Msg  string
			More int
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		times = append(times, line.Time)
		switch {
		case line.Msg == "refused":
			written++
		case strings.HasPrefix(line.Msg, "refused, "):
			summed += line.More
		}
	}
	for from, to := 0, 0; to < len(times); to++ {
		for times[to].Sub(times[from]) >= time.Second {
			from++
		}
		if n := to - from + 1; n > 100 {
			t.Fatalf("%d lines in the second until %s", n, times[to])
		}
	}
	return written, summed
}
