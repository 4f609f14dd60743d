package limit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// modelRequest is one that waits in the model.
type modelRequest struct {
	name, client string
	due          time.Time
}

// sharesModel divides the places in the plainest way.
type sharesModel struct {
	places int
	held   map[string]int
	turn   map[string]int
	turns  int
	waits  []modelRequest // in the order in which they came
}

func (m *sharesModel) taken() (n int) {
	for _, held := range m.held {
		n += held
	}
	return n
}

func (m *sharesModel) next() (at int) {
	at = -1
	for i, r := range m.waits {
		if at < 0 || m.before(r.client, m.waits[at].client) {
			at = i
		}
	}
	return at
}

func (m *sharesModel) before(a, b string) bool {
	return m.held[a] < m.held[b] || m.held[a] == m.held[b] && m.turn[a] < m.turn[b]
}

func (m *sharesModel) enter(r modelRequest) (entered bool) {
	if m.taken() < m.places {
		m.held[r.client]++
		return true
	}
	if !slices.ContainsFunc(m.waits, func(w modelRequest) bool { return w.client == r.client }) {
		m.turns++
		m.turn[r.client] = m.turns
	}
	m.waits = append(m.waits, r)
	return false
}

func (m *sharesModel) leave(client string) (enters string) {
	m.held[client]--
	at := m.next()
	if at < 0 {
		return ""
	}
	r := m.waits[at]
	m.waits = slices.Delete(m.waits, at, at+1)
	m.held[r.client]++
	m.turns++
	m.turn[r.client] = m.turns
	return r.name
}

// TestSharesModel has Shares do what the model does, while requests come, leave and give up.
func TestSharesModel(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			places := 1 + rng.IntN(5)
			e, clients := newEntries(places), "abcdef"[:1+rng.IntN(6)]
			m := &sharesModel{places: places, held: map[string]int{}, turn: map[string]int{}}
			var want []string
			for i := range 300 {
				client := string(clients[rng.IntN(len(clients))])
				switch choice := rng.IntN(10); {
				case choice < 5:
					wait := time.Duration(rng.IntN(100))*time.Second + time.Duration(i) // all are different
					r := modelRequest{fmt.Sprint(client, i), client, time.Now().Add(wait)}
					if wait > 0 || m.taken() < places {
						if m.enter(r) {
							want = append(want, r.name)
						}
					}
					e.enter(r.name, wait)
				case choice < 9:
					if m.held[client] == 0 {
						continue
					}
					if enters := m.leave(client); enters != "" {
						want = append(want, enters)
					}
					e.leave(client)
				default:
					time.Sleep(time.Duration(rng.IntN(20)) * time.Second)
					synctest.Wait()
					m.waits = slices.DeleteFunc(m.waits, func(r modelRequest) bool { return !r.due.After(time.Now()) })
				}
				if got := e.entered(); !slices.Equal(got, want) {
					t.Fatalf("seed %d, step %d: entered %v, want %v", seed, i, got, want)
				}
				if e.Waiting() != len(m.waits) || e.taken != m.taken() {
					t.Fatalf("seed %d, step %d: %d wait and %d in, want %d and %d", seed, i, e.Waiting(), e.taken, len(m.waits), m.taken())
				}
			}
			time.Sleep(time.Hour) // all give up
		})
	}
}
