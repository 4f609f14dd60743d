package flow

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func big2(s Sum) *big.Int {
	n := new(big.Int).SetUint64(s.Hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(s.Lo))
}

// TestSum holds Sum to math/big.
func TestSum(t *testing.T) {
	number := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, math.MaxUint64, 1 << 63}))
	rapid.Check(t, func(t *rapid.T) {
		a := Sum{number.Draw(t, "hi") >> 1, number.Draw(t, "lo")}
		b := Sum{number.Draw(t, "other hi") >> 1, number.Draw(t, "other lo")}
		n := number.Draw(t, "n")
		sum := a
		sum.AddSum(b)
		if want := new(big.Int).Add(big2(a), big2(b)); big2(sum).Cmp(want) != 0 || sum.String() != want.String() {
			t.Fatalf("%v and %v are %v, not %v", a, b, sum, want)
		}
		if sum.Sub(b); sum != a {
			t.Fatalf("%v, when %v was added and taken away, is %v", a, b, sum)
		}
		sum.Add(n)
		if want := new(big.Int).Add(big2(a), new(big.Int).SetUint64(n)); big2(sum).Cmp(want) != 0 {
			t.Fatalf("%v and %d are %v, not %v", a, n, sum, want)
		}
	})
}

func TestTallyAddsUp(t *testing.T) {
	var one, all Tally
	one.AddFlow(Totals{math.MaxUint64, 1})
	one.AddFlow(Totals{1, 2})
	if want := (Tally{2, Sum{Hi: 1}, Sum{Lo: 3}}); one != want {
		t.Fatalf("%+v, not %+v", one, want)
	}
	all.Add(one)
	all.Add(one)
	if want := (Tally{4, Sum{Hi: 2}, Sum{Lo: 6}}); all != want {
		t.Fatalf("%+v, not %+v", all, want)
	}
	if all.Sub(one); all != one {
		t.Fatalf("%+v, not %+v", all, one)
	}
}

func TestStatusReady(t *testing.T) {
	for _, tt := range []struct {
		status Status
		want   bool
	}{
		{Status{}, true},
		{Status{Detail: "all is well"}, true},
		{Status{Reasons: []string{"recovering"}}, false},
		{Status{Reasons: []string{"disk-full"}, ReadOnly: true}, false},
	} {
		if got := tt.status.Ready(); got != tt.want {
			t.Errorf("%+v: ready is %v", tt.status, got)
		}
	}
}
