package config

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	path := write(t, "# ours\nmax-flows: 9\ntokens-file: tokens.yaml\nlisten: :80\n")
	c, given, err := Check(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Setting{{"listen", ":80", path + ":4", ""}, {"tokens-file", "tokens.yaml", path + ":3", ""}, {"max-flows", "9", path + ":2", ""}}
	if diff := cmp.Diff(want, given); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if c.Listen != ":80" || c.TokensFile != "tokens.yaml" || c.MaxFlows != 9 || c.MaxQueries != 32 {
		t.Errorf("got %+v", c)
	}
}

func TestCheckOfWrongFiles(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"listen: :80\n", "flowd.yaml:1: listen is :80, which is beyond loopback, but there is no tokens-file, so that any client that reaches it could do everything: " +
			"give tokens-file, or an address of loopback such as 127.0.0.1:8080, or insecure if that is what you want"},
		{"listen: :80\ninsecure: yes\nmax-flows: 0\ntokens-file: t\n", "flowd.yaml:2: insecure: \"yes\" is not true or false\nflowd.yaml:3: max-flows: \"0\" is out of range: 1 to 1000000"},
		{"config: other.yaml\n", `flowd.yaml:1: key "config" names this file; give it by flag or by environment`},
	} {
		c, _, err := Check(write(t, test.file))
		if diff := cmp.Diff(test.want, problems(t, err)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.file, diff)
		}
		if c == nil || c.MaxQueries != 32 || test.file[0] == 'l' && c.Listen != ":80" {
			t.Errorf("%q: got %+v", test.file, c)
		}
	}
}

// TestConfigIsWhatTheCommandLineMakes compares the two ways from texts to settings.
func TestConfigIsWhatTheCommandLineMakes(t *testing.T) {
	r := runWith(t, "max-flows: 9\nqueue-wait: 3s\nshards: 4\n", []string{"FLOWD_MAX_FLOWS=8", "FLOWD_DATA=", "FLOWD_DURABILITY=none"}, "--shards=8", "--insecure", "--listen=:1")
	if diff := cmp.Diff(r.config, r.loader.config()); diff != "" {
		t.Errorf("settings (-command line +config):\n%s", diff)
	}
}

// FuzzFile gives whole settings files: whatever they hold, a problem has its line, and settings
// that are right are the same once they are written out and read again.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"listen: :1\nmax-flows: 1\n", "{a: &a [*a]}", "a: &a b\n*a : c\n", "---\n---\n", "%YAML 1.1\n---\n", "? a\n",
		"!!binary x: y", "max-flows: !!int '1'", "|\n", "\xef\xbb\xbflisten: :1", "\xff\xfel\x00", "a: >\n x\n", "<<: *x",
		"listen: :1\ninsecure: true\nadmin-listen: off\n", "tls-cert-file: a\n\ntls-client-ca-file: c\n", "listen: [::1]:1",
		"rate-flows: 1\nrate-flows-burst: 1\nmax-tuples: 1\n", "data: ''\ndurability: none\nretention: 1.5h\n", "max-body-bytes: 1 GiB\n",
		"listen: localhost:8081\nadmin-listen: 127.0.0.1:08081\nlog-level: debug\nshards: 1024\n",
	} {
		f.Add([]byte(seed))
	}
	place := regexp.MustCompile(`^flowd\.yaml:[1-9][0-9]*$`)
	f.Fuzz(func(t *testing.T, data []byte) {
		l := NewLoader(nil)
		l.keep(readYAML("flowd.yaml", data))
		c := l.config()
		if err := l.check(c); err != nil {
			for _, p := range err.(*Error).Problems {
				if !place.MatchString(p.Place) || p.Text == "" {
					t.Errorf("problem without a line or a text: %+v", p)
				}
			}
			return
		}
		again := NewLoader(nil)
		for _, s := range l.Report(c) {
			if l.Given(s.Key) {
				again.keep([]given{{key: s.Key, text: s.Value, place: "again"}})
			}
		}
		written := again.config()
		if err := again.check(written); err != nil {
			t.Errorf("written out it is wrong: %v", err)
		}
		if changed, restart := Diff(c, written); changed != nil || restart != nil {
			t.Errorf("written out it differs: %v %v", changed, restart)
		}
	})
}
