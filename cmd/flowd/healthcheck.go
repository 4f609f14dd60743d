package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"flowd/certs"
	"flowd/humanize"
	"flowd/problem"
)

// healthcheckCommand is "flowd healthcheck", for containers and scripts that have nothing else to ask with.
type healthcheckCommand struct {
	Server  string        `default:"http://127.0.0.1:8080" env:"FLOWD_SERVER" placeholder:"URL" help:"The server ($$FLOWD_SERVER, or http://127.0.0.1:8080)."`
	CAFile  string        `name:"ca-file" placeholder:"FILE" help:"PEM file of the authorities of its certificate, in place of the system's."`
	Timeout time.Duration `default:"5s" help:"How long the answer may take."`
}

// Help is what --help says beyond the flags.
func (*healthcheckCommand) Help() string {
	return `It asks for /readyz, which needs no token.

Over https the certificate is verified, but for a server on loopback, unless --ca-file is given: there the certificate
seldom has the name, no attacker is in between, and nothing secret is sent.

Exit codes: 0 the server is ready, 1 it is not, and why, 2 wrong usage.`
}

// Validate is called by kong; what it returns is wrong usage.
func (c *healthcheckCommand) Validate() error {
	if c.Timeout <= 0 {
		return fmt.Errorf("--timeout: must be over 0, not %v", c.Timeout)
	}
	u, err := url.Parse(c.Server)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		// What is no URL may have a password somewhere.
		return errors.New("--server: must look like http://host:port or https://host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("--server: %s must have no user, no ? and no #", u.Redacted())
	}
	return nil
}

// Run returns why the server is not ready.
func (c *healthcheckCommand) Run(p *process) error {
	config, err := c.tls()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.Server, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config},
		// Where it points to is another server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return c.unanswered(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		_, err := fmt.Fprintln(p.stdout, "ready")
		return err
	}
	return fmt.Errorf("%s is not ready: %s", c.Server, notReady(response))
}

// tls returns how a certificate is verified.
func (c *healthcheckCommand) tls() (*tls.Config, error) {
	if c.CAFile == "" {
		return &tls.Config{InsecureSkipVerify: isLoopback(c.Server)}, nil
	}
	file, err := certs.Read(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	roots, err := file.Authorities()
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	return &tls.Config{RootCAs: roots}, nil
}

// isLoopback tells whether a URL can only lead to this machine. Names are not looked up, all but localhost.
func isLoopback(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(u.Hostname())
	return err == nil && address.IsLoopback()
}

// unanswered says why there was no answer.
func (c *healthcheckCommand) unanswered(ctx context.Context, err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s does not answer within %v", c.Server, c.Timeout)
	}
	return fmt.Errorf("no answer from %s: %w", c.Server, err)
}

// notReady returns the reasons of an answer that is not 200.
func notReady(response *http.Response) string {
	said, _ := problem.Read(response.Header.Get("Content-Type"), response.Body)
	if said.Text() == "" {
		return "it answered " + response.Status
	}
	if len(said.Reasons) == 0 {
		return humanize.Printable(said.Text())
	}
	return humanize.Printable(strings.Join(said.Reasons, ", ") + ": " + said.Text())
}
