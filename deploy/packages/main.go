// Command packages builds the .deb and the .rpm of a release. It is a module of its own, so that the server
// does not depend on the packaging library.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

// run builds the packages that the command line describes, and prints the path of each.
func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("packages", flag.ContinueOnError)
	version := flags.String("version", "", "what git describe says")
	epoch := flags.Int64("epoch", 0, "when that was committed, in seconds since 1970; all files are as old")
	arch := flags.String("arch", "", "amd64 or arm64, as Go calls it")
	binary := flags.String("binary", "", "the program flowd for it")
	out := flags.String("out", "", "the folder that the packages are written to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *version == "" || *epoch <= 0 || *arch == "" || *binary == "" || *out == "" {
		return errors.New("give all of --version, --epoch, --arch, --binary and --out")
	}
	p := release{arch: *arch, binary: *binary, time: time.Unix(*epoch, 0).UTC()}
	p.version = packageVersion(*version, p.time)
	for _, format := range []string{"deb", "rpm"} {
		path, err := p.write(format, *out)
		if err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
		fmt.Fprintln(stdout, path)
	}
	return nil
}

// packageVersion converts a version from git describe to one that packages sort in the order of commits:
// both formats sort ~ before nothing, and + after it.
//
//	v1.2.3               1.2.3
//	v1.2.3-rc.1          1.2.3~rc.1
//	v1.2.3-5-g0a1b2c3    1.2.3+5.g0a1b2c3
//	0a1b2c3, no tag yet  0~20261123120000.0a1b2c3
func packageVersion(described string, committed time.Time) string {
	described, dirty := strings.CutSuffix(described, "-dirty")
	number, tagged := strings.CutPrefix(described, "v")
	var version string
	if tagged && number != "" && number[0] >= '0' && number[0] <= '9' {
		version = taggedVersion(number)
	} else {
		version = "0~" + committed.Format("20060102150405") + "." + strings.Trim(described, "()")
	}
	if dirty {
		version += "+dirty"
	}
	return version
}

// taggedVersion implements packageVersion for a tag, with the commits since then.
func taggedVersion(number string) string {
	since := ""
	if parts := strings.Split(number, "-"); len(parts) > 2 && strings.HasPrefix(parts[len(parts)-1], "g") {
		n := len(parts)
		number, since = strings.Join(parts[:n-2], "-"), "+"+parts[n-2]+"."+parts[n-1]
	}
	return strings.Replace(number, "-", "~", 1) + since
}

// release is the content of the packages of one architecture.
type release struct {
	version, arch, binary string
	time                  time.Time // time of the commit
}

// write writes one package and returns its path. The same content makes the same package.
func (p *release) write(format, folder string) (path string, err error) {
	config, err := nfpm.ParseFileWithEnvMapping("nfpm.yaml", func(name string) string {
		return map[string]string{"VERSION": p.version, "ARCH": p.arch, "BINARY": p.binary}[name]
	})
	if err != nil {
		return "", err
	}
	info, err := config.Get(format)
	if err != nil {
		return "", err
	}
	info.MTime = p.time // applies to the files too
	nfpm.WithDefaults(info)
	packager, err := nfpm.Get(format)
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, packager.ConventionalFileName(info))
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			err = errors.Join(err, os.Remove(path)) // the file is incomplete
		}
	}()
	return path, packager.Package(info, file)
}
