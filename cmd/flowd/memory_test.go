package main

import (
	"math"
	"strings"
	"testing"
)

func TestChooseMemory(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, test := range []struct {
		name            string
		given           int64
		cgroup, machine uint64
		bytes           int64
		source          string
		shared          bool
		warning         string
	}{
		{"nothing", 0, 0, 0, 0, "", false, ""},
		{"cgroup", 0, 300 * mib, 4096 * mib, 270 * mib, "nine tenths of the cgroup's limit of 300MiB", false, ""},
		{"cgroup above the machine", 0, 8192 * mib, 4096 * mib, 4096 * mib * 9 / 10, "nine tenths of the machine's memory of 4GiB", true, ""},
		{"machine", 0, 0, 4096 * mib, 4096 * mib * 9 / 10, "nine tenths of the machine's memory of 4GiB", true, ""},
		{"given", 200 * mib, 0, 4096 * mib, 200 * mib, "GOMEMLIMIT", false, ""},
		{"given in a cgroup", 200 * mib, 300 * mib, 4096 * mib, 200 * mib, "GOMEMLIMIT", false, ""},
		{"given, tight in a cgroup", 290 * mib, 300 * mib, 4096 * mib, 290 * mib, "GOMEMLIMIT", false, ""},
		{"given above the cgroup", 400 * mib, 300 * mib, 4096 * mib, 270 * mib, "nine tenths of the cgroup's limit of 300MiB", false,
			"GOMEMLIMIT is 400MiB, more than the cgroup's limit of 300MiB"},
		{"off", math.MaxInt64, 300 * mib, 4096 * mib, 270 * mib, "nine tenths of the cgroup's limit of 300MiB", false, ""},
		{"off alone", math.MaxInt64, 0, 0, 0, "", false, ""},
	} {
		m := chooseMemory(test.given, test.cgroup, test.machine)
		if m.Bytes != test.bytes || m.Source != test.source || m.Shared != test.shared || m.environment != (test.given > 0) {
			t.Errorf("%s: %+v", test.name, m)
		}
		if got := strings.Join(m.warnings, "\n"); !strings.HasPrefix(got, test.warning) || (got == "") != (test.warning == "") {
			t.Errorf("%s: warnings %q, want %q", test.name, got, test.warning)
		}
	}
}
