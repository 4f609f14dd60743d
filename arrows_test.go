package flowd_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrow is a folder, and what its package may import of this program.
type arrow struct {
	folder  string
	imports []string
}

// arrows says which packages of this program a package may import: the first line that matches
// its folder holds. A pattern ending in /... is a folder and all below it. Tests of a package
// may import more, to try it with the parts that it works with.
var arrows = []arrow{
	{".", nil},
	{"cmd/...", []string{"..."}},
	{"flow", []string{"flow/swar"}},
	{"flow/swar", nil},
	{"flow/flowjson", []string{"flow", "flow/swar"}},
	{"disk", nil},
	{"disk/crashfs", []string{"disk"}},
	{"wal", []string{"disk"}},
	{"clock", nil},
	{"block", []string{"disk", "flow"}},
	{"block/duckdb", nil},
	{"dedupe", []string{"flow", "limit"}},
	{"shard", []string{"flow", "limit"}},
	{"view", []string{"disk", "flow", "block"}},
	{"store/manifest", []string{"clock", "disk", "flow", "block"}},
	{"local", []string{"store/manifest", "clock", "disk", "flow", "limit", "wal", "block", "dedupe", "shard", "view"}},
	{"datadir", []string{"store/manifest", "disk", "flow", "wal", "block", "dedupe", "view"}},
	{"query", []string{"flow"}},
	{"certs", nil},
	{"humanize", []string{"flow"}},
	{"problem", nil},
	{"httpapi/reject", []string{"flow", "logs"}},
	{"httpapi/format", []string{"flow"}},
	{"httpapi/params", []string{"access", "flow", "httpapi/format", "httpapi/reject", "query"}},
	{"httpapi/reservation", []string{"limit"}},
	{"httpapi/conn", []string{"access", "certs", "httpapi/reject", "httpapi/reservation", "humanize", "limit", "logs"}},
	{"httpapi/answer", []string{"flow", "httpapi/format", "httpapi/reject", "limit", "logs", "query"}},
	{"httpapi/ingest", []string{"access", "flow", "flow/flowjson", "httpapi/conn", "httpapi/format", "httpapi/reject", "httpapi/reservation", "humanize", "limit"}},
	{"httpapi/admin", []string{"access", "flow", "httpapi/conn", "httpapi/format", "httpapi/reject", "logs"}},
	{"httpapi/certtest", nil},
	{"httpapi", []string{"access", "flow", "flow/flowjson", "httpapi/...", "limit", "logs", "query"}},
	{"web", nil},
	{"web/browser", nil},
	{"deploy/...", nil},
	{"client", []string{"disk", "flow", "flow/flowjson", "problem"}},
	{"config", nil},
	{"access", nil},
	{"limit", nil},
	{"logs", nil},
	{"loadtest/flowfile", []string{"flow"}},
	{"loadtest/bench", []string{"clock", "disk", "flow", "flow/flowjson", "block", "store/manifest", "loadtest/..."}},
	{"loadtest", []string{"flow", "flow/flowjson", "problem"}},
	{"loadtest/load", []string{"flow", "flow/flowjson", "loadtest", "loadtest/verify", "loadtest/process"}},
	{"loadtest/verify", []string{"flow", "loadtest"}}, // it shares no code with the server
	{"loadtest/crash", []string{"flow", "flow/flowjson", "loadtest", "loadtest/verify", "loadtest/child"}},
	{"loadtest/replay", []string{"client", "flow", "flow/flowjson", "loadtest"}},
	{"loadtest/demo", []string{"flow", "flow/flowjson", "loadtest", "problem"}},
	{"loadtest/faulty", []string{"httpapi", "local"}}, // for tests
	{"loadtest/child", nil},
	{"loadtest/process", nil},
}

const (
	module      = "flowd"
	longestFile = 400
	longestFunc = 70
	mostFiles   = 20
	mostLines   = 3000
)

// source is a Go file of the program.
type source struct {
	path   string // "shard/table.go"
	text   string
	syntax *ast.File
	set    *token.FileSet
}

func (s source) folder() string { return path.Dir(s.path) }
func (s source) isTest() bool   { return strings.HasSuffix(s.path, "_test.go") }

// at returns the place of node for a message.
func (s source) at(node ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.set.Position(node.Pos()).Line)
}

// sources reads every Go file below the root of the module.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch base := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (base == "testdata" || base == "bin" || base == "node_modules" || len(base) > 1 && base[0] == '.'):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(base) != ".go":
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		syntax, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(name), string(text), syntax, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("found %d Go files: this test does not stand at the root of the program", len(all))
	}
	return all
}

func matches(pattern, folder string) bool {
	if above, ok := strings.CutSuffix(pattern, "..."); ok {
		return strings.HasPrefix(folder+"/", above)
	}
	return pattern == folder
}

func TestArrows(t *testing.T) {
	for _, s := range sources(t) {
		line := slices.IndexFunc(arrows, func(a arrow) bool { return matches(a.folder, s.folder()) })
		if line < 0 {
			t.Errorf("%s: folder %s has no line in arrows", s.path, s.folder())
			continue
		}
		if s.isTest() {
			continue
		}
		for _, spec := range s.syntax.Imports {
			imported, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/")
			if ours && !slices.ContainsFunc(arrows[line].imports, func(p string) bool { return matches(p, imported) }) {
				t.Errorf("%s: %s may not import %s, only %v", s.at(spec), s.folder(), imported, arrows[line].imports)
			}
		}
	}
}

func TestFoldersSayWhatTheyHold(t *testing.T) {
	for _, s := range sources(t) {
		for part := range strings.SplitSeq(s.folder(), "/") {
			if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "types"}, part) {
				t.Errorf("%s: %q says nothing about what lives there", s.path, part)
			}
		}
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if lines := strings.Count(s.text, "\n"); lines > longestFile {
			t.Errorf("%s has %d lines, more than %d", s.path, lines, longestFile)
		}
		if s.isTest() {
			continue
		}
		for _, declaration := range s.syntax.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := s.set.Position(function.End()).Line - s.set.Position(function.Pos()).Line + 1
			if lines > longestFunc {
				t.Errorf("%s: %s has %d lines, more than %d", s.at(function), function.Name.Name, lines, longestFunc)
			}
		}
	}
}

// larger lists the packages that have more than mostLines, and bounds each by its lines at present until it is divided.
var larger = map[string]int{"local": 3475, "loadtest/bench": 3300, "shard": 3320}

func TestPackagesAreSmall(t *testing.T) {
	files, lines := map[string]int{}, map[string]int{}
	for _, s := range sources(t) {
		if !s.isTest() {
			files[s.folder()]++
			lines[s.folder()] += strings.Count(s.text, "\n")
		}
	}
	for folder, n := range files {
		if n > mostFiles {
			t.Errorf("%s has %d files, more than %d", folder, n, mostFiles)
		}
		if most := max(mostLines, larger[folder]); lines[folder] > most {
			t.Errorf("%s has %d lines, more than %d", folder, lines[folder], most)
		}
	}
	for folder := range larger {
		if lines[folder] <= mostLines {
			t.Errorf("%s has %d lines, so it is not larger than %d any more", folder, lines[folder], mostLines)
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, declaration := range s.syntax.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv == nil && function.Name.Name == "init" {
				t.Errorf("%s: an init function runs before anybody asked for it", s.at(function))
			}
		}
	}
}

func TestEveryPackageHasOneComment(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		if _, seen := comments[s.folder()]; !seen && !s.isTest() {
			comments[s.folder()] = nil
		}
		if s.syntax.Doc != nil && !s.isTest() {
			comments[s.folder()] = append(comments[s.folder()], s.path)
		}
	}
	for folder, files := range comments {
		if len(files) != 1 {
			t.Errorf("package %s has its comment in %d files (%v), want one", folder, len(files), files)
		}
	}
}
