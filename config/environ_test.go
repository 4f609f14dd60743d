package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestEnvironment(t *testing.T) {
	for _, test := range []struct{ pair, want string }{
		{"FLOWD_MAX_FLOWS=5", ""},
		{"FLOWD_MAX_FLOWS=x", `FLOWD_MAX_FLOWS: "x" is not a whole number from 1 to 1000000`},
		{"FLOWD_MAX_FLOWS=", `FLOWD_MAX_FLOWS: is empty; leave it out for the default, or give a value`},
		{"FLOWD_MAX_FLOW=5", `FLOWD_MAX_FLOW: is no setting of flowd (did you mean "FLOWD_MAX_FLOWS"?)`},
		{"FLOWD_LISTEN_ADDR=:1", `FLOWD_LISTEN_ADDR: is no setting of flowd (did you mean "FLOWD_LISTEN"?)`},
		{"FLOWD_COLOUR_OF_SKY=red", `FLOWD_COLOUR_OF_SKY: is no setting of flowd`},
		{"FLOWD_=1", `FLOWD_: is no setting of flowd`},
		{"FLOWD_PORT=8080", `FLOWD_PORT: is no setting of flowd`},
		{"FLOWD=1", ""},
		// Of flowd query.
		{"FLOWD_SERVER=http://127.0.0.1:1", ""},
		{"FLOWD_TOKEN=x", ""},
		{"FLOWD_TOKEN_FILE=x", ""},
		// For other commands than serve.
		{"FLOWD_TOKEN=x", ""},
		{"FLOWD_TOKEN_FILE=x", ""},
		{"FLOWD_SERVER=x", ""},
		{"FLOWD_INSECURE=1", `FLOWD_INSECURE: "1" is not true or false`},
		{"FLOWD_TOKENS_FILE=", `FLOWD_TOKENS_FILE: is empty; leave it out for the default, or give a value`},
		{"FLOWLOAD_FOR=1m", ""},
		{"NOT_FLOWD_SHARDS=x", ""},
		// What Kubernetes sets for services called flowd and flowd-headless.
		{"FLOWD_SERVICE_HOST=10.0.0.7", ""},
		{"FLOWD_SERVICE_PORT=8080", ""},
		{"FLOWD_SERVICE_PORT_HTTP=8080", ""},
		{"FLOWD_PORT=tcp://10.0.0.7:8080", ""},
		{"FLOWD_PORT_8080_TCP=tcp://10.0.0.7:8080", ""},
		{"FLOWD_PORT_8080_TCP_ADDR=10.0.0.7", ""},
		{"FLOWD_HEADLESS_PORT=tcp://10.0.0.8:8080", ""},
		{"FLOWD_HEADLESS_SERVICE_PORT_HTTP=8080", ""},
	} {
		_, _, err := parse(t, []string{"HOME=/", test.pair})
		if diff := cmp.Diff(test.want, problems(t, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.pair, diff)
		}
	}
}

// TestEveryMixOfSources draws, for each of a few settings, which sources have it, and holds
// that the strongest one wins and is named, and that what others have is kept out.
func TestEveryMixOfSources(t *testing.T) {
	keys := []string{"max-flows", "max-connections", "max-queries", "queue-batches"}
	defaults := map[string]string{"max-flows": "50000", "max-connections": "20000", "max-queries": "32", "queue-batches": "0"}
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		var lines, environ, args []string
		want := map[string]Setting{}
		for _, key := range keys {
			want[key] = Setting{key, defaults[key], "default", ""}
			if rapid.Bool().Draw(t, key+" in file") {
				lines = append(lines, key+": 101")
				want[key] = Setting{key, "101", fmt.Sprintf("flowd.yaml:%d", len(lines)), ""}
			}
			if rapid.Bool().Draw(t, key+" in environment") {
				environ = append(environ, envName(key)+"=102")
				want[key] = Setting{key, "102", envName(key), ""}
			}
			if rapid.Bool().Draw(t, key+" as flag") {
				args = append(args, "--"+key+"=103")
				want[key] = Setting{key, "103", "--" + key, ""}
			}
		}
		path := write(outer, strings.Join(lines, "\n"))
		_, report, err := parse(outer, environ, append(args, "--config", path)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range report {
			got.Source = strings.Replace(got.Source, path, "flowd.yaml", 1)
			if w, ok := want[got.Key]; ok && got != w {
				t.Errorf("got %+v, want %+v", got, w)
			}
		}
	})
}
