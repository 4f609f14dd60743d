package params

import (
	"slices"

	"flowd/access"
	"flowd/query"
)

// noVPC matches no row: no name is empty.
var noVPC = query.Match{Names: []string{""}}

// Within returns what both m and v keep. A nil v keeps all.
func Within(m query.Match, v *access.VPCs) query.Match {
	switch {
	case v == nil || v.All():
		return m
	case m.All():
		return query.Match{Names: v.Names, Prefixes: v.Prefixes}
	}
	var both query.Match
	keep := func(name string) { both.Names = append(both.Names, name) }
	for _, name := range m.Names {
		if v.Allow([]byte(name)) {
			keep(name)
		}
	}
	for _, asked := range m.Prefixes {
		for _, name := range v.Names {
			if len(name) >= len(asked) && name[:len(asked)] == asked {
				keep(name)
			}
		}
		for _, allowed := range v.Prefixes {
			// Of two prefixes the longer one is what both keep, if it begins with the other.
			longer, shorter := asked, allowed
			if len(longer) < len(shorter) {
				longer, shorter = shorter, longer
			}
			if longer[:len(shorter)] == shorter {
				both.Prefixes = append(both.Prefixes, longer)
			}
		}
	}
	if both.All() {
		return noVPC
	}
	slices.Sort(both.Names)
	slices.Sort(both.Prefixes)
	both.Names, both.Prefixes = slices.Compact(both.Names), slices.Compact(both.Prefixes)
	return both
}
