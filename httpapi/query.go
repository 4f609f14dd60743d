package httpapi

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"flowd/flow"
)

// getFlows answers the rows of one hour.
func (s *Server) getFlows(ctx *fasthttp.RequestCtx) {
	hour, p := parseQuery(ctx.URI().QueryString())
	if p != nil {
		s.refuse(ctx, p)
		return
	}
	a := s.openAnswer()
	if a == nil {
		s.refuse(ctx, s.tooManyQueries())
		return
	}
	defer a.abandon()
	rows, err := s.engine.Rows(hour)
	if err != nil {
		s.refuse(ctx, rowsProblem(err, hour))
		return
	}
	a.rows.cursor = rows
	if err := a.send(ctx, &a.rows); err != nil {
		s.refuse(ctx, rowsProblem(err, hour))
	}
}

// getHours answers what hours there are.
func (s *Server) getHours(ctx *fasthttp.RequestCtx) {
	s.answerWhole(ctx, func() (source, error) {
		hours, err := s.engine.Hours()
		return &hourSource{hours: hours}, err
	})
}

// getLedger answers the account of all flows.
func (s *Server) getLedger(ctx *fasthttp.RequestCtx) {
	s.answerWhole(ctx, func() (source, error) {
		ledger, err := s.engine.Ledger()
		return &ledgerSource{ledger: ledger}, err
	})
}

// answerWhole answers a question without parameters by what ask returns.
func (s *Server) answerWhole(ctx *fasthttp.RequestCtx, ask func() (source, error)) {
	if p := noParameters(ctx.URI().QueryString()); p != nil {
		s.refuse(ctx, p)
		return
	}
	a := s.openAnswer()
	if a == nil {
		s.refuse(ctx, s.tooManyQueries())
		return
	}
	defer a.abandon()
	src, err := ask()
	if err == nil {
		err = a.send(ctx, src)
	}
	if err != nil {
		s.refuse(ctx, engineProblem(err, ""))
	}
}

func (s *Server) tooManyQueries() *problem {
	return overloaded(reasonQueries, fmt.Sprintf("%d answers are being written already; ask again later, "+
		"or raise max-queries.", s.limits.Queries))
}

// parseQuery reads the query of GET /flows. A parameter that it does not know is an error: to
// ignore one would answer another question than was asked.
func parseQuery(query []byte) (hour flow.Hour, p *problem) {
	seen := false
	p = eachParameter(query, func(name, value string) *problem {
		switch {
		case name != "hour":
			return badParameter(name, `is not known; the hour is asked for with "hour"`)
		case seen:
			return badParameter(name, "is given more than once")
		}
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return badParameter(name, fmt.Sprintf("must be a whole number from 0 to %d", flow.MaxHour))
		}
		hour, seen = flow.Hour(n), true
		return nil
	})
	switch {
	case p != nil:
		return 0, p
	case !seen:
		return 0, badParameter("hour", "is missing; ask for an hour as in /flows?hour=1")
	}
	return hour, nil
}

// noParameters refuses any parameter.
func noParameters(query []byte) *problem {
	return eachParameter(query, func(name, _ string) *problem {
		return badParameter(name, "is not known; this path takes none")
	})
}

// eachParameter calls take with the parameters of a query in their order, until one is a
// problem. It leaves none out, as fasthttp's own parser does with "=".
func eachParameter(query []byte, take func(name, value string) *problem) *problem {
	for pair := range strings.SplitSeq(string(query), "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return badParameter(rawName, "is not well-formed: two hex digits must follow each %")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return badParameter(name, "is not well-formed: two hex digits must follow each %")
		}
		if p := take(name, value); p != nil {
			return p
		}
	}
	return nil
}

// maxQuoted is how much of a parameter's name an answer repeats.
const maxQuoted = 64

func badParameter(name, wrong string) *problem {
	quoted := strings.ToValidUTF8(name[:min(len(name), maxQuoted)], "\ufffd")
	return &problem{
		status: fasthttp.StatusBadRequest, reason: reasonParameter,
		detail: fmt.Sprintf("The parameter %q %s.", quoted, wrong),
	}
}

// rowsAtOnce is how many rows are taken from the engine in one go.
const rowsAtOnce = 64

// rowSource encodes the rows of GET /flows.
type rowSource struct {
	cursor flow.Rows
	rows   [rowsAtOnce]flow.Row
	at, n  int // rows[at:n] are not yet encoded
	comma  bool
}

func (r *rowSource) begin(dst []byte) []byte { return append(dst, '[') }

func (r *rowSource) next(dst []byte, full int) ([]byte, bool, error) {
	for {
		if r.at == r.n {
			if r.at, r.n = 0, r.cursor.Next(r.rows[:]); r.n == 0 {
				return dst, false, r.cursor.Err()
			}
		}
		if len(dst) >= full {
			return dst, true, nil
		}
		if r.comma {
			dst = append(dst, ',')
		}
		r.comma = true
		dst = r.rows[r.at].AppendJSON(dst)
		r.at++
	}
}

func (r *rowSource) end() string { return "]" }

func (r *rowSource) close() { r.cursor.Close() }
