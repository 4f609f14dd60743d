package web

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"flowd/httpapi"
)

// mostPacked is how many bytes of the page may go over the wire: over a line of 10 Mbit/s it is
// there within half a second.
const mostPacked = 600_000

func TestPageIsSmall(t *testing.T) {
	page, built := Page()
	if !built {
		notBuilt(t)
	}
	var packed bytes.Buffer
	err := fs.WalkDir(page, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(page, name)
		if err != nil {
			return err
		}
		before := packed.Len()
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(text); err != nil {
			return err
		}
		defer func() { t.Logf("%s: %d bytes, %d compressed", name, len(text), packed.Len()-before) }()
		return w.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if packed.Len() > mostPacked {
		t.Errorf("the page has %d bytes compressed, more than %d", packed.Len(), mostPacked)
	}
}

// The page's files all have a place where they are served, and the index asks for nothing that
// is not among them.
func TestPageIsWhole(t *testing.T) {
	page, built := Page()
	if !built {
		notBuilt(t)
	}
	if _, err := httpapi.NewPage(page); err != nil {
		t.Error(err)
	}
	index := read(t, page, "index.html")
	asked := 0
	for part := range strings.SplitSeq(index, `"`) {
		if _, name, ok := strings.Cut(part, "assets/"); ok {
			asked++
			read(t, page, path.Join("assets", name))
		}
	}
	if asked < 2 {
		t.Errorf("the index asks for %d files, want a script and a style sheet: %s", asked, index)
	}
}

// A binary that was built by Go alone has a page too, which says how to get the real one.
func TestUnbuilt(t *testing.T) {
	page := below(unbuilt, "unbuilt")
	if _, err := httpapi.NewPage(page); err != nil {
		t.Error(err)
	}
	text := read(t, page, "index.html")
	for _, want := range []string{"<!doctype html>", `<html lang="en">`, "<title>flowd</title>", "make build", "built without its page"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	// The server lets no script or style in the text run.
	for _, barred := range []string{"<script", "<style", "style=", "http:", "https:"} {
		if strings.Contains(text, barred) {
			t.Errorf("%q in %s", barred, text)
		}
	}
}

func read(t *testing.T, page fs.FS, name string) string {
	t.Helper()
	text, err := fs.ReadFile(page, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// notBuilt skips a test of the page, but where everything must be tested.
func notBuilt(t *testing.T) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("the page is not built, and with CI=true no test is left out: run make page first")
	}
	t.Skip("the page is not built: run make page first")
}
