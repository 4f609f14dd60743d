package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowd/disk"
	"flowd/store/manifest"
)

// age makes the folder one that was left so long ago.
func age(t *testing.T, folder string, by time.Duration) {
	t.Helper()
	m, err := manifest.Read(disk.OS, folder)
	if err != nil {
		t.Fatal(err)
	}
	ms := by.Milliseconds()
	m.Written -= ms
	m.Clock.Time -= ms
	m.Clock.Wall -= ms
	m.Clock.Ran = (48 * time.Hour).Milliseconds() // its clock had proved itself
	for i := range m.Hours {
		m.Hours[i].LastWrite -= ms
	}
	if err := manifest.Write(disk.OS, folder, m); err != nil {
		t.Fatal(err)
	}
}

// A server that is started on a backup of last year keeps all of it, says so, and drops it when it is
// told that the clock is right. What comes late for such an hour says that it is a part.
func TestOldBackup(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	admin := freeAddress(t)
	args := []string{"--data=" + folder, "--retention=720h", "--admin-listen=" + admin}
	batch := `[{"src_app":"a","dest_app":"b","vpc_id":"v","bytes_tx":1,"bytes_rx":2,"hour":7}]`
	s := start(t, args...)
	if status, text, err := s.request(http.MethodPost, "/flows", batch); status != http.StatusOK {
		t.Fatal(status, text, err)
	}
	s.signal(syscall.SIGTERM)
	s.exits(0)
	copied := filepath.Join(t.TempDir(), "backup")
	flowd(t, "backup", folder, copied, "--copy")
	age(t, copied, 365*24*time.Hour)

	args[0] = "--data=" + copied
	s = start(t, args...)
	_, hours, _ := s.get("/hours")
	if hours != `[{"hour":7,"tuples":1,"flows":1,"bytes_tx":1,"bytes_rx":2}]` {
		t.Errorf("the hours of the backup: %s", hours)
	}
	status, ready, _ := s.get("/readyz")
	if status != http.StatusOK || !strings.Contains(ready, "Expiry is held back") || !strings.Contains(ready, "1 hours would expire") {
		t.Errorf("/readyz: %d %s", status, ready)
	}
	_, metrics, _ := s.get("/metrics")
	for _, want := range []string{"\nflowd_clock_held_hours 1\n", "\nflowd_clock_held_seconds 3153", "\nflowd_hours_expired_total 0\n"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %q in the metrics", want)
		}
	}
	status, accepted := s.asked(http.MethodPost, "http://"+admin+"/-/accept-clock", "")
	form := regexp.MustCompile(`^\{"before":"\d{4}-\d\d-\d\dT[0-9:]{8}Z","after":"[0-9T:-]{19}Z","clock":"[0-9T:-]{19}Z","hours_expired":1\}$`)
	if status != http.StatusOK || !form.MatchString(accepted) {
		t.Errorf("accepted: %d %s", status, accepted)
	}
	if _, hours, _ = s.get("/hours"); hours != `[]` {
		t.Errorf("the hours after that: %s", hours)
	}
	s.until("nothing is held", func() bool {
		_, ready, _ := s.get("/readyz")
		return ready == `{"status":"ready"}`
	})
	if status, text, err := s.request(http.MethodPost, "/flows", batch); status != http.StatusOK {
		t.Fatal(status, text, err)
	}
	s.signal(syscall.SIGKILL)
	<-s.ended
	for _, want := range []string{"expiry is held back", "an hour expired", "hour=7", "reason=age", "the machine's clock was accepted"} {
		if !strings.Contains(s.stderr.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, s.stderr.String())
		}
	}

	s = start(t, args...)
	if _, hours, _ = s.get("/hours"); hours != `[{"hour":7,"tuples":1,"flows":1,"bytes_tx":1,"bytes_rx":2,"expired_before":true}]` {
		t.Errorf("the hours with a late flow: %s", hours)
	}
	response, err := http.Get("http://" + s.address + "/flows?hour=7")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if got := response.Header.Get("Flowd-Expired-Before"); got != "true" {
		t.Errorf("the answer's head has %q", got)
	}
	s.signal(syscall.SIGTERM)
	s.exits(0)
}

// One client's labels do not drive out the hours of another.
func TestLabelsEraseNothing(t *testing.T) {
	s := start(t, "--max-hours=200", "--checkpoint-interval=1s")
	post := func(from, n, status int) string {
		var flows []string
		for h := range n {
			flows = append(flows, fmt.Sprintf(`{"src_app":"a","dest_app":"b","vpc_id":"v","bytes_tx":1,"bytes_rx":2,"hour":%d}`, from+h))
		}
		got, text, err := s.request(http.MethodPost, "/flows", "["+strings.Join(flows, ",")+"]")
		if got != status {
			t.Fatalf("%d hours from %d: %d, want %d: %s %v", n, from, got, status, text, err)
		}
		return text
	}
	now := int(time.Now().Unix() / 3600)
	post(now-40, 48, 200)
	post(0, 200, 400)
	if text := post(now*60, 150, 400); !strings.Contains(text, "minutes") || !strings.Contains(text, `"/0/hour"`) {
		t.Errorf("minutes for hours: %s", text)
	}
	s.until("there was a checkpoint", func() bool {
		_, metrics, _ := s.get("/metrics")
		return !strings.Contains(metrics, "\nflowd_checkpoints_total 0\n")
	})
	_, hours, _ := s.get("/hours")
	if n := strings.Count(hours, `"hour":`); n != 48 {
		t.Errorf("%d hours are left of 48", n)
	}
	_, metrics, _ := s.get("/metrics")
	for _, want := range []string{
		`flowd_http_requests_rejected_total{reason="max_hours"} 1`, `flowd_http_requests_rejected_total{reason="max_ahead"} 1`,
		"\nflowd_hours_other 0\n", "\nflowd_hours_other_max 100\n",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %q in the metrics", want)
		}
	}
	s.signal(syscall.SIGTERM)
	s.exits(0)
}
