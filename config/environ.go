package config

import (
	"regexp"
	"slices"
	"strings"
)

// given is one item of a source: the value of a setting, or something that is not a setting.
type given struct {
	key, text string
	// place is where the source has it: "FLOWD_SHARDS", "flowd.yaml:7".
	place string
	// wrong says why it is not the value of a setting; then key and text are empty.
	wrong string
}

// serviceLink matches the variables that Kubernetes sets in every container for each service of its
// namespace. They must not stop the server if a service is called flowd.
var serviceLink = regexp.MustCompile(
	`^FLOWD(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// isServiceLink reports whether Kubernetes set this variable. FLOWD_PORT alone could be a misspelt setting,
// so its value must look like that of Kubernetes: tcp://10.0.0.1:8080.
func isServiceLink(name, value string) bool {
	if strings.HasPrefix(name, envPrefix) && strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://") {
		return true
	}
	return serviceLink.MatchString(name)
}

// readEnviron returns the settings in environ, which has the form of os.Environ, sorted by name.
func readEnviron(environ []string) []given {
	keys := map[string]string{}
	var names []string
	for _, s := range settings() {
		keys[s.env] = s.key
		names = append(names, s.env)
	}
	var values []given
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		key, known := keys[name]
		switch {
		case known:
			values = append(values, given{key: key, text: text, place: name})
		case name == "FLOWD_SERVER" || name == "FLOWD_TOKEN" || name == "FLOWD_TOKEN_FILE":
			// They are for flowd query, which may run in the same environment.
		case strings.HasPrefix(name, envPrefix) && !isServiceLink(name, text):
			wrong := "is no setting of flowd" + suggest(name, names)
			values = append(values, given{place: name, wrong: wrong})
		}
	}
	slices.SortStableFunc(values, func(a, b given) int { return strings.Compare(a.place, b.place) })
	return values
}
