package demo

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowd/flow"
)

// lastHour is a Tuesday, so that the demo has a weekend's end and a working day.
const lastHour = 482_967

// names are the names of a flow's tuple.
type names struct{ src, dest, vpc string }

// sums adds up flows by tuple.
func sums(flows []flow.Flow) map[names]flow.Totals {
	all := make(map[names]flow.Totals)
	for _, f := range flows {
		n := names{f.SrcApp, f.DestApp, f.VPCID}
		totals := all[n]
		totals.BytesTx += f.BytesTx
		totals.BytesRx += f.BytesRx
		all[n] = totals
	}
	return all
}

// bytesOf adds up both ways of the flows that keep says.
func bytesOf(flows []flow.Flow, keep func(*flow.Flow) bool) (bytes float64) {
	for i := range flows {
		if keep(&flows[i]) {
			bytes += float64(flows[i].BytesTx) + float64(flows[i].BytesRx)
		}
	}
	return bytes
}

func all(*flow.Flow) bool { return true }

// of keeps flows of an app, at either end.
func of(app string) func(*flow.Flow) bool {
	return func(f *flow.Flow) bool { return f.SrcApp == app || f.DestApp == app }
}

func TestSameSeedSameFlows(t *testing.T) {
	one, same, other := New(Options{1, lastHour}), New(Options{1, lastHour}), New(Options{2, lastHour})
	for h := one.FirstHour(); h <= one.LastHour; h += 7 {
		want := one.Flows(nil, h)
		if !slices.Equal(want, same.Flows(nil, h)) {
			t.Errorf("hour %d is not the same again", h)
		}
		if slices.Equal(want, other.Flows(nil, h)) {
			t.Errorf("hour %d is the same with another seed", h)
		}
	}
}

// A later demo is an earlier one with more hours, but for the incident.
func TestHoursBesideTheIncidentStay(t *testing.T) {
	before, after := New(Options{1, lastHour}), New(Options{1, lastHour + 1})
	for h := after.FirstHour(); h <= before.LastHour; h++ {
		// The hour in which one has begun and the other has not, and the last one of the surge.
		differ := h == before.Incident() || h == after.Incident()+SurgeHours-1
		if same := slices.Equal(before.Flows(nil, h), after.Flows(nil, h)); same == differ {
			t.Errorf("hour %d, %d after the incident: same %v", h, int(h)-int(before.Incident()), same)
		}
	}
}

func TestShape(t *testing.T) {
	for seed := range uint64(2) {
		traffic := New(Options{seed, lastHour})
		apps, vpcs, pairs, flows := map[string]bool{}, map[string]bool{}, map[names]bool{}, 0
		for h := traffic.FirstHour(); h <= traffic.LastHour; h++ {
			hour := traffic.Flows(nil, h)
			for _, f := range hour {
				apps[f.SrcApp], vpcs[f.VPCID], pairs[names{src: f.SrcApp, dest: f.DestApp}] = true, true, true
				if f.Hour != h || f.SrcApp == f.DestApp || f.BytesTx > 1e13 || f.BytesRx > 1e13 {
					t.Fatalf("seed %d: a flow of hour %d is %+v", seed, h, f)
				}
			}
			flows += len(hour)
			if h%7 != 0 {
				continue
			}
			if tuples := len(sums(hour)); tuples < 3000 || tuples > 6500 {
				t.Errorf("seed %d: hour %d has %d tuples", seed, h, tuples)
			}
		}
		if len(apps) != 200 || len(vpcs) != 3 || flows < 300_000 || flows > 700_000 {
			t.Errorf("seed %d: %d apps, %d VPCs, %d flows", seed, len(apps), len(vpcs), flows)
		}
		if share := float64(len(pairs)) / (200 * 199); share > 0.1 {
			t.Errorf("seed %d: %.2f of all apps talk to each other", seed, share)
		}
	}
}

func TestRhythm(t *testing.T) {
	traffic := New(Options{1, lastHour})
	// A Tuesday and a Sunday in the VPC whose clocks are one hour ahead.
	tuesday := flow.Hour(lastHour) / 24 * 24
	if day := time.Unix(int64(tuesday)*3600, 0).UTC().Weekday(); day != time.Tuesday {
		t.Fatalf("hour %d is on a %v", tuesday, day)
	}
	at := func(h flow.Hour, src string) float64 {
		return bytesOf(traffic.Flows(nil, h), func(f *flow.Flow) bool {
			return f.VPCID == "vpc-prod-eu" && strings.HasSuffix(f.SrcApp, src)
		})
	}
	for _, c := range []struct {
		what        string
		more, less  float64
		least, most float64
	}{
		{"by day and at night", at(tuesday+15, "-api"), at(tuesday+3, "-api"), 2.5, 8},
		{"on a Tuesday and on a Sunday", at(tuesday+15, "-api"), at(tuesday-2*24+15, "-api"), 1.2, 2.2},
		{"backups at night and by day", at(tuesday+1, "backup-agent"), at(tuesday+15, "backup-agent"), 20, math.Inf(1)},
		{"metrics at night and by day", at(tuesday+3, "prometheus"), at(tuesday+15, "prometheus"), 0.7, 1.4},
	} {
		if ratio := c.more / c.less; !(ratio >= c.least && ratio <= c.most) {
			t.Errorf("%s: %.3g and %.3g bytes, %.2f times as much", c.what, c.more, c.less, ratio)
		}
	}
}

func TestIncident(t *testing.T) {
	with, without := New(Options{1, lastHour}), New(Options{1, lastHour + 1000})
	surging := func(f *flow.Flow) bool { return of(SurgingApp)(f) && !of(NewApp)(f) && !of(SilentApp)(f) }
	others := func(f *flow.Flow) bool { return !of(SurgingApp)(f) && !of(NewApp)(f) && !of(SilentApp)(f) }
	for h := with.Incident() - 3; h <= with.LastHour; h++ {
		flows, usual := with.Flows(nil, h), without.Flows(nil, h)
		began := h >= with.Incident()
		factor := 1.0
		if began && h < with.Incident()+SurgeHours {
			factor = SurgeFactor
		}
		if ratio := bytesOf(flows, surging) / bytesOf(usual, surging); math.Abs(ratio/factor-1) > 0.001 {
			t.Errorf("hour %d: %s has %.3f times its traffic, want %v", h, SurgingApp, ratio, factor)
		}
		if is, was := bytesOf(flows, others), bytesOf(usual, others); is != was {
			t.Errorf("hour %d: all others have %v bytes, without the incident %v", h, is, was)
		}
		if silent := bytesOf(flows, of(SilentApp)) == 0; silent != began {
			t.Errorf("hour %d: %s is silent: %v", h, SilentApp, silent)
		}
		if there := bytesOf(flows, of(NewApp)) > 0; there != began {
			t.Errorf("hour %d: %s is there: %v", h, NewApp, there)
		}
	}
}

// Both ends report a talk, and most of them agree nearly.
func TestEndsDisagree(t *testing.T) {
	totals := sums(New(Options{1, lastHour}).Flows(nil, lastHour))
	var lone, near, far int
	for n, sent := range totals {
		received, both := totals[names{n.dest, n.src, n.vpc}]
		switch loss := 1 - float64(received.BytesRx)/float64(sent.BytesTx); {
		case !both:
			lone++
		case math.Abs(loss) < 0.004:
			near++
		default:
			far++
		}
	}
	of := func(n int) float64 { return float64(n) / float64(len(totals)) }
	if of(near) < 0.9 || of(far) < 0.01 || of(far) > 0.06 || of(lone) < 0.004 || of(lone) > 0.04 {
		t.Errorf("of %d tuples %d have one end alone, %d nearly agree, %d do not", len(totals), lone, near, far)
	}
}

func TestPartsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Uint64Max(1<<50).Draw(t, "total")
		n, offset := rapid.IntRange(1, 3).Draw(t, "n"), rapid.IntRange(0, 999).Draw(t, "offset")
		sum := uint64(0)
		for i := range n {
			sum += part(total, i, n, offset)
		}
		if sum != total {
			t.Fatalf("%d parts of %d add up to %d", n, total, sum)
		}
	})
}

// Live traffic comes at its rate, and by the end of the hour is what the hour is.
func TestLive(t *testing.T) {
	const rate = 50
	traffic := New(Options{1, lastHour})
	live, again := traffic.Live(rate), traffic.Live(rate)
	var flows []flow.Flow
	least, most := math.MaxInt, 0
	for range time.Hour / time.Minute {
		minute := len(flows)
		for range time.Minute / Tick {
			before := len(flows)
			flows = live.Next(flows, lastHour)
			if !slices.Equal(flows[before:], again.Next(nil, lastHour)) {
				t.Fatal("it is not the same again")
			}
			n := len(flows) - before
			least, most = min(least, n), max(most, n)
		}
		if n := len(flows) - minute; n < 60*rate*9/10 || n > 60*rate*11/10 {
			t.Errorf("%d flows in a minute, want about %d", n, 60*rate)
		}
	}
	if least > 7 || most < 13 {
		t.Errorf("there are %d to %d flows in each tick: no waves", least, most)
	}
	if ratio := bytesOf(flows, all) / bytesOf(traffic.Flows(nil, lastHour), all); ratio < 0.8 || ratio > 1.2 {
		t.Errorf("it adds up to %.2f times the hour", ratio)
	}
	if next := live.Next(nil, lastHour+1); len(next) == 0 || next[0].Hour != lastHour+1 {
		t.Errorf("the next hour begins with %+v", next)
	}
}
