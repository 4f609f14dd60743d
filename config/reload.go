package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
)

// Change is a setting with another value than before, both in the form that every source takes.
type Change struct {
	Key  string `json:"key"`
	From string `json:"from"`
	To   string `json:"to"`
}

// Diff returns the settings in which next differs from old, in the order of the help: those that
// change while the server runs, and those that wait for its restart. Both are checked settings.
//
// Some can be reloaded from one value to another, but not be given up, as that would open what
// was closed: without tokens-file everybody may do everything. Nor does TLS come or go.
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

// needsRestart tells whether a setting that can be reloaded cannot be from old to next.
func needsRestart(key string, old, next *Config) bool {
	switch key {
	case "tokens-file":
		return next.TokensFile == ""
	case "tls-cert-file", "tls-key-file", "tls-client-ca-file":
		return (old.TLSCertFile == "") != (next.TLSCertFile == "")
	}
	return false
}

// Reloaded is what a second look at the sources of the settings found.
type Reloaded struct {
	// Config is what is in force from now on: what was before, with Changed.
	Config *Config
	// Changed are the settings that have another value now, Restart those that will have one once
	// the server is started again; see Diff.
	Changed, Restart []Change
}

// Reload reads the sources again: the flags and the environment as they were, and the file as it
// is now. running is what is in force, and stays as it is.
//
// The error is an *Error, and then nothing may change. It has all that is wrong with the file, as
// at a start; and what would be wrong between settings that change now and those that wait for a
// restart.
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
		if p.Place == sourceDefault { // what was given before is given no more
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

// unreadableAgain says why the settings file cannot be read a second time. A pipe is empty then,
// and all that it had said would be given up.
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

// merge returns base with the settings of next that changed.
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
