package limit

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sender is a client of the simulation.
type sender struct {
	name    string
	rate    float64       // requests per second, at times of chance
	service time.Duration // how long one holds a place, on average

	sent, served int
}

// pool is what hands out places, to compare with Shares.
type pool interface {
	Enter(client string, wait time.Duration) Entry
	Leave(client string)
}

// oneLine is what places would be without Shares: first come, first served.
type oneLine chan struct{}

func (p oneLine) Enter(_ string, wait time.Duration) Entry {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case p <- struct{}{}:
		return Entered
	case <-timer.C:
		return NoPlace
	}
}

func (p oneLine) Leave(string) { <-p }

const (
	simPlaces  = 16
	simService = 10 * time.Millisecond // so the pool serves 1600 in a second
	simWait    = 200 * time.Millisecond
	simTime    = 8 * time.Second
)

// simulate has senders send for simTime, and returns which part of the time of all places was used.
func simulate(p pool, seed uint64, senders []*sender) (used float64) {
	var running sync.WaitGroup
	var mu sync.Mutex
	var busy time.Duration
	end := time.Now().Add(simTime)
	for i, s := range senders {
		running.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for {
				time.Sleep(time.Duration(rng.ExpFloat64() / s.rate * float64(time.Second)))
				if !time.Now().Before(end) {
					return
				}
				service := time.Duration(rng.ExpFloat64() * float64(s.service))
				s.sent++
				running.Go(func() {
					if p.Enter(s.name, simWait) != Entered {
						return
					}
					time.Sleep(service)
					mu.Lock()
					busy += service
					s.served++
					mu.Unlock()
					p.Leave(s.name)
				})
			}
		})
	}
	running.Wait()
	return busy.Seconds() / (simTime + simWait).Seconds() / simPlaces
}

func flooder(times float64, service time.Duration) *sender {
	return &sender{name: "flooder", rate: times * simPlaces / simService.Seconds(), service: service}
}

// normals are 20 clients that together ask for so much of what the pool can do.
func normals(part float64) (all []*sender) {
	for i := range 20 {
		rate := part / 20 * simPlaces / simService.Seconds()
		all = append(all, &sender{name: fmt.Sprint("normal ", i), rate: rate, service: simService})
	}
	return all
}

// success is which part of what all of them sent was served, and the least of any of them.
func success(all []*sender) (together, least float64) {
	sent, served, least := 0, 0, 1.0
	for _, s := range all {
		sent, served = sent+s.sent, served+s.served
		least = min(least, float64(s.served)/float64(s.sent))
	}
	return float64(served) / float64(sent), least
}

// One client that floods the pool does not keep others from it, nor does it leave the pool idle.
func TestFlood(t *testing.T) {
	for _, c := range []struct {
		name    string
		normals float64 // of what the pool can do
		flood   *sender
	}{
		{"half of it, beside ten times as much", 0.5, flooder(10, simService)},
		{"half of it, beside large batches", 0.5, flooder(1, 10*simService)},
		{"a tenth of it, beside very large batches", 0.1, flooder(0.2, 50*simService)},
		{"nine tenths of it, beside twice as much", 0.9, flooder(2, simService)},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := func(t *testing.T, p func() pool) (together, least, used float64) {
				synctest.Test(t, func(t *testing.T) {
					others := normals(c.normals)
					flood := *c.flood
					used = simulate(p(), 1, append(others, &flood))
					together, least = success(others)
					t.Logf("%.2f%% of what normal clients sent was served, at least %.2f%% of any; %.1f%% of the flood; %.1f%% of the pool used",
						100*together, 100*least, 100*float64(flood.served)/float64(flood.sent), 100*used)
				})
				return together, least, used
			}
			together, least, used := run(t, func() pool { return newNamed(simPlaces) })
			if together < 0.99 || least < 0.95 {
				t.Error("less than 99%, or less than 95% of one of them")
			}
			if used < 0.95 {
				t.Error("less than 95% of the pool used")
			}
			if _, least, _ = run(t, func() pool { return make(oneLine, simPlaces) }); least > 0.9 {
				t.Error("a single line would do as well: this flood is none")
			}
		})
	}
}
