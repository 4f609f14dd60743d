package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxFile is the longest settings file in bytes; all settings together need about 1 KiB.
const maxFile = 1 << 20

// loadFile parses the settings of a YAML file.
func loadFile(path string) []given {
	data, err := readFile(path)
	if err != nil {
		return []given{{place: path, wrong: err.Error()}}
	}
	return readYAML(path, data)
}

// readFile reads a settings file once, from its start to its end, so that it may be a pipe.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", cause(err))
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", cause(err))
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("is no settings file: it is longer than %s", Size(maxFile))
	}
	return data, nil
}

// cause strips the path from an error of package os, since the place of the problem names it.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// yamlLine matches the line in an error of the YAML package, which has no type for it.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// readYAML returns the settings in a YAML document: one mapping of keys to scalars. A scalar is used as it
// is written, so that 010 is ten in every source. path is used for the places.
func readYAML(path string, data []byte) []given {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, more yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if err = decoder.Decode(&more); err == nil {
			return []given{{place: at(path, more.Line), wrong: "a second document begins here; settings are one document"}}
		}
	}
	if !errors.Is(err, io.EOF) {
		line := 1
		match := yamlLine.FindStringSubmatch(err.Error())
		if match != nil && match[1] != "" {
			line, _ = strconv.Atoi(match[1])
		}
		return []given{{place: at(path, line), wrong: "is not YAML: " + yamlLine.ReplaceAllString(err.Error(), "")}}
	}
	root := document.Content[0]
	switch {
	case root.Kind == yaml.ScalarNode && root.Tag == "!!null":
		return nil
	case root.Kind != yaml.MappingNode:
		return []given{{place: at(path, root.Line), wrong: `settings are lines of the form "key: value"`}}
	}
	return readMapping(path, root)
}

func readMapping(path string, root *yaml.Node) []given {
	var values []given
	lines := map[string]int{} // line of each key
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		v := given{place: at(path, key.Line), wrong: wrongPair(key, value, lines)}
		if v.wrong == "" {
			v.key, v.text = key.Value, value.Value
		}
		values = append(values, v)
		if key.Kind == yaml.ScalarNode {
			lines[key.Value] = key.Line
		}
	}
	return values
}

// wrongPair says why key and value are not a setting, or returns nothing if they are. lines has the lines
// of the preceding keys.
func wrongPair(key, value *yaml.Node, lines map[string]int) string {
	if key.Kind != yaml.ScalarNode {
		return "a key is a plain word"
	}
	if first, twice := lines[key.Value]; twice {
		return fmt.Sprintf("key %q stands on line %d already", key.Value, first)
	}
	if _, known := settingOf(key.Value); !known {
		var keys []string
		for _, s := range settings() {
			keys = append(keys, s.key)
		}
		return fmt.Sprintf("unknown key %q%s", key.Value, suggest(key.Value, keys))
	}
	if key.Value == "config" {
		return `key "config" names this file; give it by flag or by environment`
	}
	if value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
		return fmt.Sprintf("key %q needs one plain value", key.Value)
	}
	return ""
}

func at(path string, line int) string { return path + ":" + strconv.Itoa(line) }
