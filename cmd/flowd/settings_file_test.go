package main

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/config"
)

// sample is the settings file with every key.
const sample = "../../deploy/flowd.yaml"

// documented is a setting as some document has it.
type documented struct {
	Key, Value, Help string
}

// ofStruct returns the settings as the program has them, but config, which names the file.
func ofStruct(t *testing.T) []documented {
	t.Helper()
	var all []documented
	typ := reflect.TypeFor[config.Config]()
	for i := range typ.NumField() {
		tag := typ.Field(i).Tag
		if tag.Get("name") == "config" {
			continue
		}
		var more []string
		if low, high, ok := strings.Cut(tag.Get("range"), ".."); ok {
			more = append(more, low+" to "+high)
		}
		if tag.Get("reload") != "" {
			more = append(more, "reloadable")
		}
		if tag.Get("default") == "" {
			more = append(more, "no default")
		}
		help := tag.Get("help")
		if more != nil {
			help += " [" + strings.Join(more, "; ") + "]"
		}
		all = append(all, documented{tag.Get("name"), tag.Get("default"), help})
	}
	return all
}

// ofFile reads the settings out of the comments of the sample: the lines right above a key are its
// help.
func ofFile(t *testing.T) []documented {
	t.Helper()
	text, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	var all []documented
	var help []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		comment, ok := strings.CutPrefix(line, "#")
		key, value, isSetting := strings.Cut(comment, ": ")
		switch {
		case line == "":
			help = nil
		case !ok:
			t.Errorf("%q is no comment", line)
		case isSetting && regexp.MustCompile(`^[a-z-]+$`).MatchString(key):
			all = append(all, documented{key, value, strings.Join(help, " ")})
			help = nil
		default:
			help = append(help, strings.TrimPrefix(comment, " "))
		}
	}
	return all
}

// TestSampleSettingsAreThoseOfTheProgram holds keys, order, defaults, ranges and help.
func TestSampleSettingsAreThoseOfTheProgram(t *testing.T) {
	want, got := ofStruct(t), ofFile(t)
	for i := range got {
		// What has no default stands there with an example.
		if strings.HasSuffix(got[i].Help, "no default]") {
			got[i].Value = ""
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-program +file):\n%s", sample, diff)
	}
}

// TestHelpHasTheSameSettings holds keys, order and defaults of flowd serve --help.
func TestHelpHasTheSameSettings(t *testing.T) {
	var stdout, stderr strings.Builder
	if code := run(context.Background(), []string{"serve", "--help"}, nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	var got []documented
	for _, match := range regexp.MustCompile(`(?m)^ +--([a-z-]+)(?:=(\S+))?(?: |$)`).FindAllStringSubmatch(stdout.String(), -1) {
		if match[1] != "config" {
			got = append(got, documented{Key: match[1], Value: match[2]})
		}
	}
	var want []documented
	for _, s := range ofStruct(t) {
		switch {
		case s.Value == "":
			s.Value = "FILE"
		case s.Value == "false": // of a flag that needs no value
			s.Value = ""
		}
		want = append(want, documented{Key: s.Key, Value: s.Value})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flowd serve --help (-want +got):\n%s", diff)
	}
}

// TestSampleIsGood reads the sample as it is, and with what is commented out.
func TestSampleIsGood(t *testing.T) {
	text, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	hasDefault := map[string]bool{}
	for _, s := range ofStruct(t) {
		hasDefault[s.Key] = s.Value != ""
	}
	setting := regexp.MustCompile(`(?m)^#([a-z-]+): .*$`)
	uncommented := func(which func(key string) bool) string {
		return setting.ReplaceAllStringFunc(string(text), func(line string) string {
			if key := setting.FindStringSubmatch(line)[1]; which(key) {
				return line[1:]
			}
			return line
		})
	}
	check := func(text string) (*config.Config, int) {
		path := filepath.Join(t.TempDir(), "flowd.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, given, err := config.Check(path)
		if err != nil {
			t.Fatal(err)
		}
		return c, len(given)
	}
	defaults, given := check(string(text))
	if given != 0 {
		t.Errorf("as it is, the file gives %d settings, want none", given)
	}
	withDefaults, given := check(uncommented(func(key string) bool { return hasDefault[key] }))
	if diff := cmp.Diff(defaults, withDefaults); diff != "" || given < 40 {
		t.Errorf("%d settings; with all that have a default it differs (-default +file):\n%s", given, diff)
	}
	all, given := check(uncommented(func(string) bool { return true }))
	if given != len(hasDefault) || all.TokensFile == "" || all.TLSClientCAFile == "" {
		t.Errorf("with all settings it gives %d, want %d: %+v", given, len(hasDefault), all)
	}
}
