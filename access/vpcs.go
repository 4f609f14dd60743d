package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// VPCs is a set of VPCs, by name and by prefix. With neither it is the set of all VPCs.
//
// Both are in ascending order, and no element begins with one of Prefixes, except for that prefix itself.
// ParseVPCs ensures this.
type VPCs struct{ Names, Prefixes []string }

// maxVPC is the longest name of a VPC in bytes, as in flows.
const maxVPC = 256

// All reports whether v is the set of all VPCs.
func (v *VPCs) All() bool { return len(v.Names) == 0 && len(v.Prefixes) == 0 }

// Allow reports whether vpc is in v. It allocates nothing, and takes time logarithmic in the number of
// names.
func (v *VPCs) Allow(vpc []byte) bool {
	if v.All() {
		return true
	}
	if _, found := find(v.Names, vpc); found {
		return true
	}
	return v.begins(vpc)
}

// begins reports whether vpc begins with one of the prefixes. Only the last prefix that is not greater than
// vpc can match: any prefix between that one and vpc would begin with it too.
func (v *VPCs) begins(vpc []byte) bool {
	at, found := find(v.Prefixes, vpc)
	return found || at > 0 && hasPrefix(vpc, v.Prefixes[at-1])
}

// find returns the index of vpc in names, or where it would be inserted, and whether it is there.
func find(names []string, vpc []byte) (int, bool) {
	low, high := 0, len(names)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if names[middle] < string(vpc) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(names) && names[low] == string(vpc)
}

func hasPrefix(text []byte, prefix string) bool {
	return len(text) >= len(prefix) && string(text[:len(prefix)]) == prefix
}

var (
	errNoVPC   = errors.New(`is empty; leave it out for all VPCs, or give names such as vpc-a, or "vpc-eu-*" for those that begin so`)
	errAllVPCs = errors.New(`"*" is all VPCs, so there must be no other beside it`)
)

// ParseVPCs returns the set of patterns: names, prefixes of names with a * behind them, or a * alone, which
// is all VPCs. At least one pattern is required.
func ParseVPCs(patterns []string) (VPCs, error) {
	set := vpcSet{seen: map[string]bool{}}
	for _, pattern := range patterns {
		if err := set.add(pattern); err != nil {
			return VPCs{}, err
		}
	}
	return set.vpcs()
}

// vpcSet collects patterns.
type vpcSet struct {
	seen            map[string]bool
	names, prefixes []string
}

// add adds a pattern.
func (s *vpcSet) add(pattern string) error {
	if s.seen[pattern] {
		return fmt.Errorf("%s stands there twice", shown(pattern))
	}
	s.seen[pattern] = true
	if pattern == "*" {
		return nil
	}
	name, isPrefix := strings.CutSuffix(pattern, "*")
	if wrong := wrongVPC(name); wrong != "" {
		return fmt.Errorf("%s %s", shown(pattern), wrong)
	}
	if isPrefix {
		s.prefixes = append(s.prefixes, name)
	} else {
		s.names = append(s.names, name)
	}
	return nil
}

// vpcs returns the set of all added patterns, sorted, without those that one of the prefixes covers.
func (s *vpcSet) vpcs() (VPCs, error) {
	switch {
	case len(s.seen) == 0:
		return VPCs{}, errNoVPC
	case s.seen["*"] && len(s.seen) > 1:
		return VPCs{}, errAllVPCs
	case s.seen["*"]:
		return VPCs{}, nil
	}
	var v VPCs
	slices.Sort(s.prefixes)
	for _, prefix := range s.prefixes {
		if last := len(v.Prefixes) - 1; last < 0 || !strings.HasPrefix(prefix, v.Prefixes[last]) {
			v.Prefixes = append(v.Prefixes, prefix)
		}
	}
	slices.Sort(s.names)
	for _, name := range s.names {
		if !v.begins([]byte(name)) {
			v.Names = append(v.Names, name)
		}
	}
	return v, nil
}

// wrongVPC says why name can be neither the name of a VPC nor a prefix of one. It is empty for a valid one.
func wrongVPC(name string) string {
	switch {
	case name == "":
		return "is empty; 1 to 256 bytes are required"
	case len(name) > maxVPC:
		return fmt.Sprintf("is %d bytes long; 1 to %d bytes are required", len(name), maxVPC)
	case !utf8.ValidString(name):
		return "is not valid UTF-8"
	case strings.Contains(name, "*"):
		return "has a * that does not stand at its end, where alone it means any"
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return fmt.Sprintf("has the control character U+%04X", r)
		}
	}
	return ""
}
