package loadtest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"flowd/flow"
	"flowd/loadtest/demo"
)

// Whatever takes a token shows it in each request, and refuses one that could end a header.
func TestToken(t *testing.T) {
	for _, test := range []struct {
		name   string
		target func(token string) (target, error)
	}{
		{"run", func(token string) (target, error) {
			o := Options{
				Target: "http://flowd.test", Token: token, Connections: 1, Encoding: Plain, For: time.Second, Timeout: time.Second,
				Workload: Workload{Tuples: 1, Hours: 1, FirstHour: 1, Skew: Uniform, FlowsPerPost: 1},
			}
			return o.check()
		}},
		{"demo", func(token string) (target, error) {
			o := DemoOptions{Target: "http://flowd.test", Token: token, Timeout: time.Second, Traffic: demo.Options{LastHour: flow.MaxHour}}
			return o.check()
		}},
		{"crash", func(token string) (target, error) {
			v, err := newVictim(&CrashOptions{Token: token})
			if err != nil {
				return target{}, err
			}
			return *v.target, nil
		}},
	} {
		shown, err := test.target("flowd_x")
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		for _, head := range [][]byte{appendPostHead(nil, &shown, postHead{}), appendGetHead(nil, &shown, "/readyz")} {
			if strings.Count(string(head), "\r\nAuthorization: Bearer flowd_x\r\n") != 1 {
				t.Errorf("%s: %q", test.name, head)
			}
		}
		none, err := test.target("")
		if head := string(appendGetHead(nil, &none, "/readyz")); err != nil || strings.Contains(head, "Authorization") {
			t.Errorf("%s without a token: %v, %q", test.name, err, head)
		}
		var invalid *InvalidError
		if _, err := test.target("flowd_x\r\nX: y"); !errors.As(err, &invalid) || strings.Contains(err.Error(), "flowd_x") {
			t.Errorf("%s: %v, want an *InvalidError that does not show the token", test.name, err)
		}
	}
}
