package main

import (
	"flowd/httpapi"
	"flowd/web"
)

// newPage returns the page that this binary was built with, or the one that says that there is
// none.
func newPage() (*httpapi.Page, error) {
	files, _ := web.Page()
	return httpapi.NewPage(files)
}
