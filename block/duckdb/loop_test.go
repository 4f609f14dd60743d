package duckdb_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flowd/loadtest/child"
)

// loopVariable has how long TestReadersBesideAServer goes on; without it the test ends once it has seen some of
// all that it is about.
const loopVariable = "FLOWD_PARQUET_LOOP"

// The batch k of an hour, from 1 on, has a flow of one byte for each of the tuples 0 to tuplesOf(k). So how
// many rows an hour has tells which batches it has, and that what its bytes must be: an hour of two
// files, or of parts of two, has other sums.
func tuplesOf(batch int) int { return 20 + 15*batch }

// bytesOf returns the bytes of an hour with some batches.
func bytesOf(batches int) (sum int64) {
	for k := 1; k <= batches; k++ {
		sum += int64(tuplesOf(k))
	}
	return sum
}

const (
	loopHours = 5 // at a time, of each agent
	// loopStep is how long an hour gets flows from the first to the last.
	loopStep = 3 * time.Second
)

// loop is a server that makes checkpoints of a second, is killed and started again, and whose hours expire;
// agents that bring it flows, late ones too; and readers beside it.
type loop struct {
	t       *testing.T
	program string
	dir     string
	address string

	mu      sync.Mutex
	server  *child.Process
	posted  map[int64]int // batches of an hour that were answered, or that are on their way
	seen    map[int64]int // batches of an hour that a reader found last
	queries int
	changed int // times that an hour was found with more batches than before
	gone    int // hours that were found, and later not
	kills   int
	wrong   []string
	failed  []string
	control struct{ queries, wrong, failed int }
}

func TestReadersBesideAServer(t *testing.T) {
	l := &loop{t: t, dir: t.TempDir(), posted: map[int64]int{}, seen: map[int64]int{}}
	l.program = filepath.Join(t.TempDir(), "flowd")
	build := exec.Command("go", "build", "-o", l.program, "./cmd/flowd")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0") // the server has no C, as released
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var err error
	if l.address, err = child.FreeAddr(); err != nil {
		t.Fatal(err)
	}
	l.start()
	t.Cleanup(func() { l.server.Kill() })

	long := os.Getenv(loopVariable)
	enough := l.enough
	if long != "" {
		d, err := time.ParseDuration(long)
		if err != nil {
			t.Fatalf("%s: %v", loopVariable, err)
		}
		end := time.Now().Add(d)
		enough = func() bool { return time.Now().After(end) }
	}
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	for lane := range 3 {
		working.Go(func() { l.agent(ctx, lane) })
	}
	for range 2 {
		working.Go(func() { l.read(ctx, "parquet/*/*.parquet", l.found, l.error) })
	}
	working.Go(func() {
		l.read(ctx, "hours/*/*.parquet", l.foundByControl, func(error) { l.count(&l.control.failed) })
	})
	working.Go(func() { l.killer(ctx) })
	for !enough() && !t.Failed() {
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	working.Wait()
	l.report(long != "")
	l.settles()
}

// enough tells whether all has happened that the test is about.
func (l *loop) enough() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.wrong)+len(l.failed) > 0 || l.queries >= 200 && l.changed >= 30 && l.gone >= 3 && l.kills >= 2
}

func (l *loop) count(n *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*n++
}

// start starts the server, and returns when it is ready. It is called by one goroutine at a time.
func (l *loop) start() {
	command := exec.Command(l.program, "serve", "--listen="+l.address, "--admin-listen=off", "--data="+l.dir,
		"--checkpoint-interval=1s", "--retention=4s", "--segment-bytes=17MiB", "--memory-budget=1MiB", "--log-level=warn")
	command.Env = []string{} // the variable of this test is no setting of flowd
	server, err := child.Start("flowd", command)
	if err != nil {
		l.t.Error(err)
		return
	}
	l.mu.Lock()
	l.server = server
	l.mu.Unlock()
	for {
		if status, _, _ := l.ask(http.MethodGet, "/readyz", "", nil); status == http.StatusOK {
			return
		}
		select {
		case <-server.Exited():
			l.t.Errorf("the server ended: %v", server.Failure())
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// killer kills the server and starts it again, at any moment of its checkpoints.
func (l *loop) killer(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(2500*time.Millisecond + rand.N(3*time.Second)):
		}
		l.server.Kill()
		l.start()
		l.count(&l.kills)
	}
}

func (l *loop) ask(method, path, body string, head map[string]string) (int, string, error) {
	request, err := http.NewRequest(method, "http://"+l.address+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for name, value := range head {
		request.Header.Set(name, value)
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// agent brings batches for the hours of its lane, numbered, so that each can be sent again until it is answered.
// Each hour gets them for loopStep; of those before, one gets a late one now and then.
func (l *loop) agent(ctx context.Context, lane int) {
	rng := rand.New(rand.NewPCG(1, uint64(lane)))
	began := time.Now()
	for seq := 1; ctx.Err() == nil; seq++ {
		newest := int64(time.Since(began)/(loopStep/loopHours)) + loopHours
		hour := newest - rng.Int64N(loopHours)
		if rng.IntN(20) == 0 {
			hour = max(1, newest-loopHours-rng.Int64N(loopHours)) // late: it may be about to expire
		}
		hour = 3*hour + int64(lane)
		l.mu.Lock()
		l.posted[hour]++
		batch := l.posted[hour]
		l.mu.Unlock()
		var body strings.Builder
		for i := range tuplesOf(batch) {
			fmt.Fprintf(&body, `{"src_app":"app-%d","dest_app":"db","vpc_id":"vpc","bytes_tx":1,"bytes_rx":2,"hour":%d}`+"\n", i, hour)
		}
		head := map[string]string{"Content-Type": "application/x-ndjson", "Flowd-Agent": fmt.Sprint("lane-", lane), "Flowd-Seq": fmt.Sprint(seq)}
		for ctx.Err() == nil {
			status, answer, err := l.ask(http.MethodPost, "/flows", body.String(), head)
			if err == nil && status == http.StatusOK {
				break
			}
			if err == nil && status < 500 {
				l.t.Errorf("a batch: %d %s", status, answer)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// sums is an hour as a reader finds it.
type sums struct {
	rows, names int
	bytes       int64
}

// read asks DuckDB for all hours, again and again.
func (l *loop) read(ctx context.Context, files string, found func(map[int64]sums), failed func(error)) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		l.t.Error(err)
		return
	}
	defer db.Close()
	query := fmt.Sprintf("SELECT hour, count(*), count(DISTINCT src_app), sum(bytes_tx) FROM read_parquet('%s', hive_partitioning = true) GROUP BY hour",
		filepath.Join(l.dir, files))
	for ctx.Err() == nil {
		if hours, err := sumsOf(db, query); err != nil {
			failed(err)
		} else {
			found(hours)
		}
	}
}

func sumsOf(db *sql.DB, query string) (map[int64]sums, error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	hours := map[int64]sums{}
	for rows.Next() {
		var hour int64
		var s sums
		sum := new(big.Int)
		if err := rows.Scan(&hour, &s.rows, &s.names, &sum); err != nil {
			return nil, err
		}
		s.bytes = sum.Int64()
		hours[hour] = s
	}
	return hours, rows.Err()
}

// batchesOf returns which batches an hour has, if it is as it was at some moment. Flows that came after it
// expired begin anew, in the middle of the batches: so all that is known is which was the last.
func batchesOf(s sums, posted int) (int, bool) {
	last := (s.rows - 20) / 15
	if s.rows != s.names || s.rows != tuplesOf(last) || last < 1 || last > posted {
		return 0, false
	}
	for first := 1; first <= last; first++ {
		if s.bytes == bytesOf(last)-bytesOf(first-1) {
			return last, true
		}
	}
	return 0, false
}

func (l *loop) found(hours map[int64]sums) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queries++
	for hour, s := range hours {
		last, ok := batchesOf(s, l.posted[hour])
		if !ok {
			l.wrong = append(l.wrong, fmt.Sprintf("hour %d has %+v, of %d batches", hour, s, l.posted[hour]))
		} else if last > l.seen[hour] {
			l.seen[hour] = last
			l.changed++
		}
	}
	for hour, last := range l.seen {
		if _, ok := hours[hour]; !ok && last > 0 {
			l.seen[hour] = 0
			l.gone++
		}
	}
}

func (l *loop) foundByControl(hours map[int64]sums) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.control.queries++
	for hour, s := range hours {
		if _, ok := batchesOf(s, l.posted[hour]); !ok {
			l.control.wrong++
		}
	}
}

func (l *loop) error(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queries++
	l.failed = append(l.failed, err.Error())
}

// report says what was seen. A long run must see the control find what is wrong with reading the other folder.
func (l *loop) report(long bool) {
	t := l.t
	for _, list := range [][]string{l.wrong, l.failed} {
		for _, text := range list[:min(len(list), 5)] {
			t.Error(text)
		}
	}
	t.Logf("parquet/: %d questions, %d wrong sums, %d errors; %d changes were seen, %d hours that expired, %d kills",
		l.queries, len(l.wrong), len(l.failed), l.changed, l.gone, l.kills)
	t.Logf("hours/: %d questions, %d wrong sums, %d errors", l.control.queries+l.control.failed, l.control.wrong, l.control.failed)
	if len(l.wrong)+len(l.failed) > 0 {
		t.Errorf("of %d questions %d sums are wrong, %d failed", l.queries, len(l.wrong), len(l.failed))
	}
	if long && (l.control.wrong == 0 || l.control.failed == 0) {
		t.Errorf("reading hours/ had %d wrong sums and %d errors: the test does not try what it should", l.control.wrong, l.control.failed)
	}
	if l.queries == 0 || l.changed == 0 || l.gone == 0 || l.kills == 0 {
		t.Error("something did not happen: the test does not try what it should")
	}
}

// settles holds that the folder comes to show what the server has, once nobody brings more, and that the
// server's own check agrees.
func (l *loop) settles() {
	t := l.t
	if err := l.server.Stop(time.Minute); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(l.program, "verify", l.dir).CombinedOutput(); err != nil {
		t.Errorf("flowd verify: %v: %s", err, text)
	}
	// What DuckDB adds up of the folder, and of the blocks that the manifest names.
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const query = "SELECT hour, count(*), count(DISTINCT src_app), sum(bytes_tx) FROM read_parquet('%s', hive_partitioning = true) GROUP BY hour"
	shown, err := sumsOf(db, fmt.Sprintf(query, filepath.Join(l.dir, "parquet/*/*.parquet")))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := sumsOf(db, fmt.Sprintf(query, filepath.Join(l.dir, "hours/*/*.parquet")))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(shown) != fmt.Sprint(kept) || len(kept) == 0 {
		t.Errorf("parquet/ shows %v, and hours/ has %v", shown, kept)
	}
}
