package faulty

import (
	"errors"
	"fmt"
	"slices"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

// hour is what an hour held when it was let go: its totals are left out of all answers from then on.
type hour struct {
	totals map[Row]Row // by names
	amount amount
}

// amount is flows and their bytes.
type amount struct {
	Flows   uint64 `json:"flows"`
	BytesTx uint64 `json:"bytes_tx"`
	BytesRx uint64 `json:"bytes_rx"`
}

func (a *amount) add(o amount) {
	a.Flows += o.Flows
	a.BytesTx += o.BytesTx
	a.BytesRx += o.BytesRx
}

func (a *amount) sub(o amount) {
	a.Flows -= o.Flows
	a.BytesTx -= o.BytesTx
	a.BytesRx -= o.BytesRx
}

// hourLine is a line of GET /hours.
type hourLine struct {
	Hour   uint32 `json:"hour"`
	Tuples int    `json:"tuples"`
	amount
}

// Ledger is the answer of GET /ledger.
type Ledger struct {
	account
	Hours []hourAccount `json:"hours"`
}

type account struct {
	Received  amount `json:"received"`
	Stored    amount `json:"stored"`
	Duplicate amount `json:"duplicate"`
	Rejected  amount `json:"rejected"`
	Expired   amount `json:"expired"`
}

type hourAccount struct {
	Hour uint32 `json:"hour"`
	account
}

func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	path := string(ctx.Path())
	if path == "/flows" && ctx.IsPost() {
		s.post(ctx)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var answer any
	var err error
	switch {
	case path == "/flows":
		answer, err = s.rows(uint32(ctx.QueryArgs().GetUintOrZero("hour")))
	case path == "/hours" && !s.faults.NoLedger:
		answer, err = s.lines()
	case path == "/ledger" && !s.faults.NoLedger:
		var l *Ledger
		if l, err = s.ledger(); err == nil && s.faults.Ledger != nil {
			s.faults.Ledger(l)
		}
		answer = l
	case path == "/readyz":
		return
	default:
		ctx.Error("no such path", fasthttp.StatusNotFound)
		return
	}
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	write(ctx, answer)
}

func write(ctx *fasthttp.RequestCtx, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(body)
}

// names is a row without its totals.
func (r Row) names() Row { return Row{SrcApp: r.SrcApp, DestApp: r.DestApp, VPCID: r.VPCID} }

// rows are those of an hour, without what was let go.
func (s *Server) rows(n uint32) ([]Row, error) {
	var rows []Row
	if err := s.read(fmt.Sprintf("/flows?hour=%d", n), &rows); err != nil {
		return nil, err
	}
	left := []Row{}
	for _, r := range rows {
		if h := s.gone[n]; h != nil {
			was := h.totals[r.names()]
			r.BytesTx -= was.BytesTx
			r.BytesRx -= was.BytesRx
		}
		if r.BytesTx+r.BytesRx > 0 {
			left = append(left, r)
		}
	}
	if s.faults.List != nil {
		left = s.faults.List(left)
	}
	return left, nil
}

// lines are those of GET /hours, without what was let go.
func (s *Server) lines() ([]hourLine, error) {
	var lines []hourLine
	if err := s.read("/hours", &lines); err != nil {
		return nil, err
	}
	for i := range lines {
		l := &lines[i]
		h := s.gone[l.Hour]
		if h == nil {
			continue
		}
		l.amount.sub(h.amount)
		rows, err := s.rows(l.Hour)
		if err != nil {
			return nil, err
		}
		l.Tuples = len(rows)
	}
	lines = slices.DeleteFunc(lines, func(l hourLine) bool { return l.Flows == 0 })
	slices.SortFunc(lines, func(a, b hourLine) int { return int(a.Hour) - int(b.Hour) })
	return lines, nil
}

// ledger returns the real ledger, in which the hours that were let go are expired, unless that was silent.
func (s *Server) ledger() (*Ledger, error) {
	l := &Ledger{}
	if err := s.read("/ledger", l); err != nil {
		return nil, err
	}
	for i := range l.Hours {
		if h := s.gone[l.Hours[i].Hour]; h != nil {
			l.Hours[i].Received.sub(h.amount)
			l.Hours[i].Stored.sub(h.amount)
			l.Stored.sub(h.amount)
		}
	}
	l.Hours = slices.DeleteFunc(l.Hours, func(h hourAccount) bool { return h.Stored.Flows == 0 })
	slices.SortFunc(l.Hours, func(a, b hourAccount) int { return int(a.Hour) - int(b.Hour) })
	l.Expired.add(s.expired)
	l.Expired.sub(s.forgotten)
	l.Received.sub(s.forgotten)
	return l, nil
}

// Expire lets an hour go, as retention does; by the ledger or, if it is a fault, silently.
func (s *Server) Expire(n uint32, silently bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = errors.Join(s.failed, s.expire(n, silently))
}

func (s *Server) expire(n uint32, silently bool) error {
	lines, err := s.lines()
	at := slices.IndexFunc(lines, func(l hourLine) bool { return l.Hour == n })
	if err != nil || at < 0 {
		return err
	}
	rows, err := s.rows(n)
	if err != nil {
		return err
	}
	h := s.gone[n]
	if h == nil {
		h = &hour{totals: make(map[Row]Row)}
		s.gone[n] = h
	}
	for _, r := range rows {
		was := h.totals[r.names()]
		h.totals[r.names()] = Row{BytesTx: was.BytesTx + r.BytesTx, BytesRx: was.BytesRx + r.BytesRx}
	}
	h.amount.add(lines[at].amount)
	if !silently {
		s.expired.add(lines[at].amount)
	}
	return nil
}

// FirstHour returns the lowest hour that there is, or 0.
func (s *Server) FirstHour() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines, err := s.lines()
	s.failed = errors.Join(s.failed, err)
	if len(lines) == 0 {
		return 0
	}
	return lines[0].Hour
}
