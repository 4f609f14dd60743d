package main

import (
	"io/fs"
	"net/http"
	"testing"

	"flowd/web"
)

// The program shows the page that it was built with.
func TestPageIsServed(t *testing.T) {
	page, _ := web.Page()
	index, err := fs.ReadFile(page, "index.html")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	if status, body, err := s.get("/"); status != http.StatusOK || body != string(index) {
		t.Errorf("GET /: %d, %v\n%s", status, err, body)
	}
}
