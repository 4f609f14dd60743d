// Package web holds the page that a person sees who opens the server in a browser. Its sources
// are in page/; make build writes what becomes of them to dist/, which goes into the binary.
package web

import (
	"embed"
	"io/fs"
)

// A checkout has nothing in dist but a placeholder, so that Go alone can build the program.
//
//go:embed all:dist
var dist embed.FS

//go:embed unbuilt
var unbuilt embed.FS

// Page returns the files of the page: index.html, and below assets/ what that asks for. In a
// binary without the page, built is false, and index.html says how to get one that has it.
func Page() (page fs.FS, built bool) {
	if _, err := fs.Stat(dist, "dist/index.html"); err != nil {
		return below(unbuilt, "unbuilt"), false
	}
	return below(dist, "dist"), true
}

// below returns the files below a folder that is there.
func below(all embed.FS, folder string) fs.FS {
	files, err := fs.Sub(all, folder)
	if err != nil {
		panic("the name of a folder is well-formed: " + err.Error())
	}
	return files
}
