package manifest

import (
	"bytes"
	"fmt"
	"math/big"

	"github.com/goccy/go-json"

	"flowd/block"
	"flowd/clock"
	"flowd/flow"
)

// manifestForm is a Manifest as JSON. It is apart from Manifest so that a field can be renamed in one
// without the other.
type manifestForm struct {
	Generation uint64      `json:"generation"`
	Written    int64       `json:"written_ms"`
	Clock      *clockForm  `json:"clock,omitempty"`
	Until      int64       `json:"records_until_ms,omitempty"`
	Log        Position    `json:"log"`
	Windows    *partForm   `json:"windows,omitempty"`
	Ledger     accountForm `json:"ledger"`
	Expired    []rangeForm `json:"expired,omitempty"`
	Hours      []hourForm  `json:"hours,omitempty"`
}

type clockForm struct {
	Time    int64     `json:"time_ms"`
	Wall    int64     `json:"wall_ms"`
	Ran     int64     `json:"ran_ms"`
	Counted int64     `json:"counted_ms"`
	Behind  int64     `json:"behind_ms"`
	Gaps    []gapForm `json:"gaps,omitempty"`
	Undone  []gapForm `json:"undone,omitempty"`
	Stood   int64     `json:"stood_ms,omitempty"`
	BackAt  int64     `json:"back_at_ms"`
	Steady  int64     `json:"steady_ms"`
}

type gapForm struct {
	At     int64 `json:"at_ms"`
	Length int64 `json:"length_ms"`
	Steady int64 `json:"steady_ms"`
	Short  bool  `json:"short"`
}

type rangeForm struct {
	From flow.Hour `json:"from"`
	To   flow.Hour `json:"to"`
}

// marshal returns f with each hour on a line of its own, since there may be ten thousand of them.
func (f *manifestForm) marshal() ([]byte, error) {
	head := *f
	head.Hours = nil
	text, err := json.MarshalIndent(&head, "", "  ")
	if err != nil || len(f.Hours) == 0 {
		return append(text, '\n'), err
	}
	text = append(bytes.TrimSuffix(text, []byte("\n}")), ",\n  \"hours\": ["...)
	for i := range f.Hours {
		line, err := json.Marshal(&f.Hours[i])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(text, "\n    "...), line...)
	}
	return append(text, "\n  ]\n}\n"...), nil
}

// compact returns text without the white space that marshal put into it.
func compact(text json.RawMessage) json.RawMessage {
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return nil
	}
	return out.Bytes()
}

type partForm struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	CRC  uint32 `json:"crc32c"`
}

type fileForm struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	CRC    uint32 `json:"crc32c"`
	Footer uint32 `json:"footer_crc32c"`
	Rows   uint64 `json:"rows"`
}

type hourForm struct {
	Hour      flow.Hour   `json:"hour"`
	Account   accountForm `json:"account"`
	Tuples    uint64      `json:"tuples"`
	LastWrite int64       `json:"last_write_ms"`
	Slack     int64       `json:"slack_ms,omitempty"`
	Gaps      int64       `json:"gaps_ms,omitempty"`
	Saturated uint64      `json:"saturated"`
	OpenedBy  string      `json:"opened_by,omitempty"`
	Live      bool        `json:"live,omitempty"`
	Before    bool        `json:"expired_before,omitempty"`
	Block     *fileForm   `json:"block,omitempty"`
}

type accountForm struct {
	Received  tallyForm `json:"received"`
	Stored    tallyForm `json:"stored"`
	Duplicate tallyForm `json:"duplicate"`
	Rejected  tallyForm `json:"rejected"`
	Expired   tallyForm `json:"expired"`
	// Folded is left out where nothing was.
	Folded *tallyForm `json:"folded,omitempty"`
}

type tallyForm struct {
	Flows   uint64  `json:"flows"`
	BytesTx sumForm `json:"bytes_tx"`
	BytesRx sumForm `json:"bytes_rx"`
}

// sumForm is a whole number from 0 to 2^128-1, written out, which JSON allows, and readers that keep
// numbers as doubles round.
type sumForm flow.Sum

// MarshalJSON writes s in decimal.
func (s sumForm) MarshalJSON() ([]byte, error) { return []byte(flow.Sum(s).String()), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *sumForm) UnmarshalJSON(text []byte) error {
	const most = len("340282366920938463463374607431768211455")
	var n big.Int
	if len(text) > most {
		return fmt.Errorf("%d digits, more than %d", len(text), most)
	}
	if _, ok := n.SetString(string(text), 10); !ok || n.Sign() < 0 || n.BitLen() > 128 || n.String() != string(text) {
		return fmt.Errorf("%q is not a whole number below 2^128", text)
	}
	low := new(big.Int).And(&n, new(big.Int).SetUint64(1<<64-1))
	*s = sumForm{Hi: n.Rsh(&n, 64).Uint64(), Lo: low.Uint64()}
	return nil
}

func formOf(m *Manifest) manifestForm {
	form := manifestForm{
		Generation: m.Generation,
		Written:    m.Written,
		Until:      m.RecordsUntil,
		Log:        m.Log,
		Ledger:     accountFormOf(&m.Ledger),
		Hours:      make([]hourForm, len(m.Hours)),
	}
	if m.Windows != nil {
		windows := partForm(*m.Windows)
		form.Windows = &windows
	}
	if m.Clock != nil {
		form.Clock = clockFormOf(m.Clock)
	}
	for _, r := range m.Expired {
		form.Expired = append(form.Expired, rangeForm(r))
	}
	for i := range m.Hours {
		e := &m.Hours[i]
		form.Hours[i] = hourForm{
			Hour: e.Hour, Account: accountFormOf(&e.Account), Tuples: e.Tuples, LastWrite: e.LastWrite, Saturated: e.Saturated,
			Slack: e.Slack, Gaps: e.Gaps, OpenedBy: e.OpenedBy, Live: e.Live, Before: e.ExpiredBefore,
		}
		if e.Block != (block.File{}) {
			file := fileForm(e.Block)
			form.Hours[i].Block = &file
		}
	}
	return form
}

func (f *manifestForm) manifest() *Manifest {
	m := &Manifest{
		Generation: f.Generation,
		Written:    f.Written,

		RecordsUntil: f.Until,
		Log:          compact(f.Log),
		Ledger:       f.Ledger.account(),
		Hours:        make([]Hour, len(f.Hours)),
	}
	if f.Windows != nil {
		windows := block.Part(*f.Windows)
		m.Windows = &windows
	}
	if f.Clock != nil {
		m.Clock = f.Clock.state()
	}
	for _, r := range f.Expired {
		m.Expired = append(m.Expired, HourRange(r))
	}
	for i := range f.Hours {
		h := &f.Hours[i]
		m.Hours[i] = Hour{
			Hour: h.Hour, Account: h.Account.account(), Tuples: h.Tuples, LastWrite: h.LastWrite, Saturated: h.Saturated,
			Slack: h.Slack, Gaps: h.Gaps, OpenedBy: h.OpenedBy, Live: h.Live, ExpiredBefore: h.Before,
		}
		if h.Block != nil {
			m.Hours[i].Block = block.File(*h.Block)
		}
	}
	return m
}

func clockFormOf(s *clock.State) *clockForm {
	form := &clockForm{Time: s.Time, Wall: s.Wall, Ran: s.Ran, Counted: s.Counted, Behind: s.Behind}
	form.Stood, form.BackAt, form.Steady = s.Stood, s.BackAt, s.Steady
	for _, g := range s.Gaps {
		form.Gaps = append(form.Gaps, gapForm(g))
	}
	for _, g := range s.Undone {
		form.Undone = append(form.Undone, gapForm(g))
	}
	return form
}

func (f *clockForm) state() *clock.State {
	s := &clock.State{Time: f.Time, Wall: f.Wall, Ran: f.Ran, Counted: f.Counted, Behind: f.Behind}
	s.Stood, s.BackAt, s.Steady = f.Stood, f.BackAt, f.Steady
	for _, g := range f.Gaps {
		s.Gaps = append(s.Gaps, clock.Gap(g))
	}
	for _, g := range f.Undone {
		s.Undone = append(s.Undone, clock.Gap(g))
	}
	return s
}

func accountFormOf(a *flow.Account) accountForm {
	form := accountForm{
		Received: tallyFormOf(a.Received), Stored: tallyFormOf(a.Stored), Duplicate: tallyFormOf(a.Duplicate),
		Rejected: tallyFormOf(a.Rejected), Expired: tallyFormOf(a.Expired),
	}
	if a.Folded != (flow.Tally{}) {
		folded := tallyFormOf(a.Folded)
		form.Folded = &folded
	}
	return form
}

func tallyFormOf(t flow.Tally) tallyForm {
	return tallyForm{t.Flows, sumForm(t.BytesTx), sumForm(t.BytesRx)}
}

func (f *accountForm) account() flow.Account {
	a := flow.Account{
		Received: f.Received.tally(), Stored: f.Stored.tally(), Duplicate: f.Duplicate.tally(),
		Rejected: f.Rejected.tally(), Expired: f.Expired.tally(),
	}
	if f.Folded != nil {
		a.Folded = f.Folded.tally()
	}
	return a
}

func (f *tallyForm) tally() flow.Tally {
	return flow.Tally{Flows: f.Flows, BytesTx: flow.Sum(f.BytesTx), BytesRx: flow.Sum(f.BytesRx)}
}
