// Command flowd adds network flows up and answers hourly questions over HTTP.
//
// Its subcommands have a file each.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
