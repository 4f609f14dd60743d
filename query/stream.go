package query

import "flowd/flow"

// stream implements flow.Rows over the matching rows, hour by hour in the order in which they are found. It
// holds one chunk at a time.
type stream struct {
	pass     *pass
	selector *selector
	labels   []flow.Hour
	hour     flow.Hour
	scans    []flow.Scan
	chunk    flow.Chunk
	rows     []uint32 // rows of chunk that Next has not returned yet
	err      error
}

func newStream(src Source, q *Query, o Options, labels []flow.Hour) *stream {
	return &stream{
		pass:     newPass(src, q.Match, flow.ScanOptions{Names: flow.AllFields, Whole: true}, o),
		selector: newSelector(q.Match), labels: labels,
	}
}

// Next implements flow.Rows.
func (s *stream) Next(dst []flow.Row) (n int) {
	for n < len(dst) {
		if len(s.rows) == 0 {
			if !s.advance() {
				return n
			}
			continue
		}
		some := s.rows[:min(len(s.rows), len(dst)-n)]
		for _, i := range some {
			row := &dst[n]
			row.Totals, row.Hour = s.chunk.Totals[i], s.hour
			if s.chunk.Keys != nil {
				row.Key = s.chunk.Keys[i]
			} else if row.Key = s.scans[0].Key(int(i)); row.Key == nil {
				s.fail(&HourError{s.hour, s.scans[0].Err()})
				return n
			}
			n++
		}
		s.rows = s.rows[len(some):]
	}
	return n
}

// advance reads the next chunk, of this scan or the next one that has a chunk. It returns false at the end.
func (s *stream) advance() bool {
	for s.err == nil {
		switch {
		case len(s.scans) > 0 && s.scans[0].Next(&s.chunk):
			s.chooseRows()
			return s.err == nil
		case len(s.scans) > 0:
			err := s.scans[0].Err()
			s.scans[0].Close()
			if s.scans = s.scans[1:]; err != nil {
				s.fail(&HourError{s.hour, err})
			}
			s.selector.group = 0
		case len(s.labels) > 0:
			s.hour = s.labels[0]
			s.labels = s.labels[1:]
			scans, err := s.pass.open(s.hour)
			if err != nil {
				s.fail(err)
			}
			s.scans = scans
		default:
			return false
		}
	}
	return false
}

// chooseRows selects the matching rows of the chunk. If there are none, nothing is written, so it checks
// whether the client still waits; otherwise the write shows it.
func (s *stream) chooseRows() {
	s.rows = s.selector.choose(&s.chunk)
	if len(s.rows) == 0 && s.pass.gone != nil && s.pass.gone() {
		s.fail(ErrGone)
	}
}

func (s *stream) fail(err error) {
	s.err = err
	s.rows = nil
}

// Err implements flow.Rows.
func (s *stream) Err() error { return s.err }

// Close implements flow.Rows.
func (s *stream) Close() {
	closeAll(s.scans)
	s.scans, s.labels, s.rows = nil, nil, nil
}
