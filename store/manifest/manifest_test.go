package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"flowd/block"
	"flowd/clock"
	"flowd/disk/crashfs"
	"flowd/flow"
)

var anyCount = rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, math.MaxInt64, 1 << 63, math.MaxUint64}), rapid.Uint64())

var anySum = rapid.Custom(func(t *rapid.T) flow.Sum {
	return flow.Sum{Hi: anyCount.Draw(t, "hi"), Lo: anyCount.Draw(t, "lo")}
})

var anyTally = rapid.Custom(func(t *rapid.T) flow.Tally {
	return flow.Tally{
		Flows: anyCount.Draw(t, "flows"), BytesTx: anySum.Draw(t, "tx"), BytesRx: anySum.Draw(t, "rx"),
	}
})

var anyAccount = rapid.Custom(func(t *rapid.T) flow.Account {
	return flow.Account{
		Received: anyTally.Draw(t, "received"), Stored: anyTally.Draw(t, "stored"),
		Duplicate: anyTally.Draw(t, "duplicate"), Rejected: anyTally.Draw(t, "rejected"), Expired: anyTally.Draw(t, "expired"),
	}
})

var anyManifest = rapid.Custom(func(t *rapid.T) *Manifest {
	m := &Manifest{
		Generation: rapid.Uint64().Draw(t, "generation"),
		Written:    rapid.Int64().Draw(t, "written"),
		Log:        fmt.Appendf(nil, `{"segment":%d,"group":%d}`, rapid.Uint64().Draw(t, "segment"), rapid.Uint64().Draw(t, "group")),
		Ledger:     anyAccount.Draw(t, "ledger"),
	}
	m.Clock = &clock.State{
		Time: rapid.Int64().Draw(t, "time"), Wall: rapid.Int64().Draw(t, "wall"),
		Ran: rapid.Int64().Draw(t, "ran"), Counted: rapid.Int64().Draw(t, "counted"), Behind: rapid.Int64().Draw(t, "behind"),
	}
	m.Clock.Stood = rapid.Int64().Draw(t, "stood")
	m.Clock.BackAt, m.Clock.Steady = rapid.Int64().Draw(t, "back at"), rapid.Int64().Draw(t, "steady")
	for _, gaps := range []*[]clock.Gap{&m.Clock.Gaps, &m.Clock.Undone} {
		for range rapid.IntRange(0, 3).Draw(t, "gaps") {
			*gaps = append(*gaps, clock.Gap{
				At: rapid.Int64().Draw(t, "at"), Length: rapid.Int64().Draw(t, "length"),
				Steady: rapid.Int64().Draw(t, "steady"), Short: rapid.Bool().Draw(t, "short"),
			})
		}
	}
	ends := rapid.SliceOfNDistinct(rapid.Uint32Max(flow.MaxHour), 0, 10, rapid.ID).Draw(t, "expired")
	slices.Sort(ends)
	for ; len(ends) > 1; ends = ends[2:] {
		m.Expired = append(m.Expired, HourRange{flow.Hour(ends[0]), flow.Hour(ends[1])})
	}
	if rapid.Bool().Draw(t, "has windows") {
		m.Windows = &block.Part{
			Name: WindowsName(rapid.Uint64().Draw(t, "windows")), Size: rapid.Int64().Draw(t, "size"), CRC: rapid.Uint32().Draw(t, "crc"),
		}
	}
	hours := rapid.SliceOfNDistinct(rapid.Uint32Max(flow.MaxHour), 0, 10, rapid.ID).Draw(t, "hours")
	slices.Sort(hours)
	for _, h := range hours {
		e := Hour{
			Hour: flow.Hour(h), Account: anyAccount.Draw(t, "account"), Tuples: rapid.Uint64().Draw(t, "tuples"),
			LastWrite: rapid.Int64().Draw(t, "last write"), Saturated: rapid.Uint64().Draw(t, "saturated"),
			Slack: rapid.Int64().Draw(t, "slack"), Gaps: rapid.Int64().Draw(t, "gaps"), OpenedBy: rapid.String().Draw(t, "opened by"), Live: rapid.Bool().Draw(t, "live"),
			ExpiredBefore: rapid.Bool().Draw(t, "expired before"),
		}
		if rapid.Bool().Draw(t, "has a block") {
			e.Block = block.File{
				Name: block.FileName(e.Hour, rapid.Uint64Max(m.Generation).Draw(t, "block's generation")),
				Size: rapid.Int64().Draw(t, "size"), CRC: rapid.Uint32().Draw(t, "crc"),
				Footer: rapid.Uint32().Draw(t, "footer"), Rows: rapid.Uint64().Draw(t, "rows"),
			}
		}
		m.Hours = append(m.Hours, e)
	}
	return m
})

func TestManifestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fsys := crashfs.New()
		for range 2 { // the second replaces the first
			want := anyManifest.Draw(t, "manifest")
			if err := Write(fsys, "data", want); err != nil {
				t.Fatal(err)
			}
			got, err := Read(fsys, "data")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatal(diff)
			}
		}
		if names, err := fsys.List("data"); err != nil || !slices.Equal(names, []string{Name}) {
			t.Fatal(names, err)
		}
	})
}

// smallManifest has one of everything.
func smallManifest() *Manifest {
	tally := flow.Tally{Flows: 3, BytesTx: flow.Sum{Hi: 1, Lo: 5}, BytesRx: flow.Sum{Lo: math.MaxUint64}}
	account := flow.Account{Received: tally, Stored: tally}
	return &Manifest{
		Generation: 7, Written: 1_700_000_000_123, Log: Position(`{"segment":12,"group":34}`), Ledger: account,
		Windows: &block.Part{Name: WindowsName(7), Size: 100, CRC: 0xdeadbeef},
		Clock: &clock.State{
			Time: 1_700_000_000_123, Wall: 1_700_000_000_456, Ran: 5, Counted: 6, Gaps: []clock.Gap{{At: 1_700_000_000_100, Length: 333, Steady: 2, Short: true}},
		},
		Expired: []HourRange{{2, 4}},
		Hours: []Hour{
			{Hour: 1, Account: account, Tuples: 2, LastWrite: 1_700_000_000_000, Block: block.File{Name: block.FileName(1, 6), Size: 4000, CRC: 1, Footer: 2, Rows: 2}},
			{Hour: 5, LastWrite: 1_700_000_000_000, Saturated: 1, OpenedBy: "agents", Live: true, ExpiredBefore: true},
		},
	}
}

// TestManifestForm holds the bytes on disk: who changes them changes the version.
func TestManifestForm(t *testing.T) {
	text, err := format(smallManifest())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"flowd-manifest 2 length 0000", " crc32c ", "\n{\n  \"generation\": 7,\n  \"written_ms\": 1700000000123,\n",
		"\"log\": {\n    \"segment\": 12,\n    \"group\": 34\n  }", "\"name\": \"windows-00000007\"",
		"\"bytes_tx\": 18446744073709551621,\n", "\"bytes_rx\": 18446744073709551615\n",
		"\"clock\": {\n    \"time_ms\": 1700000000123,\n    \"wall_ms\": 1700000000456,\n    \"ran_ms\": 5,\n    \"counted_ms\": 6,\n    \"behind_ms\": 0,\n",
		"\"gaps\": [\n      {\n        \"at_ms\": 1700000000100,\n        \"length_ms\": 333,\n        \"steady_ms\": 2,\n        \"short\": true\n",
		"\"expired\": [\n    {\n      \"from\": 2,\n      \"to\": 4\n",
		"\"saturated\":1,\"opened_by\":\"agents\",\"live\":true,\"expired_before\":true}\n",
		"\n  \"hours\": [\n    {\"hour\":1,\"account\":{\"received\":{\"flows\":3,",
		"\"tuples\":2,\"last_write_ms\":1700000000000,\"saturated\":0,\"block\":{",
		"\"block\":{\"name\":\"hours/hour=1/00000006.parquet\",\"size\":4000,\"crc32c\":1,\"footer_crc32c\":2,\"rows\":2}},\n",
		"\"crc32c\": 3735928559\n", "}\n  ]\n}\n",
	}
	for _, part := range want {
		if !strings.Contains(string(text), part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
}

func TestManifestDamage(t *testing.T) {
	fsys := crashfs.New()
	if _, err := Read(fsys, "data"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
	if err := Write(fsys, "data", smallManifest()); err != nil {
		t.Fatal(err)
	}
	whole := get(t, fsys, "data/MANIFEST")
	damaged := func(what string, at int, data []byte) {
		put(t, fsys, "data/MANIFEST", data)
		if _, err := Read(fsys, "data"); !isCorrupt(err, Name) {
			t.Fatalf("%s %d: %v", what, at, err)
		}
	}
	for at := range whole {
		damaged("flipped byte", at, flipped(whole, at))
		damaged("cut short at", at, whole[:at])
	}
	damaged("longer by", 1, append(slices.Clip(whole), '\n'))
}

func TestManifestSaysWhatIsWrong(t *testing.T) {
	whole, err := format(smallManifest())
	if err != nil {
		t.Fatal(err)
	}
	_, body, err := unseal(whole)
	if err != nil {
		t.Fatal(err)
	}
	replaced := func(from, to string) []byte {
		out := strings.Replace(string(body), from, to, 1)
		if out == string(body) {
			t.Fatalf("%q is not there to be replaced", from)
		}
		return seal(newestVersion, []byte(out))
	}
	for want, text := range map[string][]byte{
		"it is empty": {},
		" bytes follow the first line, which says 12345678":                        []byte(fmt.Sprintf(firstLine+checksumForm, 1, 12345678, 0) + string(body)),
		"format 0 was never written":                                               seal(0, body),
		"has format 3, and the newest known here is 2":                             seal(3, []byte("what comes then")),
		"the expired hours 2 to 4 are not in order":                                replaced("\"expired\": [", "\"expired\": [{\"from\": 7, \"to\": 8},"),
		"format 1 with or without a clock":                                         seal(1, body),
		"not of the form":                                                          []byte("{}"),
		"\"340282366920938463463374607431768211456\" is not a whole number":        replaced("18446744073709551621", "340282366920938463463374607431768211456"),
		"\"-1\" is not a whole number below 2^128":                                 replaced("18446744073709551621", "-1"),
		"\"1.5\" is not a whole number below 2^128":                                replaced("18446744073709551621", "1.5"),
		"hour 5 comes after hour 6":                                                outOfOrder(replaced),
		"hour 1 has the file \"hours/hour=2/00000006.parquet\"":                    replaced("hour=1/", "hour=2/"),
		"generation 7 has the file \"hours/hour=1/00000008.parquet\" of a later":   replaced("00000006.p", "00000008.p"),
		"the dedupe windows have the file \"../passwd\"":                           replaced("windows-00000007", "../passwd"),
		"its JSON does not fit format 2: json: unknown field \"more\"":             replaced("\"hours\":", "\"more\": 1, \"hours\":"),
		"its JSON does not fit format 2: json: cannot unmarshal string into Go st": replaced("\"generation\": 7", "\"generation\": \"7\""),
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, without %q", err, want)
		}
	}
	var newer *NewerError
	if _, err := parse(seal(3, body)); !errors.As(err, &newer) || *newer != (NewerError{Found: 3, Known: 2}) {
		t.Errorf("a newer version is %v", err)
	}
}

// outOfOrder has an hour before a smaller one.
func outOfOrder(replaced func(from, to string) []byte) []byte {
	_, body, _ := unseal(replaced("\"hour\":1,", "\"hour\":6,"))
	return seal(newestVersion, []byte(strings.Replace(string(body), "hour=1/", "hour=6/", 1)))
}

func TestManifestThatIsWrongIsNotWritten(t *testing.T) {
	fsys := crashfs.New()
	if err := Write(fsys, "data", smallManifest()); err != nil {
		t.Fatal(err)
	}
	wrong := smallManifest()
	slices.Reverse(wrong.Hours)
	if err := Write(fsys, "data", wrong); err == nil || !strings.Contains(err.Error(), "hour 1 comes after hour 5") {
		t.Error(err)
	}
	if _, err := Read(fsys, "data"); err != nil {
		t.Error(err)
	}
}

// TestFirstManifestVersion reads what the first version wrote.
func TestFirstManifestVersion(t *testing.T) {
	body := []byte("{\"generation\": 3, \"written_ms\": 5, \"log\": {\"segment\": 1, \"group\": 2}, \"ledger\": {}, " +
		"\"hours\": [{\"hour\":7,\"account\":{},\"tuples\":1,\"last_write_ms\":4,\"saturated\":0}]}")
	got, err := parse(seal(firstVersion, body))
	if err != nil {
		t.Fatal(err)
	}
	want := &Manifest{
		Generation: 3, Written: 5, Log: Position(`{"segment":1,"group":2}`), Hours: []Hour{{Hour: 7, Tuples: 1, LastWrite: 4}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}
