package config

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// parseIn is parse for a process that may have so much memory.
func parseIn(t *testing.T, m Memory, args ...string) (*Config, *Loader, error) {
	t.Helper()
	var grammar struct{ Config }
	loader := NewLoader(nil)
	loader.SetMemory(m)
	parser, err := kong.New(&grammar, loader.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	return &grammar.Config, loader, err
}

func TestAutoSizes(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		name             string
		bytes            int64
		shared           bool
		args             string
		budget, inflight string
		how              string // is part of how the budget, or inflight if that is given, came about
	}{
		{"unknown", 0, false, "", "1GiB", "256MiB", "not known"},
		{"128 MiB", 128 * mib * 9 / 10, false, "", "38MiB", "56MiB", "a third of 115MiB, which is the test's"},
		{"300 MiB", 300 * mib * 9 / 10, false, "", "90MiB", "56MiB", "a third of 270MiB"},
		{"512 MiB", 512 * mib * 9 / 10, false, "", "153MiB", "57MiB", "a third of 460MiB"},
		{"3 GiB", 3 << 30 * 9 / 10, false, "", "921MiB", "256MiB", "a third of 2764MiB"},
		{"64 GiB", 64 << 30, false, "", "21845MiB", "256MiB", "a third of 64GiB"},
		{"small machine", 400 * mib, true, "", "133MiB", "56MiB", "a third of 400MiB"},
		{"large machine", 64 << 30, true, "", "1GiB", "256MiB", "64GiB, which is the test's is for others too"},
		{"given", 128 * mib, false, "--memory-budget=7MiB --max-inflight-bytes=60MiB", "7MiB", "60MiB", ""},
		{"given auto", 128 * mib, false, "--memory-budget=auto --max-inflight-bytes=auto", "42MiB", "56MiB", "a third of 128MiB"},
		{"small requests", 40 * mib, false, "--max-body-bytes=1MiB --max-decoded-bytes=1MiB", "13MiB", "5MiB", "a third of 40MiB"},
		{"large requests", 1 << 30, false, "--max-decoded-bytes=64MiB --segment-bytes=128MiB", "341MiB", "200MiB", "a third of 1GiB"},
	} {
		c, loader, err := parseIn(t, Memory{test.bytes, "the test's", test.shared}, strings.Fields(test.args)...)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if c.MemoryBudget.String() != test.budget || c.MaxInflightBytes.String() != test.inflight {
			t.Errorf("%s: budget %s, inflight %s, want %s, %s", test.name, c.MemoryBudget, c.MaxInflightBytes, test.budget, test.inflight)
		}
		for _, s := range loader.Report(c) {
			switch {
			case s.Key != "memory-budget":
			case s.Value != test.budget, !strings.Contains(s.Auto, test.how), test.how == "" && s.Auto != "":
				t.Errorf("%s: is reported as %+v, want %q", test.name, s, test.how)
			}
		}
		// The same again is no change, and one of the memory waits for a start.
		if again, err := loader.Reload(c); err != nil || len(again.Changed)+len(again.Restart) > 0 {
			t.Errorf("%s: a reload: %+v, %v", test.name, again, err)
		}
	}
}

// What is worked out must fit the other settings as what is given must.
func TestAutoSizesConflict(t *testing.T) {
	_, _, err := parseIn(t, Memory{60 << 20, "the test's", false})
	want := "default: max-inflight-bytes (7MiB) is less than the 56MiB that one request may need with max-body-bytes 4MiB and " +
		"max-decoded-bytes 16MiB (2 and 3 times as much); max-inflight-bytes is auto: an eighth of 60MiB, which is the test's: " +
		"give the process more memory, or lower the others"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, loader, err := parseIn(t, Memory{1 << 30, "the test's", false})
	if err != nil {
		t.Fatal(err)
	}
	loader.SetMemory(Memory{128 << 20, "the test's", false})
	c, _, _ := parseIn(t, Memory{1 << 30, "the test's", false})
	again, err := loader.Reload(c)
	if err != nil || len(again.Changed) > 0 || len(again.Restart) != 2 || again.Restart[0].To != "42MiB" {
		t.Errorf("a reload in other memory: %+v, %v", again, err)
	}
}
