package config

import (
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// Problem is one thing wrong with the settings.
type Problem struct {
	// Place is where the problem is: "flowd.yaml:7", "FLOWD_SHARDS", "--queue-wait".
	Place string
	// Text says what is wrong, and what is expected instead.
	Text string
}

// Error holds everything that is wrong with the settings; Problems is never empty.
type Error struct{ Problems []Problem }

// Error returns one line for each problem, each beginning with its place.
func (e *Error) Error() string {
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.Place+": "+p.Text)
	}
	return strings.Join(lines, "\n")
}

// Loader fills a Config that is part of a command line parsed by kong. It serves one parse, and any number
// of calls of Reload after that.
//
//	flags ─── kong ── Decode ──┐
//	environment ── readEnviron ┼─ load: check all, keep the strongest ── Resolve ── kong ── Config
//	file ───────── loadFile ───┘
type Loader struct {
	environ  []string
	values   map[string]given
	flags    map[string]string // the texts of the flags given
	problems []Problem

	memory Memory
	auto   map[string]string // how the sizes set to auto were computed
}

// NewLoader returns a loader for an environment in the form of os.Environ.
func NewLoader(environ []string) *Loader {
	return &Loader{environ: environ, values: map[string]given{}, flags: map[string]string{}}
}

// Options returns the options with which kong.New can read a grammar that embeds Config.
func (l *Loader) Options() []kong.Option {
	options := []kong.Option{kong.Bind(l), kong.Resolvers(l), kong.ValueFormatter(help)}
	for _, s := range settings() {
		options = append(options, kong.TypeMapper(s.typ, l))
	}
	return options
}

// help appends to the help of a flag its values, whether a reload changes it, and its environment variable.
func help(value *kong.Value) string {
	s, ok := settingOf(value.Name)
	if !ok {
		return value.Help
	}
	more := "$" + s.env
	if s.reload {
		more = "reloadable, " + more
	}
	if s.low != "" {
		more = s.low + " to " + s.high + ", " + more
	}
	return value.Help + " (" + more + ")"
}

// BeforeResolve is called by kong once the flags are known, for a command with settings.
func (*Config) BeforeResolve(ctx *kong.Context, l *Loader) error {
	l.load(ctx)
	return nil
}

// AfterApply is called by kong once all settings are in place. It returns an *Error if anything was wrong
// in any source.
func (c *Config) AfterApply(l *Loader) error { return l.check(c) }

// load stores the flags that were given, and reads the other sources.
func (l *Loader) load(ctx *kong.Context) {
	for _, path := range ctx.Path {
		if path.Flag == nil {
			continue
		}
		if _, ok := settingOf(path.Flag.Name); ok {
			l.flags[path.Flag.Name] = encode(reflect.ValueOf(ctx.FlagValue(path.Flag)))
		}
	}
	l.read()
}

// read reads the environment and the file, checks everything that they hold, and keeps for each setting the
// value of the stronger source.
func (l *Loader) read() {
	l.keep(readEnviron(l.environ))
	if file := l.file(); file != "" {
		l.keep(loadFile(file))
	}
}

// file returns the path of the settings file, or nothing if no source gives one. It is known once the
// environment is read.
func (l *Loader) file() string {
	if path, given := l.flags["config"]; given {
		return path
	}
	return l.values["config"].text
}

// keep checks values, and stores those of settings that no stronger source gives.
func (l *Loader) keep(values []given) {
	for _, v := range values {
		if v.wrong != "" {
			l.problems = append(l.problems, Problem{v.place, v.wrong})
			continue
		}
		s, _ := settingOf(v.key)
		if err := s.decode(v.text, reflect.New(s.typ).Elem()); err != nil {
			text := err.Error()
			if v.place != s.env {
				text = v.key + ": " + text
			}
			l.problems = append(l.problems, Problem{v.place, text})
			continue
		}
		if _, stronger := l.values[v.key]; !stronger {
			l.values[v.key] = v
		}
	}
}

// Decode parses the text of a setting for kong: that of a flag, of a default, or of a value that Resolve
// returned. An invalid flag is recorded for the report, so that kong continues with the next one.
func (l *Loader) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	text := "true" // of a switch without a value
	if !ctx.Value.IsBool() || ctx.Scan.Peek().Type == kong.FlagValueToken {
		token, err := ctx.Scan.PopValue("value")
		if err != nil {
			return err
		}
		text = token.String()
	}
	s, ok := settingOf(ctx.Value.Name)
	if !ok {
		return decodeText(text, target)
	}
	if err := s.decode(text, target); err != nil {
		l.problems = append(l.problems, Problem{"--" + s.key, err.Error()})
	}
	return nil
}

// Resolve returns the value of a flag that was not given.
func (l *Loader) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	v, ok := l.values[flag.Name]
	if !ok {
		return nil, nil
	}
	return v.text, nil
}

// Validate implements kong.Resolver; AfterApply has reported what was wrong.
func (*Loader) Validate(*kong.Application) error { return nil }
