package main

import (
	"fmt"
	"strings"
	"syscall"
	"time"
)

// hours is a batch of one flow in each of some hours.
func hours(token string, from, n int) string {
	var parts []string
	for h := range n {
		batch := flows(token, from+h, 0, 1)
		parts = append(parts, batch[1:len(batch)-1])
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// kept returns how many of some hours there are.
func (s *tenants) kept(from, n int) (there int) {
	s.t.Helper()
	_, answer := s.do(here, operator, "GET", "/hours", "")
	for h := range n {
		if strings.Contains(answer, fmt.Sprintf(`{"hour":%d,`, from+h)) {
			there++
		}
	}
	return there
}

// floodHours has evil open as many hours as it may: those of good stay, and it can have more.
func (s *tenants) floodHours() {
	now := int(time.Now().Unix() / 3600)
	s.post(good, hours(good, now-2, 4), 200, "")
	s.post(good, hours(good, 7, 1), 200, "")
	s.post(evil, hours(evil, 1000, 8), 400, "may open 7 more")
	s.post(evil, hours(evil, 1000, 7), 200, "")
	s.post(evil, hours(evil, 2000, 1), 400, "max-hours is 20")
	s.post(evil, hours(evil, now-47, 40), 413, "")
	s.post(evil, hours(evil, now-20, 20), 200, "") // live ones take no place of others
	s.post(good, hours(good, 7, 1), 200, "")
	s.post(good, hours(good, 8, 1), 200, "")
	s.post(good, hours(good, now+2, 2), 200, "")
	if n := s.kept(now-2, 6) + s.kept(7, 2); n != 8 {
		s.t.Errorf("of 8 hours of good %d are there", n)
	}
}

// labelAhead has evil label flows by hours of the future, and by minutes.
func (s *tenants) labelAhead() {
	now := int(time.Now().Unix() / 3600)
	s.post(evil, hours(evil, now+60, 1), 400, "max-ahead (48h0m0s)")
	s.post(evil, hours(evil, 60*now, 1), 400, "it looks like minutes")
	s.post(good, hours(good, now, 1), 200, "")
}

// floodDisk has evil fill the disk by hours of its own. They go, and not that of good.
func (s *tenants) floodDisk() {
	s.post(good, flows(good, 7, 0, 20), 200, "")
	s.until("the hour of good is on disk", func() bool { return s.metric("flowd_hours_on_disk") == "1" })
	for hour := range 20 { // several KB each
		s.post(evil, flows(evil, 1000+hour, 0, 500), 200, "")
	}
	s.until("hours expire", func() bool { return s.metric("flowd_hours_expired_early_total") != "0" })
	if s.kept(7, 1) != 1 {
		s.t.Error("the hour of good is gone")
	}
	s.stopped("most_flows_by=", "evil")
}

// floodLog has evil be refused many times. The log says so in few lines, and that good was refused.
func (s *tenants) floodLog() {
	for range 300 {
		s.post(evil, "{", 400, "")
	}
	s.post(good, "{", 400, "")
	lines := s.stopped("client=good")
	if n := strings.Count(lines, "refused"); n > 30 {
		s.t.Errorf("%d lines of refusals", n)
	}
}

// stopped ends the server, whose log must have said all of some words, and returns it.
func (s *tenants) stopped(words ...string) string {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	text := s.exits(0)
	for _, word := range words {
		if !strings.Contains(text, word) {
			s.t.Errorf("the log does not say %q:\n%s", word, text)
		}
	}
	return text
}
