package limit

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// exactBucket is a token bucket that counts in whole billionths.
type exactBucket struct {
	rate, burst int64
	tokens      *big.Int // billionths
	latest      time.Time
}

const billion = 1_000_000_000

func billionths(tokens int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(tokens), big.NewInt(billion))
}

func newExact(rate, burst int64) *exactBucket {
	return &exactBucket{rate: rate, burst: burst, tokens: billionths(burst)}
}

func (b *exactBucket) pass(now time.Time) {
	if elapsed := now.Sub(b.latest); elapsed > 0 {
		b.add(new(big.Int).Mul(big.NewInt(int64(elapsed)), big.NewInt(b.rate)))
		b.latest = now
	}
}

func (b *exactBucket) add(tokens *big.Int) {
	b.tokens.Add(b.tokens, tokens)
	if full := billionths(b.burst); b.tokens.Cmp(full) > 0 {
		b.tokens = full
	}
}

// has tells whether there are n tokens; it does not know if a fraction of floating point decides.
func (b *exactBucket) has(n int64) (has, known bool) {
	more := new(big.Int).Sub(b.tokens, billionths(n))
	unsure := big.NewInt(100 + 2*b.rate) // a nanosecond, to which a limiter rounds, and some bits
	return more.Sign() >= 0, more.CmpAbs(unsure) > 0
}

// setRate keeps what is used, in whole tokens.
func (b *exactBucket) setRate(rate, burst int64) {
	used := new(big.Int).Sub(billionths(b.burst), b.tokens)
	used.Add(used, big.NewInt(billion-1)).Div(used, big.NewInt(billion))
	b.rate, b.burst, b.tokens = rate, burst, billionths(max(burst-used.Int64(), 0))
}

// TestBucketsModel has the buckets of three clients do what exact ones do: take, give back, wait,
// come late, and have their rates changed.
func TestBucketsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.OneOf(rapid.Int64Range(1, 20), rapid.Int64Range(1, 100_000))
		drawRates := func(t *rapid.T) Rates {
			return Rates{amount.Draw(t, "flows"), amount.Draw(t, "flows burst"), amount.Draw(t, "bytes"), amount.Draw(t, "bytes burst")}
		}
		rates := drawRates(t)
		b, now := NewBuckets(rates, 100), start
		var seen time.Time // the latest that b was told
		model := map[string]*[kinds]*exactBucket{}
		client := func(t *rapid.T) (string, *[kinds]*exactBucket) {
			name := rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "client")
			if model[name] == nil {
				model[name] = &[kinds]*exactBucket{newExact(rates.Flows, rates.FlowsBurst), newExact(rates.Bytes, rates.BytesBurst)}
			}
			for _, m := range model[name] {
				m.pass(seen)
			}
			return name, model[name]
		}
		take := func(t *rapid.T, k kind) {
			asOf := now.Add(-time.Duration(rapid.Int64Range(0, 5*billion).Draw(t, "late")))
			if asOf.After(seen) {
				seen = asOf
			}
			name, buckets := client(t)
			m := buckets[k]
			n := rapid.OneOf(amount, rapid.Int64Range(1, m.burst), rapid.Just(m.burst)).Draw(t, "n")
			wait := b.take(k, name, int(n), asOf)
			has, known := m.has(n)
			switch {
			case (wait == Never) != (n > m.burst) || wait < 0:
				t.Fatalf("%d of a burst of %d have to wait %s", n, m.burst, wait)
			case wait == Never:
				return
			case known && has != (wait == 0):
				t.Fatalf("%d have to wait %s; there are %s billionths", n, wait, m.tokens)
			}
			if wait > 0 {
				later := *m
				later.tokens = new(big.Int).Set(m.tokens)
				later.pass(seen.Add(wait - 3*time.Millisecond/2))
				if has, known := later.has(n); wait > 3*time.Millisecond/2 && known && has {
					t.Fatalf("%d have to wait %s, more than a millisecond too long", n, wait)
				}
				seen = seen.Add(wait)
				m.pass(seen)
				if again := b.take(k, name, int(n), seen); again != 0 {
					t.Fatalf("%d that waited %s have to wait %s more", n, wait, again)
				}
			}
			m.add(billionths(-n))
		}
		t.Repeat(map[string]func(*rapid.T){
			"flows": func(t *rapid.T) { take(t, flows) },
			"bytes": func(t *rapid.T) { take(t, bytes) },
			"give": func(t *rapid.T) {
				name, buckets := client(t)
				n := amount.Draw(t, "n")
				k := kind(rapid.IntRange(0, int(kinds)-1).Draw(t, "kind"))
				b.give(k, name, int(n))
				buckets[k].add(billionths(n))
			},
			"pass": func(*rapid.T) {
				now = now.Add(time.Duration(rapid.OneOf(rapid.Int64Range(0, billion), rapid.Int64Range(0, 1e15)).Draw(t, "time")))
			},
			"set": func(t *rapid.T) {
				old := rates
				rates = drawRates(t)
				b.SetRates(rates)
				for _, buckets := range model {
					for k, m := range buckets {
						if m.pass(seen); old.pace(kind(k)) != rates.pace(kind(k)) {
							m.setRate(rates.pace(kind(k)).perSecond, rates.pace(kind(k)).burst)
						}
					}
				}
			},
		})
	})
}
