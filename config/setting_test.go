package config

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// decodeAs reads text as the setting of this key.
func decodeAs(t testing.TB, key, text string) (reflect.Value, error) {
	t.Helper()
	s, ok := settingOf(key)
	if !ok {
		t.Fatalf("no setting %q", key)
	}
	value := reflect.New(s.typ).Elem()
	return value, s.decode(text, value)
}

func TestTagsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range settings() {
		field := reflect.TypeFor[Config]().Field(s.field)
		if s.key == "" || seen[s.key] {
			t.Errorf("%s: its name %q is empty or used twice", field.Name, s.key)
		}
		seen[s.key] = true
		if help := field.Tag.Get("help"); !strings.HasSuffix(help, ".") {
			t.Errorf("%s: its help %q is no sentence", s.key, help)
		}
		if tag := field.Tag.Get("reload"); tag != "" && tag != "yes" {
			t.Errorf("%s: reload is %q, want yes or nothing", s.key, tag)
		}
		if kind := s.typ.Kind(); (kind == reflect.Int || kind == reflect.Int64) && s.low == "" {
			t.Errorf("%s: a number without a range", s.key)
		}
		for _, text := range []string{field.Tag.Get("default"), s.low, s.high} {
			if text == "" {
				continue
			}
			value, err := decodeAs(t, s.key, text)
			if err != nil {
				t.Errorf("%s: its own tag: %v", s.key, err)
			} else if got := encode(value); got != text {
				t.Errorf("%s: %q is written back as %q", s.key, text, got)
			}
		}
	}
}

func TestGoodValues(t *testing.T) {
	for _, test := range []struct {
		key, text string
		want      any
	}{
		{"listen", ":8080", Address(":8080")},
		{"listen", "[::1]:0", Address("[::1]:0")},
		{"listen", "flows.example:65535", Address("flows.example:65535")},
		{"admin-listen", "off", AdminOff},
		{"admin-listen", "[::1]:0", AdminAddress("[::1]:0")},
		{"insecure", "true", Switch(true)},
		{"insecure", "false", Switch(false)},
		{"tokens-file", "/etc/flowd/tokens.yaml", "/etc/flowd/tokens.yaml"},
		{"data", "", Folder("")},
		{"data", "/var/lib/flowd", Folder("/var/lib/flowd")},
		{"durability", "fsync", DurabilityFsync},
		{"durability", "interval", DurabilityInterval},
		{"durability", "none", DurabilityNone},
		{"sync-interval", "1ms", time.Millisecond},
		{"retention", "0", time.Duration(0)},
		{"retention", "2160h", 90 * 24 * time.Hour},
		{"retention-bytes", "0", Size(0)},
		{"retention-bytes", "2TiB", Size(2 << 40)},
		{"idempotency-keys", "100000000", 100_000_000},
		{"shards", "0", Shards(0)},
		{"shards", "1", Shards(1)},
		{"shards", "1024", Shards(1024)},
		{"log-level", "debug", LogLevel("debug")},
		{"log-format", "json", LogJSON},
		{"max-flows", "010", 10},
		{"max-body-bytes", "4194304", Size(4 << 20)},
		{"max-body-bytes", "4096KiB", Size(4 << 20)},
		{"max-body-bytes", "4 MiB", Size(4 << 20)},
		{"max-body-bytes", "2MB", Size(2_000_000)},
		{"max-body-bytes", "64kB", Size(64_000)},
		{"max-body-bytes", "2048B", Size(2048)},
		{"max-body-bytes", "1GiB", Size(1 << 30)},
		{"max-inflight-bytes", "1TiB", AutoSize(1 << 40)},
		{"memory-budget", "auto", Auto},
		{"queue-wait", "0s", time.Duration(0)},
		{"queue-wait", "1.5s", 1500 * time.Millisecond},
		{"idle-timeout", "1h30m", 90 * time.Minute},
	} {
		got, err := decodeAs(t, test.key, test.text)
		if err != nil || got.Interface() != test.want {
			t.Errorf("%s %q: got %v, %v, want %v", test.key, test.text, got, err, test.want)
		}
	}
}

func TestBadValues(t *testing.T) {
	const (
		flows    = ` is not a whole number from 1 to 1000000`
		size     = ` is not a size from 1KiB to 1GiB`
		sizeOut  = ` is out of range: 1KiB to 1GiB`
		shards   = ` is not a power of two (0 is one per CPU) from 0 to 1024`
		address  = ` is not an address such as 127.0.0.1:8080, [::1]:8080 or :8080, with a port from 0 to 65535`
		duration = ` is not a duration such as 500ms, 30s or 2m, from 0s to 1m`
	)
	for _, test := range []struct{ key, text, want string }{
		{"listen", "8080", `"8080"` + address},
		{"listen", "localhost", `"localhost"` + address},
		{"listen", "localhost:http", `"localhost:http"` + address},
		{"listen", "::1:8080", `"::1:8080"` + address},
		{"listen", ":65536", `":65536"` + address},
		{"admin-listen", "Off", `"Off"` + address + ", nor off"},
		{"admin-listen", ":http", `":http"` + address + ", nor off"},
		{"admin-listen", "", `is empty; leave it out for the default, or give a value`},
		{"insecure", "yes", `"yes" is not true or false`},
		{"insecure", "True", `"True" is not true or false`},
		{"tokens-file", "", `is empty; leave it out for the default, or give a value`},
		{"data", "a\x00b", `"a\x00b" is not a folder: no path has a zero byte`},
		{"durability", "None", `"None" is not a durability: fsync, interval or none`},
		{"durability", "", `is empty; leave it out for the default, or give a value`},
		{"sync-interval", "0", `"0" is out of range: 1ms to 1m`},
		{"segment-bytes", "1023KiB", `"1023KiB" is out of range: 1MiB to 1GiB`},
		{"checkpoint-interval", "25h", `"25h" is out of range: 1s to 24h`},
		{"retention", "90d", `"90d" is not a duration such as 500ms, 30s or 2m, from 0s to 876000h`},
		{"retention", "-1h", `"-1h" is out of range: 0s to 876000h`},
		{"max-hours", "0", `"0" is out of range: 1 to 1000000`},
		{"idempotency-window", "500ms", `"500ms" is out of range: 1s to 8760h`},
		{"idempotency-keys", "0", `"0" is out of range: 1 to 100000000`},
		{"max-agents", "0", `"0" is out of range: 1 to 10000000`},
		{"shards", "three", `"three" is not a whole number from 0 to 1024`},
		{"shards", "-1", `"-1" is not a whole number from 0 to 1024`},
		{"shards", "3", `"3"` + shards},
		{"shards", "2048", `"2048" is out of range: 0 to 1024`},
		{"log-level", "loud", `"loud" is not a level: debug, info, warn or error`},
		{"log-format", "xml", `"xml" is not a format of log lines: text or json`},
		{"max-flows", "", `is empty; leave it out for the default, or give a value`},
		{"max-flows", "1e3", `"1e3"` + flows},
		{"max-flows", "1_000", `"1_000"` + flows},
		{"max-flows", " 7", `" 7"` + flows},
		{"max-flows", "99999999999999999999", `"99999999999999999999"` + flows},
		{"max-flows", "0", `"0" is out of range: 1 to 1000000`},
		{"max-flows", "-5", `"-5" is out of range: 1 to 1000000`},
		{"max-flows", "1000001", `"1000001" is out of range: 1 to 1000000`},
		{"max-body-bytes", "4 gigs", `"4 gigs"` + size},
		{"max-body-bytes", "4M", `"4M"` + size},
		{"max-body-bytes", "1.5MiB", `"1.5MiB"` + size},
		{"max-body-bytes", "MiB", `"MiB"` + size},
		{"max-body-bytes", "4  MiB", `"4  MiB"` + size},
		{"max-body-bytes", "-1", `"-1"` + size},
		{"max-body-bytes", "9999999999TiB", `"9999999999TiB"` + size},
		{"max-body-bytes", "1023", `"1023"` + sizeOut},
		{"max-body-bytes", "2GiB", `"2GiB"` + sizeOut},
		{"queue-wait", "5", `"5"` + duration},
		{"queue-wait", "soon", `"soon"` + duration},
		{"queue-wait", "-1s", `"-1s" is out of range: 0s to 1m`},
		{"queue-wait", "61s", `"61s" is out of range: 0s to 1m`},
	} {
		_, err := decodeAs(t, test.key, test.text)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s %q:\n got %v\nwant %s", test.key, test.text, err, test.want)
		}
	}
}

func TestSizeIsReadBackAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Size(rapid.Int64Range(0, 1<<62).Draw(t, "size"))
		if rapid.Bool().Draw(t, "round") {
			want &^= 1<<20 - 1
		}
		var got Size
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%d is written %q and read back as %d, %v", int64(want), want, int64(got), err)
		}
	})
}

func TestDurationIsReadBackAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := time.Duration(rapid.Int64().Draw(t, "duration"))
		if rapid.Bool().Draw(t, "whole minutes") {
			want = want.Truncate(time.Minute)
		}
		got, err := time.ParseDuration(encode(reflect.ValueOf(want)))
		if err != nil || got != want {
			t.Fatalf("%v is written %q and read back as %v, %v", want, encode(reflect.ValueOf(want)), got, err)
		}
	})
}

func TestLevel(t *testing.T) {
	for level, want := range map[LogLevel]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError, "": slog.LevelInfo,
	} {
		if got := level.Level(); got != want {
			t.Errorf("%q: got %v, want %v", level, got, want)
		}
	}
}
