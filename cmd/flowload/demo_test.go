package main

import (
	"bytes"
	"context"
	"regexp"
	"testing"

	"flowd/loadtest/demo"
	"flowd/loadtest/faulty"
)

// Live flows go on until an interrupt, which is no error then; before, it is.
func TestDemoUntilInterrupted(t *testing.T) {
	for _, c := range []struct {
		at     int // the post that the interrupt comes with
		code   int
		stdout string
		stderr string
	}{
		{demo.Hours + 2, exitOK, `stored    \d{6}\nlive      about 50 flows/s, until interrupted\nstored    \d\d\n$`, `^$`},
		{demo.Hours - 40, exitRuntime, `stored    \d{5}\n$`, `^flowload: interrupted\n$`},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		s := startServer(t, faulty.Faults{
			Store: func(int, []faulty.Row) []faulty.Row { return nil },
			Answer: func(post int) int {
				if post == c.at {
					interrupt()
				}
				return 200
			},
		})
		var stdout, stderr bytes.Buffer
		code := run(ctx, []string{"demo", "--target", s.URL, "--live", "--rate", "50"}, &stdout, &stderr)
		if code != c.code || s.Posts() != c.at {
			t.Errorf("exit code %d after %d posts, want %d after %d", code, s.Posts(), c.code, c.at)
		}
		if !regexp.MustCompile(c.stdout).MatchString(stdout.String()) || !regexp.MustCompile(c.stderr).MatchString(stderr.String()) {
			t.Errorf("on stdout:\n%son stderr:\n%s", stdout.String(), stderr.String())
		}
	}
}
