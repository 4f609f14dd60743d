package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// reloadable are the settings that may change while the server runs.
var reloadable = []string{
	"log-level", "tokens-file", "tls-cert-file", "tls-key-file", "tls-client-ca-file", "retention", "retention-bytes", "max-ahead",
	"max-flows", "max-queries", "max-groups", "rate-flows", "rate-flows-burst", "rate-bytes", "rate-bytes-burst",
	"max-connections-per-address", "max-tuples-hour", "max-tuples", "queue-wait", "shutdown-timeout", "drain-delay",
}

// running is a server's settings and where they are from, with a file that can be written again.
type running struct {
	t      *testing.T
	path   string
	loader *Loader
	config *Config
}

func runWith(t *testing.T, file string, environ []string, args ...string) *running {
	t.Helper()
	r := &running{t: t, path: write(t, file)}
	var grammar struct{ Config }
	r.loader = NewLoader(environ)
	parser, err := kong.New(&grammar, r.loader.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append(args, "--config", r.path)); err != nil {
		t.Fatal(err)
	}
	r.config = &grammar.Config
	return r
}

// reload writes the file anew and reads it, and takes what comes out, as a server would.
func (r *running) reload(file string) (*Reloaded, error) {
	r.t.Helper()
	if err := os.WriteFile(r.path, []byte(file), 0o600); err != nil {
		r.t.Fatal(err)
	}
	before := *r.config
	got, err := r.loader.Reload(r.config)
	if diff := cmp.Diff(&before, r.config); diff != "" {
		r.t.Errorf("Reload changed what is in force (-before +after):\n%s", diff)
	}
	if err == nil {
		r.config = got.Config
	} else if got != nil {
		r.t.Errorf("got %+v with the error %v", got, err)
	}
	return got, err
}

func TestReloadChangesWhatItMay(t *testing.T) {
	r := runWith(t, "max-flows: 7\nshards: 2\n", []string{"FLOWD_MAX_QUERIES=3"}, "--queue-wait=5s", "--insecure")
	for _, step := range []struct {
		file             string
		changed, restart []Change
	}{
		{"max-flows: 7\nshards: 2\n", nil, nil},
		{"shards: 2\nmax-flows: 9\n", []Change{{"max-flows", "7", "9"}}, nil},
		// A flag and a variable stay stronger than the file.
		{"shards: 2\nmax-flows: 9\nqueue-wait: 1m\nmax-queries: 4\ninsecure: false\nretention: 1h30m\n", []Change{{"retention", "2160h", "1h30m"}}, nil},
		// What is no longer given is its default again.
		{"max-flows: 9\nidle-timeout: 1m\n", []Change{{"retention", "1h30m", "2160h"}}, []Change{{"shards", "2", "0"}, {"idle-timeout", "2m", "1m"}}},
		// What waits for a restart is told each time.
		{"max-flows: 10\nidle-timeout: 1m\nlisten: ':80'\n", []Change{{"max-flows", "9", "10"}}, []Change{{"listen", "127.0.0.1:8080", ":80"}, {"shards", "2", "0"}, {"idle-timeout", "2m", "1m"}}},
		{"shards: 2\n", []Change{{"max-flows", "10", "50000"}}, nil},
	} {
		got, err := r.reload(step.file)
		if err != nil {
			t.Fatalf("%q: %v", step.file, err)
		}
		if diff := cmp.Diff(step.changed, got.Changed); diff != "" {
			t.Errorf("%q: changed (-want +got):\n%s", step.file, diff)
		}
		if diff := cmp.Diff(step.restart, got.Restart); diff != "" {
			t.Errorf("%q: for a restart (-want +got):\n%s", step.file, diff)
		}
		if got.Config.Shards != 2 || got.Config.QueueWait != 5*time.Second || got.Config.MaxQueries != 3 || got.Config.IdleTimeout != 2*time.Minute {
			t.Errorf("%q: in force is %+v", step.file, got.Config)
		}
	}
}

func TestReloadOfABadFileChangesNothing(t *testing.T) {
	r := runWith(t, "max-flows: 7\n", nil, "--rate-bytes=1KiB")
	for _, test := range []struct{ file, want string }{
		{"max-flows: 8\nmax-flow: 9\n\nshards: 3\n", `flowd.yaml:2: unknown key "max-flow" (did you mean "max-flows"?)
flowd.yaml:4: shards: "3" is not a power of two (0 is one per CPU) from 0 to 1024`},
		{"max-flows: 8\nlisten: [\n", "flowd.yaml:2: is not YAML: did not find expected node content"},
		{"max-flows: 8\ntls-key-file: a.key\n", "flowd.yaml:2: tls-key-file is a.key, but there is no tls-cert-file: give both, or neither"},
		// Right for a start, but wrong with what cannot change before one.
		{"max-body-bytes: 1MiB\nrate-bytes-burst: 1MiB\n",
			"flowd.yaml:2: rate-bytes-burst (1MiB) is less than max-body-bytes (4MiB), so that a body of that size could never come in; " +
				"what changes at a restart only (max-body-bytes) is as before until then, so restart the server"},
		{"max-flows: 70000\nmax-decoded-bytes: 80MiB\nsegment-bytes: 128MiB\nmax-inflight-bytes: 1GiB\n", ""},
	} {
		got, err := r.reload(test.file)
		if diff := cmp.Diff(test.want, problems(t, err)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.file, diff)
		}
		if test.want == "" && (got.Config.MaxFlows != 70_000 || got.Config.SegmentBytes != 64<<20) {
			t.Errorf("%q: in force is %+v", test.file, got.Config)
		}
	}
}

// TestReloadNamesTheFileForWhatIsGivenNoMore finds a place also where no line is to blame.
func TestReloadNamesTheFileForWhatIsGivenNoMore(t *testing.T) {
	r := runWith(t, "segment-bytes: 1MiB\nmax-flows: 800\n", nil)
	_, err := r.reload("# nothing\n")
	want := "flowd.yaml: segment-bytes (1MiB) is less than the 16512KiB that the log may need for one batch with max-decoded-bytes 16MiB and max-flows 50000 " +
		"(the lesser of the first and 1KiB per flow, and 128KiB); what changes at a restart only (segment-bytes) is as before until then, so restart the server"
	if diff := cmp.Diff(want, problems(t, err)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestReloadOpensNothing holds that neither tokens nor TLS are given up while the server runs.
func TestReloadOpensNothing(t *testing.T) {
	const tokens, tls, all = "tokens-file: t\n", "tls-cert-file: a\ntls-key-file: b\n", "tokens-file: t\ntls-cert-file: a\ntls-key-file: b\ntls-client-ca-file: c\n"
	for _, test := range []struct{ old, next, changed, restart string }{
		{"", tokens, "tokens-file", ""},
		{tokens, "tokens-file: other\n", "tokens-file", ""},
		{tokens, "", "", "tokens-file"},
		{tokens, "insecure: true\n", "", "tokens-file, insecure"},
		{"", tls, "", "tls-cert-file, tls-key-file"},
		{tls, "", "", "tls-cert-file, tls-key-file"},
		{tls, "tls-cert-file: x\ntls-key-file: y\n", "tls-cert-file, tls-key-file", ""},
		{tls + tokens, all, "tls-client-ca-file", ""},
		{all, tls + tokens, "tls-client-ca-file", ""},
		{tokens, all, "", "tls-cert-file, tls-key-file, tls-client-ca-file"},
		{all, tokens, "", "tls-cert-file, tls-key-file, tls-client-ca-file"},
		{all, "", "", "tokens-file, tls-cert-file, tls-key-file, tls-client-ca-file"},
	} {
		got, err := runWith(t, test.old, nil).reload(test.next)
		if err != nil {
			t.Errorf("%q to %q: %v", test.old, test.next, err)
			continue
		}
		if keysOf(got.Changed) != test.changed || keysOf(got.Restart) != test.restart {
			t.Errorf("%q to %q: %s change, %s for a restart; want %s and %s",
				test.old, test.next, keysOf(got.Changed), keysOf(got.Restart), test.changed, test.restart)
		}
	}
}

// TestEverySettingIsToldByDiff changes each setting alone, and knows by name what is reloadable.
func TestEverySettingIsToldByDiff(t *testing.T) {
	others := map[reflect.Type]string{
		reflect.TypeFor[Address](): "[::1]:1", reflect.TypeFor[AdminAddress](): "off", reflect.TypeFor[LogLevel](): "debug",
		reflect.TypeFor[LogFormat](): "json", reflect.TypeFor[Folder](): "x", reflect.TypeFor[Durability](): "none",
		reflect.TypeFor[ParquetFolder](): "off", reflect.TypeFor[string](): "x", reflect.TypeFor[Switch](): "true",
	}
	var got []string
	for _, s := range settings() {
		text := s.high
		if text == "" {
			text = others[s.typ]
		}
		old, next := NewLoader(nil).config(), NewLoader(nil).config()
		old.TLSCertFile, next.TLSCertFile = "a", "a"
		if err := s.decode(text, reflect.ValueOf(next).Elem().Field(s.field)); err != nil {
			t.Fatalf("%s: %v", s.key, err)
		}
		want := []Change{{s.key, encode(reflect.ValueOf(old).Elem().Field(s.field)), text}}
		changed, restart := Diff(old, next)
		if diff := cmp.Diff(want, append(changed, restart...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.key, diff)
		}
		if changed != nil {
			got = append(got, s.key)
		}
	}
	if diff := cmp.Diff(reloadable, got); diff != "" {
		t.Errorf("reloadable settings (-want +got):\n%s", diff)
	}
}

// TestReloadWithoutRegularFile does not take the end of a pipe, which was read, for settings.
func TestReloadWithoutRegularFile(t *testing.T) {
	read, writeEnd, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if _, err := writeEnd.WriteString("max-flows: 11\n"); err != nil {
		t.Fatal(err)
	}
	if err := writeEnd.Close(); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join("/dev/fd", strconv.Itoa(int(read.Fd())))
	for _, test := range []struct {
		name  string
		path  string
		spoil func(path string)
		want  string
	}{
		{"pipe", pipe, func(string) {}, "cannot be read again, as it is no regular file: start with one whose settings are to be reloaded"},
		{"gone", write(t, "max-flows: 11"), func(path string) { os.Remove(path) }, "cannot be read: no such file or directory"},
		{"replaced", write(t, "max-flows: 11"), func(path string) { os.Remove(path); os.Mkdir(path, 0o700) }, "cannot be read again, as it is no regular file: start with one whose settings are to be reloaded"},
	} {
		var grammar struct{ Config }
		loader := NewLoader([]string{"FLOWD_CONFIG=" + test.path})
		parser, err := kong.New(&grammar, loader.Options()...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(nil); err != nil || grammar.MaxFlows != 11 {
			t.Fatalf("%s: %+v, %v", test.name, grammar.Config, err)
		}
		test.spoil(test.path)
		_, err = loader.Reload(&grammar.Config)
		if _, text, _ := strings.Cut(problems(t, err), ": "); text != test.want {
			t.Errorf("%s: got %q, want %q", test.name, text, test.want)
		}
	}
}

func TestReloadWithoutFile(t *testing.T) {
	var grammar struct{ Config }
	loader := NewLoader([]string{"FLOWD_SHARDS=2"})
	parser, err := kong.New(&grammar, loader.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--max-flows=3"}); err != nil {
		t.Fatal(err)
	}
	got, err := loader.Reload(&grammar.Config)
	if err != nil || got.Changed != nil || got.Restart != nil || got.Config.MaxFlows != 3 || got.Config.Shards != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestGiven(t *testing.T) {
	r := runWith(t, "admin-listen: 127.0.0.1:8081\n", []string{"FLOWD_SHARDS=2"}, "--max-flows=50000")
	for key, want := range map[string]bool{"admin-listen": true, "shards": true, "max-flows": true, "config": true, "listen": false, "insecure": false} {
		if got := r.loader.Given(key); got != want {
			t.Errorf("%s: got %t, want %t", key, got, want)
		}
	}
}
