package answer

import (
	"strings"
	"testing"
)

// FuzzTags takes apart what stands in If-None-Match.
func FuzzTags(f *testing.F) {
	for _, seed := range []string{
		"", "*", `W/"a", "b"`, `"a`, "gzip;q=0.5, zstd", "text/csv;q=1;x=\"a,\\\",b\", */*;q=0", ",;=,q", "W/W/\"\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if listsTag(text, `"tag"`) && !strings.Contains(string(text), `"tag"`) {
			t.Errorf("%q lists a tag that it does not have", text)
		}
		if alone := append([]byte(`"x" , W/"tag",`), text...); !listsTag(alone, `"tag"`) {
			t.Errorf("%q does not list its tag", alone)
		}
	})
}
