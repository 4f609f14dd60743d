package config

import "reflect"

// Check parses a settings file alone, without flags and environment: settings that the file does not give
// have their defaults. It returns the settings that the file gives, in the order of the help.
//
// The error is an *Error with everything that is wrong. The Config is never nil; with an error it holds the
// valid settings.
func Check(path string) (*Config, []Setting, error) {
	l := NewLoader(nil)
	l.keep(loadFile(path))
	c := l.config()
	var given []Setting
	for _, s := range l.Report(c) {
		if s.Source != sourceDefault {
			given = append(given, s)
		}
	}
	return c, given, l.check(c)
}

// config returns the settings that result from the sources of l, which must have been read.
func (l *Loader) config() *Config {
	c := new(Config)
	for _, s := range settings() {
		text, given := l.flags[s.key]
		if v, ok := l.values[s.key]; ok && !given {
			text, given = v.text, true
		}
		if !given {
			text = s.preset
		}
		if text == "" && !given {
			continue
		}
		// Each text was decoded once before, when it was read; tests decode the defaults.
		if err := s.decode(text, reflect.ValueOf(c).Elem().Field(s.field)); err != nil {
			l.problems = append(l.problems, Problem{l.source(s.key), err.Error()})
		}
	}
	l.resolve(c)
	return c
}

// check returns everything that is wrong with c, which results from the sources of l, as an *Error.
// Settings are compared with each other only if each one alone is valid.
func (l *Loader) check(c *Config) error {
	problems := l.problems
	if len(problems) == 0 {
		l.resolve(c)
		problems = l.conflicts(c)
	}
	if len(problems) > 0 {
		return &Error{problems}
	}
	return nil
}
