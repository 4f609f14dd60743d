package httpapi

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"
)

type tuple struct {
	Src  string `json:"src_app"`
	Dest string `json:"dest_app"`
	VPC  string `json:"vpc_id"`
}

type totals struct {
	Tx uint64 `json:"bytes_tx"`
	Rx uint64 `json:"bytes_rx"`
}

// TestModel lets clients send batches in every form at once, good and bad ones, and holds each
// of their reads, and all hours at the end, to plain maps.
func TestModel(t *testing.T) {
	t.Parallel()
	const clients, batches, hours = 4, 60, 3
	ts := serve(t, nil, nil)
	models := make([][hours]map[tuple]totals, clients)
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			c := ts.dial()
			model := &models[i]
			for h := range model {
				model[h] = map[tuple]totals{}
			}
			for range batches {
				flows, counts := randomBatch(rnd, i, hours, model)
				c.write(randomRequest(rnd, flows))
				if r := c.read("POST"); (r.StatusCode == 200) != counts {
					t.Errorf("%d for a batch that counts %t: %s", r.StatusCode, counts, r.body)
					return
				}
				h := rnd.IntN(hours)
				c.write(head("GET", "/flows?hour="+itoa(h), "Accept-Encoding: "+[]string{"", "gzip", "zstd"}[rnd.IntN(3)]))
				r := c.read("GET")
				got := rowsOf(t, unpacked(t, r.Header.Get("Content-Encoding"), r.body))
				for k := range got { // tuples of the others may change meanwhile
					if k.VPC != "vpc-"+itoa(i) {
						delete(got, k)
					}
				}
				if diff := cmp.Diff(model[h], got); diff != "" {
					t.Errorf("client %d, hour %d: %s", i, h, diff)
					return
				}
			}
		})
	}
	running.Wait()
	for h := range hours {
		want := map[tuple]totals{}
		for i := range models {
			for k, v := range models[i][h] {
				want[k] = v
			}
		}
		if diff := cmp.Diff(want, rowsOf(t, ts.do("GET", "/flows?hour="+itoa(h), "").body)); diff != "" {
			t.Errorf("hour %d: %s", h, diff)
		}
	}
}

// randomBatch makes flows of client i, each as a JSON object. One batch in eight has a flow that
// is wrong; of the others it adds the totals to model.
func randomBatch(rnd *rand.Rand, i, hours int, model *[3]map[tuple]totals) (flows []string, counts bool) {
	counts = rnd.IntN(8) > 0
	n := rnd.IntN(50)
	for range n {
		k := tuple{"a" + itoa(rnd.IntN(5)), `"b\` + itoa(rnd.IntN(5)), "vpc-" + itoa(i)}
		v := totals{rnd.Uint64N(1000), rnd.Uint64N(1000)}
		h := rnd.IntN(hours)
		text, _ := json.Marshal(map[string]any{
			"src_app": k.Src, "dest_app": k.Dest, "vpc_id": k.VPC, "bytes_tx": v.Tx, "bytes_rx": v.Rx, "hour": h,
		})
		flows = append(flows, string(text))
		if counts {
			sum := model[h][k]
			model[h][k] = totals{sum.Tx + v.Tx, sum.Rx + v.Rx}
		}
	}
	if !counts {
		flows = append(flows, `{"src_app":"a"}`)
	}
	return flows, counts
}

// randomRequest sends flows in one of all forms.
func randomRequest(rnd *rand.Rand, flows []string) string {
	body, headers := "["+strings.Join(flows, ",")+"]", []string{asJSON}
	if rnd.IntN(2) == 0 && len(flows) > 0 {
		body, headers = strings.Join(flows, "\n"), []string{asNDJSON}
	}
	switch rnd.IntN(4) {
	case 0:
		body, headers = gzipped(body), append(headers, asGzip)
	case 1:
		body, headers = zstdOf(body), append(headers, asZstd)
	case 2:
		body, headers = zstdStream(body), append(headers, asZstd)
	}
	path := []string{"/flows", "/api/v1/flows"}[rnd.IntN(2)]
	if rnd.IntN(2) == 0 {
		return head("POST", path, append(headers, "Transfer-Encoding: chunked")...) + chunks(body, 1+rnd.IntN(500))
	}
	return head("POST", path, append(headers, "Content-Length: "+itoa(len(body)))...) + body
}

func rowsOf(t *testing.T, body string) map[tuple]totals {
	var list []struct {
		tuple
		totals
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Errorf("%v: %.200s", err, body)
	}
	rows := make(map[tuple]totals, len(list))
	for _, row := range list {
		rows[row.tuple] = row.totals
	}
	if len(rows) != len(list) {
		t.Errorf("%d rows of %d tuples", len(list), len(rows))
	}
	return rows
}
