package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// setting describes a field of Config: its key, and the values that it accepts.
type setting struct {
	key   string
	env   string
	field int
	typ   reflect.Type
	// low and high are the range as the tag has it; both are empty without a range.
	low, high string
	// preset is the default, or empty without one.
	preset string
	// reload tells that the setting may change while the server runs.
	reload bool
}

// settings returns the fields of Config in their order.
func settings() []setting {
	typ := reflect.TypeFor[Config]()
	all := make([]setting, typ.NumField())
	for i := range all {
		field := typ.Field(i)
		key := field.Tag.Get("name")
		low, high, _ := strings.Cut(field.Tag.Get("range"), "..")
		all[i] = setting{
			key: key, env: envName(key), field: i, typ: field.Type, low: low, high: high,
			preset: field.Tag.Get("default"), reload: field.Tag.Get("reload") == "yes",
		}
	}
	return all
}

// settingOf returns the setting with this key.
func settingOf(key string) (setting, bool) {
	for _, s := range settings() {
		if s.key == key {
			return s, true
		}
	}
	return setting{}, false
}

// envName returns the environment variable of a key.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// auto reports whether s may be left to the server.
func (s setting) auto() bool { return s.typ == reflect.TypeFor[AutoSize]() }

// decode parses text into target, a value of the type of s. The error says what is wrong with text and what
// the setting accepts, but not where text came from.
func (s setting) decode(text string, target reflect.Value) error {
	// An empty text is nearly always a variable that was not set where it should have been. Only a folder
	// gives it a meaning.
	if text == "" && s.typ != reflect.TypeFor[Folder]() {
		return errors.New("is empty; leave it out for the default, or give a value")
	}
	err := decodeText(text, target)
	if s.low == "" || err == nil && text == autoText && s.auto() {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w from %s to %s", err, s.low, s.high)
	}
	low, high := reflect.New(s.typ).Elem(), reflect.New(s.typ).Elem()
	if err := errors.Join(decodeText(s.low, low), decodeText(s.high, high)); err != nil {
		return err
	}
	if target.Int() < low.Int() || target.Int() > high.Int() {
		return fmt.Errorf("%q is out of range: %s to %s", text, s.low, s.high)
	}
	return nil
}

// decodeText parses text into target by the type of target, without regard to any range.
func decodeText(text string, target reflect.Value) error {
	switch to := target.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return to.UnmarshalText([]byte(text))
	case *string:
		*to = text
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New(notA(text, "whole number"))
		}
		*to = n
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New(notA(text, "duration such as 500ms, 30s or 2m,"))
		}
		*to = d
	default:
		return fmt.Errorf("no setting can be of type %s", target.Type())
	}
	return nil
}

// encode writes value in the form that decode accepts.
func encode(value reflect.Value) string {
	d, ok := value.Interface().(time.Duration)
	if !ok {
		return fmt.Sprint(value.Interface())
	}
	// Go writes two minutes as 2m0s; people write 2m.
	text := d.String()
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}
