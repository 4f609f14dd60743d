package config

import "reflect"

// sourceDefault is the source of a value that no source gives.
const sourceDefault = "default"

// Setting is a setting in force, and its source.
type Setting struct {
	Key string `json:"key"`
	// Value is in a form that every source accepts, or empty for a setting without a value.
	Value string `json:"value"`
	// Source is "default", a line of the file as "flowd.yaml:7", a variable as "FLOWD_SHARDS",
	// or a flag as "--shards".
	Source string `json:"source"`
	// Auto says how the server computed the value, if that was left to it.
	Auto string `json:"auto,omitempty"`
}

// Report returns every setting of c, which l has filled, in the order of the help.
func (l *Loader) Report(c *Config) []Setting {
	var report []Setting
	for _, s := range settings() {
		report = append(report, Setting{
			Key:    s.key,
			Value:  encode(reflect.ValueOf(c).Elem().Field(s.field)),
			Source: l.source(s.key),
			Auto:   l.auto[s.key],
		})
	}
	return report
}

// Given reports whether a source gives the setting with this key a value, even if that is its default.
func (l *Loader) Given(key string) bool { return l.source(key) != sourceDefault }

func (l *Loader) source(key string) string {
	if _, given := l.flags[key]; given {
		return "--" + key
	}
	if v, ok := l.values[key]; ok {
		return v.place
	}
	return sourceDefault
}
