// Package query is flowd query: the reads of the HTTP API from a shell, as tables or as the server writes them.
package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Process holds the parts of the process that a command uses.
type Process struct {
	Ctx            context.Context // an interrupt ends it
	Stdout, Stderr io.Writer
}

// Command is "flowd query": the reads of the HTTP API from a shell.
//
//	flags ── question ── client ──┬── copied as it comes: json, ndjson, csv
//	                              └── listing ── table
type Command struct {
	flags
	Flows  flowsQuery  `cmd:"" default:"withargs" help:"Bytes of tuples or groups of them, in an hour or a range (flows may be left out)."`
	Diff   diffQuery   `cmd:"" help:"What changed from one hour or range, a, to another, b."`
	Pairs  pairsQuery  `cmd:"" help:"What both ends of conversations reported, and how far they disagree."`
	Names  namesQuery  `cmd:"" help:"Names of apps or VPCs that begin with a prefix."`
	Hours  hoursQuery  `cmd:"" help:"What hours there are."`
	Ledger ledgerQuery `cmd:"" help:"The account of all flows: received = stored + duplicate + rejected + expired."`
}

// Help returns the text of --help after the flags.
func (*Command) Help() string {
	return `The flags are the parameters of the HTTP API. An hour may also be latest, the newest one that the server has, or
latest-N, N hours before that. Without hours, flows and pairs are of the latest one, and diff compares latest-1 with it.

On a terminal the answer is a table, and otherwise NDJSON, a row per line, or JSON where there are no rows. A table has
the 100 first rows unless --limit says otherwise (with --watch those that fit), of flows those with most bytes, and
bytes in units of 1024: 1.5K, 15M, 150G. Hours of 100,000 and more are shown as times.

  flowd query --group-by src_app --from latest-23          (flowd query flows --help lists the flags)
  flowd query diff --a latest-24 --b latest --src-app 'checkout*'
  flowd query --hour 482659 --format csv > flows.csv
  flowd query pairs --watch 2s

With --watch an interrupt ends it with exit code 0, also while the server is away, which is waited for once it has
answered. On a terminal the table is drawn anew each time; elsewhere an empty line parts the answers.

Exit codes: 0 the whole answer was written, 1 it was not, 2 wrong usage.`
}

// AfterApply is called by kong before the AfterApply methods of the subcommands.
func (c *Command) AfterApply(ctx *kong.Context) error {
	ctx.Bind(&c.flags)
	return c.check()
}

// flags are the flags common to all questions.
type flags struct {
	Server    string        `default:"http://127.0.0.1:8080" env:"FLOWD_SERVER" placeholder:"URL" help:"The server ($$FLOWD_SERVER, or http://127.0.0.1:8080)."`
	Token     string        `placeholder:"TOKEN" help:"What it knows this client by ($$FLOWD_TOKEN). As a flag it is in the list of processes (ps), for all users of the machine to see: better is --token-file."`
	TokenFile string        `placeholder:"FILE" help:"File that has the token on its first line ($$FLOWD_TOKEN_FILE)."`
	Format    string        `default:"auto" enum:"auto,table,json,ndjson,csv" placeholder:"FORMAT" help:"How the answer is written: table, json, ndjson or csv."`
	Raw       bool          `help:"Bytes as plain numbers in a table."`
	Watch     time.Duration `placeholder:"INTERVAL" help:"Ask again and again, with the changes since the last answer, until interrupted."`
	Timeout   time.Duration `default:"30s" help:"How long the server may be silent."`
}

// leastWatch keeps a typing error from becoming a load on the server.
const leastWatch = 100 * time.Millisecond

// check returns the first problem of the flags.
func (f *flags) check() error {
	u, err := url.Parse(f.Server)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		// The error does not quote a malformed URL, which may contain a password.
		return errors.New("--server: must look like http://host:port or https://host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("--server: %s must have no user, no ? and no #; for a token there is --token-file", u.Redacted())
	case f.Token != "" && f.TokenFile != "":
		return errors.New("--token: there is --token-file too; give one of both")
	case f.Watch != 0 && f.Watch < leastWatch:
		return fmt.Errorf("--watch: %v is too short; the least is %v", f.Watch, leastWatch)
	case f.Timeout <= 0:
		return fmt.Errorf("--timeout: must be over 0, not %v", f.Timeout)
	}
	return nil
}

// token returns the token, or "" without one: that of a flag, or else that of the environment.
func (f *flags) token() (string, error) {
	token, from, path, pathFrom := f.Token, "--token", f.TokenFile, "--token-file"
	if token == "" && path == "" {
		token, from, path, pathFrom = os.Getenv("FLOWD_TOKEN"), "FLOWD_TOKEN", os.Getenv("FLOWD_TOKEN_FILE"), "FLOWD_TOKEN_FILE"
	}
	if token != "" && path != "" {
		return "", fmt.Errorf("%s: there is %s too; give one of both", from, pathFrom)
	}
	if path != "" {
		var err error
		if token, err = tokenOfFile(path); err != nil {
			return "", fmt.Errorf("%s: %w", pathFrom, err)
		}
		from = path
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return "", fmt.Errorf("%s: has a character that no token has: only visible ASCII, without spaces", from)
		}
	}
	return token, nil
}

// tokenOfFile returns the first line of a file without surrounding space.
func tokenOfFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token, _, _ := strings.Cut(string(text), "\n")
	if token = strings.TrimSpace(token); token == "" {
		return "", fmt.Errorf("%s has no token on its first line", path)
	}
	return token, nil
}

// hourFlags select the hours of a question.
type hourFlags struct {
	Hour string `placeholder:"HOUR" help:"One hour, by its number, or latest, or latest-N (latest)."`
	From string `placeholder:"HOUR" help:"First hour of a range: a number, a time as in 2026-01-31T15:00:00Z, or as --hour."`
	To   string `placeholder:"HOUR" help:"The hour that ends the range, and is not part of it (open)."`
}

func (f *hourFlags) given() bool { return f.Hour+f.From+f.To != "" }

func (f *hourFlags) add(q *question) {
	q.addHour("hour", f.Hour)
	q.addHour("from", f.From)
	q.addHour("to", f.To)
}

// matchFlags select rows.
type matchFlags struct {
	SrcApp  []string `name:"src-app" sep:"none" placeholder:"NAME" help:"Only rows of this app, or with a * at the end of those that begin so; may be repeated."`
	DestApp []string `name:"dest-app" sep:"none" placeholder:"NAME" help:"The same of the other end."`
	VPCID   []string `name:"vpc-id" sep:"none" placeholder:"NAME" help:"The same of the VPC."`
}

func (f *matchFlags) add(q *question) {
	q.add("src_app", f.SrcApp...)
	q.add("dest_app", f.DestApp...)
	q.add("vpc_id", f.VPCID...)
}

// orderFlags sort rows and limit their number.
type orderFlags struct {
	OrderBy fieldOrder `name:"order-by" placeholder:"[-]FIELD" help:"What to sort by, with a - for the largest first."`
	Limit   *int       `placeholder:"N" help:"The first N rows alone."`
}

func (f *orderFlags) add(q *question) {
	q.add("order_by", string(f.OrderBy))
	if f.Limit != nil {
		q.add("limit", strconv.Itoa(*f.Limit))
	}
}

// fieldOrder is a field with an optional hyphen before it. Without its own decoder, kong would take such a
// value for a flag unless it follows a =.
type fieldOrder string

// Decode is called by kong.
func (o *fieldOrder) Decode(ctx *kong.DecodeContext) error {
	token := ctx.Scan.Pop()
	text := token.String()
	if token.IsEOL() || strings.HasPrefix(text, "--") {
		return errors.New("expected a field, with or without a - before it")
	}
	*o = fieldOrder(text)
	return nil
}

// flowsQuery is "flowd query flows".
type flowsQuery struct {
	hourFlags
	matchFlags
	GroupBy string `name:"group-by" placeholder:"FIELDS" help:"Add up rows that are the same in these of src_app,dest_app,vpc_id,hour."`
	orderFlags
}

// Run asks and prints the answer.
func (c *flowsQuery) Run(p *Process, f *flags) error {
	q := newQuestion("/flows", flowColumns)
	q.hasFormats, q.tableOrder = true, "-bytes_total"
	c.hourFlags.add(q)
	if !c.given() {
		q.addHour("hour", latest)
	}
	c.matchFlags.add(q)
	q.add("group_by", c.GroupBy)
	c.orderFlags.add(q)
	return ask(p, f, q)
}

// diffQuery is "flowd query diff".
type diffQuery struct {
	A     string `placeholder:"HOUR" help:"The hour before: a number, latest, or latest-N (latest-1)."`
	B     string `placeholder:"HOUR" help:"The hour after (latest)."`
	AFrom string `placeholder:"HOUR" help:"First hour of the range before, a time too."`
	ATo   string `placeholder:"HOUR" help:"The hour that ends it, and is not part of it."`
	BFrom string `placeholder:"HOUR" help:"First hour of the range after."`
	BTo   string `placeholder:"HOUR" help:"The hour that ends it."`
	matchFlags
	GroupBy string `name:"group-by" placeholder:"FIELDS" help:"Add up rows that are the same in these of src_app,dest_app,vpc_id."`
	orderFlags
}

// Run asks and prints the answer.
func (c *diffQuery) Run(p *Process, f *flags) error {
	q := newQuestion("/diff", diffColumns)
	q.hasFormats = true
	for _, side := range []struct{ name, hour, from, to, otherwise string }{
		{"a", c.A, c.AFrom, c.ATo, latest + "-1"}, {"b", c.B, c.BFrom, c.BTo, latest},
	} {
		if side.hour+side.from+side.to == "" {
			side.hour = side.otherwise
		}
		q.addHour(side.name, side.hour)
		q.addHour(side.name+"_from", side.from)
		q.addHour(side.name+"_to", side.to)
	}
	c.matchFlags.add(q)
	q.add("group_by", c.GroupBy)
	c.orderFlags.add(q)
	return ask(p, f, q)
}

// pairsQuery is "flowd query pairs".
type pairsQuery struct {
	hourFlags
	App   []string `sep:"none" placeholder:"NAME" help:"Only pairs of which one is this app, or with a * at the end begins so; may be repeated."`
	VPCID []string `name:"vpc-id" sep:"none" placeholder:"NAME" help:"Only pairs in this VPC, or the same."`
	orderFlags
}

// Run asks and prints the answer.
func (c *pairsQuery) Run(p *Process, f *flags) error {
	q := newQuestion("/pairs", pairColumns)
	q.hasFormats = true
	c.hourFlags.add(q)
	if !c.given() {
		q.addHour("hour", latest)
	}
	q.add("app", c.App...)
	q.add("vpc_id", c.VPCID...)
	c.orderFlags.add(q)
	return ask(p, f, q)
}

// namesQuery is "flowd query names".
type namesQuery struct {
	Field  string `required:"" enum:"src_app,dest_app,vpc_id" placeholder:"FIELD" help:"Whose names: src_app, dest_app or vpc_id."`
	Prefix string `placeholder:"TEXT" help:"What they begin with."`
	hourFlags
	matchFlags
	Limit *int `placeholder:"N" help:"The first N names alone (100)."`
}

// AfterApply is called by kong.
func (*namesQuery) AfterApply(f *flags) error { return f.checkWhole() }

// Run asks and prints the answer.
func (c *namesQuery) Run(p *Process, f *flags) error {
	q := newQuestion("/names", []column{{field: c.Field, kind: nameCell}})
	q.read = readNames
	q.add("field", c.Field)
	q.add("prefix", c.Prefix)
	c.hourFlags.add(q)
	c.matchFlags.add(q)
	if c.Limit != nil {
		q.add("limit", strconv.Itoa(*c.Limit))
	}
	return ask(p, f, q)
}

// hoursQuery is "flowd query hours".
type hoursQuery struct{}

// AfterApply is called by kong.
func (*hoursQuery) AfterApply(f *flags) error { return f.checkWhole() }

// Run asks and prints the answer.
func (*hoursQuery) Run(p *Process, f *flags) error {
	q := newQuestion("/hours", totalColumns)
	q.read, q.newestLast = readHours, true
	return ask(p, f, q)
}

// ledgerQuery is "flowd query ledger".
type ledgerQuery struct{}

// AfterApply is called by kong.
func (*ledgerQuery) AfterApply(f *flags) error { return f.checkWhole() }

// Run asks and prints the answer.
func (*ledgerQuery) Run(p *Process, f *flags) error {
	q := newQuestion("/ledger", ledgerColumns)
	q.read = readLedger
	return ask(p, f, q)
}

// checkWhole rejects formats that exist only for answers of rows.
func (f *flags) checkWhole() error {
	if f.Format == "ndjson" || f.Format == "csv" {
		return fmt.Errorf("--format: %s is for flows, diff and pairs; this one comes as table or json", f.Format)
	}
	return nil
}
