package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
)

// Change is a setting with its old and its new value, both in the form that every source accepts.
type Change struct {
	Key  string `json:"key"`
	From string `json:"from"`
	To   string `json:"to"`
}

// Diff returns the settings in which next differs from old, in the order of the help: those that change
// while the server runs, and those that require a restart. Both must be checked settings.
//
// Some settings can be reloaded with another value but not removed, since that would open access: without
// tokens-file any client may do everything. TLS cannot be switched on or off by a reload either.
func Diff(old, next *Config) (changed, restart []Change) {
	from, to := reflect.ValueOf(old).Elem(), reflect.ValueOf(next).Elem()
	for _, s := range settings() {
		change := Change{s.key, encode(from.Field(s.field)), encode(to.Field(s.field))}
		switch {
		case change.From == change.To:
		case s.reload && !needsRestart(s.key, old, next):
			changed = append(changed, change)
		default:
			restart = append(restart, change)
		}
	}
	return changed, restart
}

// needsRestart reports whether a setting that can be reloaded requires a restart for the change from old to
// next.
func needsRestart(key string, old, next *Config) bool {
	switch key {
	case "tokens-file":
		return next.TokensFile == ""
	case "tls-cert-file", "tls-key-file", "tls-client-ca-file":
		return (old.TLSCertFile == "") != (next.TLSCertFile == "")
	}
	return false
}

// Reloaded is the result of reading the sources again.
type Reloaded struct {
	// Config is the new settings in force: the previous ones with Changed applied.
	Config *Config
	// Changed are the settings that have a new value now, Restart those that will have one after a restart
	// of the server; see Diff.
	Changed, Restart []Change
}

// Reload reads the sources again: the flags and the environment as at the start, and the current file.
// running is the settings in force; Reload does not change it.
//
// The error is an *Error, and then nothing may change. It has everything that is wrong with the file, as at
// a start, and the conflicts between settings that change now and those that require a restart.
func (l *Loader) Reload(running *Config) (*Reloaded, error) {
	fresh := NewLoader(l.environ)
	fresh.flags, fresh.memory = l.flags, l.memory
	if wrong := unreadableAgain(l.file()); wrong != "" {
		return nil, &Error{[]Problem{{l.file(), wrong}}}
	}
	fresh.read()
	next := fresh.config()
	if err := fresh.check(next); err != nil {
		return nil, err
	}
	changed, restart := Diff(running, next)
	r := &Reloaded{Config: merge(running, next, changed), Changed: changed, Restart: restart}
	var problems []Problem
	for _, p := range fresh.conflicts(r.Config) {
		if p.Place == sourceDefault { // no source gives the setting any more
			p.Place = l.file()
		}
		p.Text += fmt.Sprintf("; what changes at a restart only (%s) is as before until then, so restart the server", keysOf(restart))
		problems = append(problems, p)
	}
	if len(problems) > 0 {
		return nil, &Error{problems}
	}
	return r, nil
}

// unreadableAgain says why the settings file cannot be read a second time. A pipe is empty by then, and
// reading it would reset all settings that it gave.
func unreadableAgain(path string) string {
	if path == "" {
		return ""
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "cannot be read: " + cause(err).Error()
	case !info.Mode().IsRegular():
		return "cannot be read again, as it is no regular file: start with one whose settings are to be reloaded"
	}
	return ""
}

// merge returns base with the changed settings of next.
func merge(base, next *Config, changed []Change) *Config {
	merged := *base
	for _, change := range changed {
		s, _ := settingOf(change.Key)
		reflect.ValueOf(&merged).Elem().Field(s.field).Set(reflect.ValueOf(next).Elem().Field(s.field))
	}
	return &merged
}

func keysOf(changes []Change) string {
	var keys []string
	for _, c := range changes {
		keys = append(keys, c.Key)
	}
	return strings.Join(keys, ", ")
}
