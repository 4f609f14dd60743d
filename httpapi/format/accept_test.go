package format

import (
	"encoding/csv"
	"strings"
	"testing"
)

func TestAccept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ accept, want string }{
		{"", "application/json"},
		{"*/*", "application/json"},
		{"application/json", "application/json"},
		{"text/csv", "text/csv"},
		{"TEXT/CSV", "text/csv"},
		{"text/csv; charset=utf-8", "text/csv"},
		{"text/*", "text/csv"},
		{"application/*", "application/json"},
		{"application/x-ndjson", "application/x-ndjson"},
		{"application/jsonl", "application/jsonl"},
		{"text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", "application/json"},
		{"application/json;q=0.5, text/csv", "text/csv"},
		{"text/csv;q=0.5, application/json;q=0.4", "text/csv"},
		{"application/x-ndjson, */*", "application/x-ndjson"},
		{"*/*, text/csv", "text/csv"},
		{"*/*;q=0.9, text/csv;q=0.1", "application/json"},
		{"text/csv, application/json", "text/csv"},
		{"application/json, text/csv", "application/json"},
		{"application/json;q=0, */*", "application/x-ndjson"},
		{"application/*;q=0, */*;q=0.1", "text/csv"},
		{"text/html", "application/json"},
		{"application/json;q=0", "application/json"},
		{"*/*;q=0", "application/json"},
		{"text/csv;q=x", "application/json"},
		{"csv", "application/json"},
		{"*", "application/json"},
		{"text/html|text/csv;q=0.1", "text/csv"},
		{`text/html;x=",text/csv", application/jsonl;q=0.1`, "application/jsonl"},
	} {
		var values [][]byte
		for value := range strings.SplitSeq(c.accept, "|") {
			values = append(values, []byte(value))
		}
		if got := acceptedType(values); got.Name != c.want {
			t.Errorf("%q: %s, want %s", c.accept, got.Name, c.want)
		}
	}
}

func TestAcceptedEncoding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accept string // values are divided by |
		want   Encoding
	}{
		{"", Identity},
		{"gzip", Gzip},
		{"zstd", Zstd},
		{"GZIP", Gzip},
		{"x-gzip", Gzip},
		{"gzip, deflate, br, zstd", Zstd},
		{"deflate, gzip", Gzip},
		{"br", Identity},
		{"gzip|zstd", Zstd},
		{"br|gzip", Gzip},
		{"*", Zstd},
		{"gzip, *;q=0", Gzip},
		{"zstd;q=0, *", Gzip},
		{"*;q=0", Identity},
		{"identity", Identity},
		{"identity;q=0", Identity},
		{"identity;q=0, gzip", Gzip},
		{"identity;q=1, gzip;q=0.5", Identity},
		{"identity;q=0.5, gzip;q=1", Gzip},
		{"identity, gzip", Gzip},
		{"gzip;q=1.0, zstd;q=0.9", Gzip},
		{"gzip;q=0.001", Gzip},
		{"gzip;q=0.000", Identity},
		{"gzip;q=0", Identity},
		{"gzip ; q = 0.5 ,\tzstd;Q=0.4", Gzip},
		{"gzip;q=0.5;x=y, zstd;q=0.4", Gzip},
		{"gzip;x=y;q=0.3, zstd;q=0.4", Zstd},
		{`gzip;x="a,zstd;q=1\",";q=0.3, zstd;q=0.2`, Gzip},
		{"gzip;q=2", Identity},
		{"gzip;q=1.001", Identity},
		{"gzip;q=-1", Identity},
		{"gzip;q=x, zstd;q=", Identity},
		{"gzip;q", Identity},
		{"gzip;q=0.12345", Gzip},
		{"gzip;q=1.", Gzip},
		{"gzip;q=.5", Identity},
		{",,, ;q=1, gzip", Gzip},
		{"gzippy, zstd2", Identity},
		{`"gzip"`, Identity},
	} {
		var values [][]byte
		for value := range strings.SplitSeq(c.accept, "|") {
			values = append(values, []byte(value))
		}
		if got := AcceptedEncoding(values); got != c.want {
			t.Errorf("%q: %s, want %s", c.accept, EncodingNames[got], EncodingNames[c.want])
		}
	}
}

// A name is read from CSV as it was written.
func TestCSVNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", `"`, `""`, ",", `a,b`, `a"b`, ` a `, "é日", `\`, "=1+1", "a\u00a0b", `",",",`} {
		text := appendCSV(nil, []byte(name))
		record, err := csv.NewReader(strings.NewReader(string(text) + ",x\r\n")).Read()
		if err != nil || len(record) != 2 || record[0] != name {
			t.Errorf("%q is written %s and read %q, %v", name, text, record, err)
		}
	}
}

// FuzzAccept takes apart what stands in Accept and Accept-Encoding.
func FuzzAccept(f *testing.F) {
	for _, seed := range []string{
		"", "*", `W/"a", "b"`, `"a`, "gzip;q=0.5, zstd", "text/csv;q=1;x=\"a,\\\",b\", */*;q=0", ",;=,q", "W/W/\"\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for p := range preferences([][]byte{text}) {
			if p.weight < 0 || p.weight > mostWanted || len(p.name) == 0 || len(p.name) != len(TrimSpace(p.name)) {
				t.Errorf("%q: %q with %d", text, p.name, p.weight)
			}
		}
		if got := AcceptedEncoding([][]byte{text}); got != Identity && !strings.Contains(strings.ToLower(string(text)), EncodingNames[got]) && !strings.Contains(string(text), "*") {
			t.Errorf("%q: %s", text, EncodingNames[got])
		}
		if acceptedType([][]byte{text}) == nil {
			t.Errorf("%q: no type", text)
		}
	})
}
