package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"flowd/access"
)

// tokenCommand is "flowd token".
type tokenCommand struct {
	Name    string   `required:"" placeholder:"NAME" help:"Whose it is, as logs and metrics will have it: 1 to 64 visible ASCII characters without spaces."`
	Scopes  []string `required:"" placeholder:"SCOPES" help:"What it is good for: a comma list of ingest, query, metrics and admin."`
	VPC     []string `name:"vpc" sep:"none" placeholder:"NAME" help:"Only flows of this VPC, or with a * at the end of those that begin so; may be repeated (all)."`
	Expires expiry   `placeholder:"WHEN" help:"When it ends: in a while such as 90d or 36h, or a time such as 2027-01-01T00:00:00Z (never)."`
	AddTo   string   `name:"add-to" placeholder:"FILE" help:"Add its entry to this tokens file, instead of printing it. The file is made if it is not there."`
}

// Help is what --help says beyond the flags.
func (*tokenCommand) Help() string {
	return `The token goes to stdout, alone and this once: flowd keeps its SHA-256, from which it cannot be had back. The entry for
the tokens file of the server goes to stderr, or with --add-to to the end of that file. A server that uses the file
knows the token once it has reloaded its settings.

  (umask 077; flowd token --name report-eu --scopes query --vpc 'vpc-eu-*' --add-to tokens.yaml > report-eu.token)
  flowd query hours --token-file report-eu.token

A tokens file is changed as a whole or not at all, and keeps its mode and its owner; a new one is for its owner alone.

Exit codes: 0 the token was written, 1 it was not, 2 wrong usage.`
}

// AfterApply is called by kong: a grant that no tokens file could have is wrong usage.
func (c *tokenCommand) AfterApply(ctx *kong.Context) error {
	grant, err := c.grant()
	if err != nil {
		return err
	}
	if _, err := access.Entry(access.NewToken(), grant, ""); err != nil {
		return err
	}
	ctx.Bind(grant)
	return nil
}

// grant returns what the flags say.
func (c *tokenCommand) grant() (*access.Grant, error) {
	grant := &access.Grant{Name: c.Name, Expires: time.Time(c.Expires)}
	var err error
	if grant.Scopes, err = access.ParseScopes(c.Scopes); err != nil {
		return nil, fmt.Errorf("--scopes: %w", err)
	}
	if len(c.VPC) > 0 {
		if grant.VPCs, err = access.ParseVPCs(c.VPC); err != nil {
			return nil, fmt.Errorf("--vpc: %w", err)
		}
	}
	return grant, nil
}

// Run makes a token. It is printed last: a token that is in no file is of no use.
func (c *tokenCommand) Run(p *process, grant *access.Grant) error {
	token := access.NewToken()
	if c.AddTo != "" {
		if err := addToken(c.AddTo, token, grant); err != nil {
			return fmt.Errorf("no token was made: %w", err)
		}
		if _, err := io.WriteString(p.stdout, token+"\n"); err != nil {
			return fmt.Errorf("the token is lost: remove %q from %s, and try again: %w", grant.Name, c.AddTo, err)
		}
		fmt.Fprintf(p.stderr, "%q was added to %s; a server that uses the file knows it once it has reloaded its settings\n", grant.Name, c.AddTo)
		return nil
	}
	entry, err := access.Entry(token, grant, "  ")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(p.stdout, token+"\n"); err != nil {
		return fmt.Errorf("the token is lost: %w", err)
	}
	// A comment, so that all of stderr may go to the end of a tokens file.
	_, err = fmt.Fprintf(p.stderr, "  # for the tokens file, under \"tokens:\"\n%s", entry)
	return err
}

// expiry is when a token ends. Zero is never.
type expiry time.Time

// maxDays keeps a time within what a tokens file can have.
const maxDays = 100 * 365

var errExpiry = errors.New("is neither a while such as 90d or 36h, nor a time such as 2027-01-01T00:00:00Z")

// UnmarshalText takes a time, or how long it is until then.
func (e *expiry) UnmarshalText(text []byte) error {
	now := time.Now()
	var end time.Time
	if err := end.UnmarshalText(text); err != nil {
		length, err := parseWhile(string(text))
		if err != nil {
			return fmt.Errorf("%q %w", text, err)
		}
		end = now.Add(length)
	}
	if !end.After(now) {
		return fmt.Errorf("%q is over already", text)
	}
	*e = expiry(end)
	return nil
}

// parseWhile reads whole days, or a duration.
func parseWhile(text string) (time.Duration, error) {
	length, err := time.ParseDuration(text)
	if number, days := strings.CutSuffix(text, "d"); days {
		var n uint64
		n, err = strconv.ParseUint(number, 10, 16)
		length = time.Duration(min(n, maxDays+1)) * 24 * time.Hour
	}
	switch {
	case err != nil:
		return 0, errExpiry
	case length < time.Second:
		return 0, errors.New("is shorter than a second")
	case length > maxDays*24*time.Hour:
		return 0, fmt.Errorf("is longer than %d days; leave it out for a token that does not end", maxDays)
	}
	return length, nil
}
