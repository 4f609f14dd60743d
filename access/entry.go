package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// entryKeys are the keys of an entry.
var entryKeys = []string{"name", "sha256", "certificate", "scopes", "vpcs", "expires"}

// entry parses an entry, and records its grant if nothing is wrong with it.
func (r *reader) entry(node *yaml.Node) {
	values := r.mapping(node, "a token", entryKeys)
	if values == nil {
		return
	}
	for _, key := range []string{"name", "scopes"} {
		if _, given := values[key]; !given {
			r.wrong(node.Line, "needs key %q", key)
		}
	}
	_, byDigest := values["sha256"]
	_, byCertificate := values["certificate"]
	if byDigest == byCertificate {
		r.wrong(node.Line, `needs one of the keys "sha256", for a client that sends a token, and "certificate"`)
	}
	grant := &Grant{
		Name:    r.name(values["name"]),
		Scopes:  r.scopes(values["scopes"]),
		VPCs:    r.vpcs(values["vpcs"]),
		Expires: r.expires(values["expires"]),
	}
	if wide := grant.Scopes & (Metrics | Admin); wide != 0 && !grant.VPCs.All() {
		r.wrong(values["vpcs"].Line, "vpcs: scope %s shows more than some VPCs; leave one of both out", wide)
	}
	if node := values["sha256"]; node != nil {
		r.digest(node, grant)
	}
	if node := values["certificate"]; node != nil {
		r.certificate(node, grant)
	}
}

// scalar returns the text of the value of key, and whether there is one.
func (r *reader) scalar(node *yaml.Node, key string) (string, bool) {
	if node == nil {
		return "", false
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || node.Style&yaml.TaggedStyle != 0 {
		r.wrong(node.Line, "%s: needs one plain value", key)
		return "", false
	}
	return node.Value, true
}

// once records the line of a value that must be unique, and reports whether it is the first one.
func (r *reader) once(line int, key, value string) bool {
	if first, twice := r.lines[key+" "+value]; twice {
		r.wrong(line, "%s: the same stands on line %d already", key, first)
		return false
	}
	r.lines[key+" "+value] = line
	return true
}

func (r *reader) name(node *yaml.Node) string {
	name, given := r.scalar(node, "name")
	if !given {
		return ""
	}
	if wrong := wrongName(name); wrong != "" {
		r.wrong(node.Line, "name: %s", wrong)
		return ""
	}
	r.once(node.Line, "name", name)
	return name
}

// maxName is the longest name of a grant in bytes.
const maxName = 64

// secret matches texts of the form of a token or a digest. They must not be names, since names are shown.
var secret = regexp.MustCompile(`^flowd_[A-Za-z0-9_-]{20,}$|^[0-9A-Fa-f]{64}$`)

// wrongName says why name cannot be the name of a grant. It is empty for a valid one.
func wrongName(name string) string {
	notVisible := func(r rune) bool { return r <= ' ' || r > '~' }
	switch {
	case name == "":
		return "is empty; 1 to 64 visible ASCII characters are required"
	case len(name) > maxName:
		return fmt.Sprintf("is %d bytes long; 1 to %d visible ASCII characters are required", len(name), maxName)
	case strings.ContainsFunc(name, notVisible):
		return "has a space, or a character that is not visible ASCII"
	case secret.MatchString(name):
		return "looks like a token or a digest, and names are shown; choose one that says whose it is"
	}
	return ""
}

// sequence calls add for each text of a list. It records an error of add for the line of that text.
func (r *reader) sequence(node *yaml.Node, key, example string, add func(text string) error) {
	if node.Kind != yaml.SequenceNode || node.Style&yaml.TaggedStyle != 0 {
		r.wrong(node.Line, "%s: is a list such as %s", key, example)
		return
	}
	for _, item := range node.Content {
		text, plain := r.scalar(item, key)
		if !plain {
			continue
		}
		if err := add(text); err != nil {
			r.wrong(item.Line, "%s: %v", key, err)
		}
	}
}

func (r *reader) scopes(node *yaml.Node) Scopes {
	if node == nil {
		return 0
	}
	var set Scopes
	r.sequence(node, "scopes", "[ingest, query]", set.add)
	if len(node.Content) == 0 && node.Kind == yaml.SequenceNode {
		r.wrong(node.Line, "scopes: %v", errNoScope)
	}
	return set
}

func (r *reader) vpcs(node *yaml.Node) VPCs {
	if node == nil {
		return VPCs{}
	}
	before := len(r.problems) + r.more
	set := vpcSet{seen: map[string]bool{}}
	r.sequence(node, "vpcs", `[vpc-a, "vpc-eu-*"]`, set.add)
	if len(r.problems)+r.more > before {
		return VPCs{}
	}
	vpcs, err := set.vpcs()
	if err != nil {
		r.wrong(node.Line, "vpcs: %v", err)
	}
	return vpcs
}

func (r *reader) expires(node *yaml.Node) time.Time {
	var end time.Time
	text, given := r.scalar(node, "expires")
	if !given {
		return end
	}
	if err := end.UnmarshalText([]byte(text)); err != nil {
		r.wrong(node.Line, "expires: %s is not a time such as 2027-01-01T00:00:00Z or 2027-01-01T00:00:00+01:00", shown(text))
		return end
	}
	if end.Unix() < 0 { // the zero time.Time, which means never, is one of them
		r.wrong(node.Line, "expires: %s is before 1970", shown(text))
	}
	return end.UTC()
}

// digest records the grant of a token.
func (r *reader) digest(node *yaml.Node, grant *Grant) {
	text, given := r.scalar(node, "sha256")
	if !given {
		return
	}
	digest, err := hex.DecodeString(text)
	if err != nil || len(digest) != sha256.Size {
		r.wrong(node.Line, "sha256: the %d bytes that stand here are not the 64 hexadecimal digits of a SHA-256", len(text))
		return
	}
	if r.once(node.Line, "sha256", string(digest)) {
		r.tokens = append(r.tokens, tokenGrant{[sha256.Size]byte(digest), grant})
	}
}

// certificate records the grant of a certificate.
func (r *reader) certificate(node *yaml.Node, grant *Grant) {
	text, given := r.scalar(node, "certificate")
	if !given {
		return
	}
	if !strings.Contains(text, "=") {
		if wrong := wrongCommonName(text); wrong != "" {
			r.wrong(node.Line, "certificate: %s", wrong)
		} else if r.once(node.Line, "certificate", text) {
			r.names[text] = grant
		}
		return
	}
	subject, err := parseSubject(text)
	if err != nil {
		r.wrong(node.Line, "certificate: %v", err)
	} else if r.once(node.Line, "certificate", subject) {
		r.subjects[subject] = grant
	}
}
