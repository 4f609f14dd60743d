package httpapi

import (
	"strings"
	"testing"
)

// Every parameter is taken or refused with what is wrong with it and what is allowed.
func TestParameters(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	ts.do("POST", "/flows", oneFlow("a", 7))
	const (
		hourRange = `must be a whole number from 0 to 2147483647`
		fromRange = hourRange + `, or a time as in 2026-01-31T15:00:00Z`
		toRange   = `must be a whole number from 0 to 2147483648, or a time as in 2026-01-31T15:00:00Z`
	)
	for _, c := range []struct{ target, says string }{
		{"/flows?hour=7", ""},
		{"/flows?hour=007", ""},
		{"/flows?hour=%37", ""},
		{"/flows?h%6Fur=7", ""},
		{"/flows?hour=2147483647", ""},
		{"/flows", `"hour" is missing; ask for one hour as in hour=1, or for a range as in from=1&to=3`},
		{"/flows?", `"hour" is missing`},
		{"/flows?src_app=a", `"hour" is missing`},
		{"/flows?hour", `"hour" ` + hourRange},
		{"/flows?hour=", `"hour" ` + hourRange},
		{"/flows?hour=x", `"hour" ` + hourRange},
		{"/flows?hour=-1", `"hour" ` + hourRange},
		{"/flows?hour=+1", `"hour" ` + hourRange},
		{"/flows?hour=1.0", `"hour" ` + hourRange},
		{"/flows?hour=1e3", `"hour" ` + hourRange},
		{"/flows?hour=0x1", `"hour" ` + hourRange},
		{"/flows?hour=%201", `"hour" ` + hourRange},
		{"/flows?hour=1%00", `"hour" ` + hourRange},
		{"/flows?hour=2147483648", `"hour" ` + hourRange},
		{"/flows?hour=18446744073709551617", `"hour" ` + hourRange},
		{"/flows?hour=2026-01-31T15:00:00Z", `"hour" ` + hourRange},
		{"/flows?hour=" + strings.Repeat("9", 3000), `"hour" ` + hourRange},
		{"/flows?hour=1;x=2", `"hour" ` + hourRange},
		{"/flows?hour=7&hour=7", `"hour" is given more than once`},
		{"/flows?hour=1&hour=2", `"hour" is given more than once`},
		{"/flows?Hour=1", `"Hour" is not known; this path takes hour, from, to, src_app, dest_app, vpc_id, group_by, order_by, limit and format`},
		{"/flows?hour%00=1", `"hour\x00" is not known`},
		{"/flows?=&hour=1", `"" is not known`},
		{"/flows?hour=%zz", `"hour" is not well-formed`},
		{"/flows?%zz=1", `"%zz" is not well-formed`},
		{"/flows?=1", `"" is not known`},
		{"/flows?%ff=1", `"` + "\ufffd" + `" is not known`},
		{"/flows?" + strings.Repeat("n", 3000) + "=1", `"` + strings.Repeat("n", 64) + `" is not known`},

		{"/flows?from=1", ""},
		{"/flows?to=1", ""},
		{"/flows?from=1&to=1", ""},
		{"/flows?from=0&to=2147483648", ""},
		{"/flows?from=2026-01-31T15:00:00Z&to=2026-01-31T15:00:00.5-07:00", ""},
		{"/flows?from=x", `"from" ` + fromRange},
		{"/flows?from=", `"from" ` + fromRange},
		{"/flows?from=2147483648", `"from" ` + fromRange},
		{"/flows?to=2147483649", `"to" ` + toRange},
		{"/flows?to=-1", `"to" ` + toRange},
		{"/flows?from=2026-01-31", `"from" ` + fromRange + "."},
		{"/flows?from=2026-01-31T15:00:00", `"from" ` + fromRange + "."},
		{"/flows?from=2026-02-30T15:00:00Z", `"from" ` + fromRange},
		{"/flows?from=2026-01-31T24:00:00Z", `"from" ` + fromRange},
		{"/flows?from=2026-01-31T15:00:00+01:00", `"from" ` + fromRange + ` (a + in it is written %2B)`},
		{"/flows?from=1969-12-31T23:59:59Z", `"from" is before 1970, when hours begin`},
		{"/flows?to=1969-12-31T23:59:59Z", `"to" is before 1970, when hours begin`},
		{"/flows?from=3&to=2", `"from" is hour 3, after hour 2 where "to" ends the range`},
		{"/flows?hour=1&from=1", `"hour" asks for one hour, and "from" and "to" for a range; give one of both`},
		{"/flows?hour=1&to=2", `"hour" asks for one hour`},
		{"/flows?from=1&from=2", `"from" is given more than once`},
		{"/flows?to=1&to=2", `"to" is given more than once`},

		{"/flows?hour=1&src_app=a&src_app=b*&src_app=*&dest_app=c&vpc_id=d", ""},
		{"/flows?hour=1&src_app=", `"src_app" is empty; give a name, or a prefix with * behind it`},
		{"/flows?hour=1&dest_app=%ff", `"dest_app" is not valid UTF-8, as names are`},
		{"/flows?hour=1&vpc_id=a%0a", `"vpc_id" has a control character, which names have not`},
		{"/flows?hour=1&vpc_id=%C2%85*", `"vpc_id" has a control character`},
		{"/flows?hour=1&src_app=" + strings.Repeat("n", 256) + "*", ""},
		{"/flows?hour=1&src_app=" + strings.Repeat("n", 257), `"src_app" has 257 bytes; names have at most 256`},

		{"/flows?hour=1&group_by=src_app", ""},
		{"/flows?hour=1&group_by=hour,vpc_id,dest_app,src_app", ""},
		{"/flows?hour=1&group_by=", `"group_by" must be a comma list of src_app, dest_app, vpc_id and hour, each at most once`},
		{"/flows?hour=1&group_by=src_app,", `"group_by" must be a comma list`},
		{"/flows?hour=1&group_by=src_app,src_app", `"group_by" must be a comma list`},
		{"/flows?hour=1&group_by=hour,hour", `"group_by" must be a comma list`},
		{"/flows?hour=1&group_by=bytes_tx", `"group_by" must be a comma list`},
		{"/flows?hour=1&group_by=src_app,%20vpc_id", `"group_by" must be a comma list`},
		{"/flows?hour=1&group_by=src_app&group_by=vpc_id", `"group_by" is given more than once`},

		{"/flows?hour=1&order_by=-bytes_total", ""},
		{"/flows?hour=1&order_by=hour", ""},
		{"/flows?hour=1&order_by=vpc_id&group_by=vpc_id", ""},
		{"/flows?hour=1&order_by=hour&group_by=vpc_id,hour", ""},
		{"/flows?hour=1&order_by=", `"order_by" must be one of src_app, dest_app, vpc_id, hour, bytes_tx, bytes_rx, bytes_total, with - before it for the largest first`},
		{"/flows?hour=1&order_by=-", `"order_by" must be one of`},
		{"/flows?hour=1&order_by=--hour", `"order_by" must be one of`},
		{"/flows?hour=1&order_by=bytes_tx,hour", `"order_by" must be one of`},
		{"/flows?hour=1&order_by=dest_app&group_by=vpc_id", `"order_by" asks for dest_app, which is summed over; add it to group_by`},
		{"/flows?hour=1&order_by=-hour&group_by=vpc_id", `"order_by" asks for hour, which is summed over`},
		{"/flows?hour=1&order_by=hour&order_by=hour", `"order_by" is given more than once`},

		{"/flows?hour=1&limit=1", ""},
		{"/flows?hour=1&limit=1000000", ""},
		{"/flows?hour=1&limit=0", `"limit" must be a whole number from 1 to 1000000, which max-groups sets`},
		{"/flows?hour=1&limit=1000001", `"limit" must be a whole number from 1 to 1000000`},
		{"/flows?hour=1&limit=99999999999999999999", `"limit" must be a whole number`},
		{"/flows?hour=1&limit=-1", `"limit" must be a whole number`},
		{"/flows?hour=1&limit=", `"limit" must be a whole number`},
		{"/flows?hour=1&limit=5&limit=5", `"limit" is given more than once`},

		{"/flows?hour=1&format=json", ""},
		{"/flows?hour=1&format=CSV", `"format" must be one of json, ndjson, csv`},
		{"/flows?hour=1&format=", `"format" must be one of json, ndjson, csv`},
		{"/flows?hour=1&format=csv&format=csv", `"format" is given more than once`},

		{"/diff?a=1", `"b" is missing; ask for one hour as in b=1, or for a range as in b_from=1&b_to=3`},
		{"/diff", `"a" is missing`},
		{"/diff?a=x&b=1", `"a" ` + hourRange},
		{"/diff?a=1&b=1&b=1", `"b" is given more than once`},
		{"/diff?a_from=1&b=1", `"a_to" is missing; "a_from" needs it`},
		{"/diff?a_to=1&b=1", `"a_from" is missing; "a_to" needs it`},
		{"/diff?a=1&b_from=1", `"b_to" is missing; "b_from" needs it`},
		{"/diff?a=1&a_from=1&a_to=2&b=1", `"a" asks for one hour, and "a_from" and "a_to" for a range`},
		{"/diff?a=1&b_from=2&b_to=1", `"b_from" is hour 2, after hour 1 where "b_to" ends the range`},
		{"/diff?a=1&b_from=y&b_to=1", `"b_from" ` + fromRange},
		{"/diff?a=1&b_from=1&b_to=y", `"b_to" ` + toRange},
		{"/diff?a_from=z&a_to=1&b=1", `"a_from" ` + fromRange},
		{"/diff?a_from=1&a_to=z&b=1", `"a_to" ` + toRange},
		{"/diff?hour=1", `"hour" is not known; this path takes a, a_from, a_to, b, b_from, b_to, src_app, dest_app, vpc_id, group_by, order_by, limit and format`},
		{"/diff?a=1&b=2&group_by=hour", `"group_by" must be a comma list of src_app, dest_app and vpc_id, each at most once`},
		{"/diff?a=1&b=2&order_by=bytes_tx", `"order_by" must be -difference, for what grew most first, or difference, for what shrank most`},
		{"/diff?a=1&b=2&limit=0", `"limit" must be a whole number from 1 to 1000000`},
		{"/diff?a=1&b=2&src_app=", `"src_app" is empty`},
		{"/diff?a=1&b=2&format=xml", `"format" must be one of`},

		{"/pairs", `"hour" is missing`},
		{"/pairs?hour=1&src_app=a", `"src_app" is not known; this path takes hour, from, to, app, vpc_id, order_by, limit and format`},
		{"/pairs?hour=1&app=", `"app" is empty`},
		{"/pairs?hour=1&order_by=disagreement", `"order_by" must be -disagreement or -bytes_total`},
		{"/pairs?hour=1&limit=x", `"limit" must be`},
		{"/pairs?from=2&to=1", `"from" is hour 2`},

		{"/names", `"field" is missing; it must be one of src_app, dest_app and vpc_id`},
		{"/names?field=hour", `"field" must be one of src_app, dest_app and vpc_id`},
		{"/names?field=vpc_id&field=vpc_id", `"field" is given more than once`},
		{"/names?field=vpc_id&prefix=%00", `"prefix" has a control character`},
		{"/names?field=vpc_id&prefix=" + strings.Repeat("n", 257), `"prefix" has 257 bytes`},
		{"/names?field=vpc_id&limit=10001", `"limit" must be a whole number from 1 to 10000.`},
		{"/names?field=vpc_id&hour=1&to=1", `"hour" asks for one hour`},
		{"/names?field=vpc_id&format=csv", `"format" is not known; this path takes field, prefix, hour, from, to, src_app, dest_app, vpc_id and limit`},

		{"/hours", ""},
		{"/hours?", ""},
		{"/hours?hour=1", `"hour" is not known; this path takes none`},
		{"/livez?verbose", ""},
		{"/metrics?name[]=x", ""},
	} {
		r := ts.do("GET", c.target, "")
		if c.says == "" {
			if r.StatusCode != 200 {
				t.Errorf("%.90s: %d: %s", c.target, r.StatusCode, r.body)
			}
			continue
		}
		if r.StatusCode != 400 {
			t.Errorf("%.90s: %d: %s", c.target, r.StatusCode, r.body)
		} else if p := problemIn(t, r, 400); !strings.Contains(p.Detail, c.says) {
			t.Errorf("%.90s: %q does not say %q", c.target, p.Detail, c.says)
		}
	}
	if got := ts.metric(`flowd_http_requests_rejected_total{reason="parameter"}`); got == "0" {
		t.Error("not counted")
	}
}
