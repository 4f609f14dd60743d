package httpapi

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"flowd/flow"
)

func TestQueryParameters(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	ts.do("POST", "/flows", oneFlow("a", 7))
	for _, c := range []struct{ target, says string }{
		{"/flows?hour=7", ""},
		{"/flows?hour=007", ""},
		{"/flows?hour=%37", ""},
		{"/flows?h%6Fur=7", ""},
		{"/flows?hour=2147483647", ""},
		{"/flows", `"hour" is missing`},
		{"/flows?", `"hour" is missing`},
		{"/flows?hour", `"hour" must be a whole number from 0 to 2147483647`},
		{"/flows?hour=", `"hour" must be`},
		{"/flows?hour=x", `"hour" must be`},
		{"/flows?hour=-1", `"hour" must be`},
		{"/flows?hour=+1", `"hour" must be`},
		{"/flows?hour=1.0", `"hour" must be`},
		{"/flows?hour=1e3", `"hour" must be`},
		{"/flows?hour=0x1", `"hour" must be`},
		{"/flows?hour=%201", `"hour" must be`},
		{"/flows?hour=1%00", `"hour" must be`},
		{"/flows?hour=2147483648", `"hour" must be`},
		{"/flows?hour=18446744073709551617", `"hour" must be`},
		{"/flows?hour=" + strings.Repeat("9", 3000), `"hour" must be`},
		{"/flows?hour=1;x=2", `"hour" must be`},
		{"/flows?hour=7&hour=7", `"hour" is given more than once`},
		{"/flows?hour=1&hour=2", `"hour" is given more than once`},
		{"/flows?hour=1&limit=5", `"limit" is not known`},
		{"/flows?from=1&to=2", `"from" is not known`},
		{"/flows?Hour=1", `"Hour" is not known`},
		{"/flows?hour%00=1", `"hour\x00" is not known`},
		{"/flows?=&hour=1", `"" is not known`},
		{"/flows?hour=%zz", `"hour" is not well-formed`},
		{"/flows?%zz=1", `"%zz" is not well-formed`},
		{"/flows?=1", `"" is not known`},
		{"/flows?%ff=1", `"` + "\ufffd" + `" is not known`},
		{"/flows?" + strings.Repeat("n", 3000) + "=1", `"` + strings.Repeat("n", 64) + `" is not known`},
		{"/hours", ""},
		{"/hours?", ""},
		{"/hours?hour=1", `"hour" is not known`},
		{"/livez?verbose", ""},
		{"/metrics?name[]=x", ""},
	} {
		r := ts.do("GET", c.target, "")
		if c.says == "" {
			if r.StatusCode != 200 {
				t.Errorf("%.60s: %d: %s", c.target, r.StatusCode, r.body)
			}
			continue
		}
		if p := problemIn(t, r, 400); !strings.Contains(p.Detail, c.says) {
			t.Errorf("%.60s: %q does not say %q", c.target, p.Detail, c.says)
		}
	}
}

// FuzzQuery holds the parsing of the query of GET /flows to that of net/url.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"hour=1", "hour=1&hour=2", "hour=", "hour", "", "&", "hour=1&", "&&hour=%31", "hour=2147483648", "h%6fur=1",
		"hour=+1", "hour=1&x=2", "=", "=&hour=1", "%=%", "hour=%zz", "a=b;hour=1", "hour=1#", "\x00=\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, query []byte) {
		hour, p := parseQuery(query)
		if p != nil {
			if p.status != 400 || p.reason != reasonParameter || p.detail == "" || hour != 0 {
				t.Errorf("%q: hour %d, %+v", query, hour, p)
			}
		}
		values, err := url.ParseQuery(string(query))
		want, ok := flow.Hour(0), false
		if err == nil && len(values) == 1 && len(values["hour"]) == 1 {
			if n, err := strconv.ParseUint(values.Get("hour"), 10, 31); err == nil {
				want, ok = flow.Hour(n), true
			}
		}
		if (p == nil) != ok || hour != want {
			t.Errorf("%q: hour %d, problem %v; net/url has %v, %v", query, hour, p, values, err)
		}
	})
}
