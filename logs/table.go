package logs

import (
	"cmp"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// budget bounds the lines of a level.
type budget struct {
	level slog.Level
	// first is the number of lines of a kind that are written in a window.
	first int
	// burst is the number of lines of all kinds that may be written in a row, and perSecond the number that
	// each second adds. Half of the burst is reserved for the first lines of kinds.
	burst, perSecond int
	// kinds is the number of kinds that get their own summary at the end of a window: those with the most
	// lines. groups is the number of summaries of the rest, without their clients. One more summary covers
	// all others.
	kinds, groups int
}

// levels is the number of levels that have a budget.
const levels = 4

// Within a second a level may write its burst, the addition of that second, and, since windows are longer
// than a second, the summaries of one window: all levels together 98 lines.
var budgets = [levels]budget{
	{level: slog.LevelDebug, first: 10, burst: 20, perSecond: 4, kinds: 5, groups: 4},
	{level: slog.LevelInfo, first: 3, burst: 5, perSecond: 1, kinds: 1, groups: 1},
	{level: slog.LevelWarn, first: 5, burst: 20, perSecond: 2, kinds: 8, groups: 7},
	{level: slog.LevelError, first: 5, burst: 10, perSecond: 1, kinds: 3, groups: 2},
}

// indexOf returns the index of the budget of a level: that of the highest level that is not above it.
func indexOf(level slog.Level) int {
	for i := levels - 1; i > 0; i-- {
		if level >= budgets[i].level {
			return i
		}
	}
	return 0
}

// table counts the lines of a level within a window.
type table struct {
	budget budget
	rate   *rate.Limiter
	kinds  map[key]*tally // at most maxKinds and maxGroups
	rest   tally          // of kinds that came after both limits were reached
}

func (t *table) init(b budget) {
	t.budget = b
	t.rate = rate.NewLimiter(rate.Limit(b.perSecond), b.burst)
}

// passes counts a line, and reports whether it must be written.
func (t *table) passes(k Kind, now time.Time) bool {
	c, b := t.tally(k), t.budget
	c.seen++
	spare := 0
	if c.seen > 1 {
		spare = b.burst / 2
	}
	if c.seen <= b.first && t.rate.TokensAt(now) >= float64(1+spare) && t.rate.AllowN(now, 1) {
		return true
	}
	c.more++
	return false
}

// tally returns the tally that counts lines of k.
func (t *table) tally(k Kind) *tally {
	c, known := t.kinds[key{Kind: k}]
	if known {
		return c
	}
	if t.kinds == nil {
		t.kinds = make(map[key]*tally)
	}
	at := key{Kind: k}
	if len(t.kinds) >= maxKinds {
		at.Client, at.others = "", true
		if c, known = t.kinds[at]; known {
			return c
		}
		if len(t.kinds) >= maxKinds+maxGroups {
			return &t.rest
		}
	}
	c = new(tally)
	t.kinds[at] = c
	return c
}

// summary is a line that summarises others.
type summary struct {
	message string
	attrs   []slog.Attr
}

// sum is the content of a summary: suppressed lines of a kind, or of all kinds that differ only by their
// client.
type sum struct {
	kind    Kind
	more    uint64
	clients int // at least this number; 0 for a single kind, or without clients
}

// end returns the summaries of a window of this length, and begins a new window.
func (t *table) end(took time.Duration) []summary {
	alone, apart := t.ranked()
	var lines []summary
	line := func(message string, more uint64, attrs ...slog.Attr) {
		lines = append(lines, summary{message, append(attrs, slog.Uint64("more", more),
			slog.Float64("seconds", math.Round(took.Seconds()*1e3)/1e3))})
	}
	for _, s := range alone {
		line(s.kind.Message+", more of the same", s.more, s.kind.attrs()...)
	}
	rest, kinds := t.rest.more, 0
	for i, s := range apart {
		if i >= t.budget.groups {
			rest += s.more
			kinds++
			continue
		}
		attrs := s.kind.attrs()
		if s.clients > 0 {
			attrs = append(attrs, slog.Int("clients", s.clients))
		}
		line(s.kind.Message+", more of the same", s.more, attrs...)
	}
	if rest > 0 {
		line("more lines of other kinds", rest, slog.Int("kinds", max(kinds, 1)))
	}
	t.kinds, t.rest = nil, tally{} // a map never shrinks
	return lines
}

// ranked returns the suppressed lines: by kind for the kinds with the most lines, and without clients for
// the others. Each list begins with the most lines.
func (t *table) ranked() (alone, grouped []sum) {
	groups := map[Kind]sum{}
	group := func(k Kind, more uint64, clients int) {
		k.Client = ""
		g := groups[k]
		groups[k] = sum{k, g.more + more, g.clients + clients}
	}
	for k, c := range t.kinds {
		switch {
		case c.more == 0:
		case k.others:
			group(k.Kind, c.more, 1)
		default:
			alone = append(alone, sum{kind: k.Kind, more: c.more})
		}
	}
	slices.SortFunc(alone, most)
	if n := t.budget.kinds; len(alone) > n {
		for _, s := range alone[n:] {
			group(s.kind, s.more, min(len(s.kind.Client), 1))
		}
		alone = alone[:n]
	}
	for _, g := range groups {
		grouped = append(grouped, g)
	}
	slices.SortFunc(grouped, most)
	return alone, grouped
}

// most compares by the number of lines, the most first, and then by kind.
func most(a, b sum) int {
	return cmp.Or(cmp.Compare(b.more, a.more), strings.Compare(a.kind.Message, b.kind.Message),
		cmp.Compare(a.kind.Status, b.kind.Status), strings.Compare(a.kind.Reason, b.kind.Reason),
		strings.Compare(a.kind.Client, b.kind.Client))
}
