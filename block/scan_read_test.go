package block

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"flowd/disk"
	"flowd/flow"
)

// openScans opens the scans of a block that is whole.
func openScans(t failer, fsys disk.FS, dir string, f File, o ScanOptions) []flow.Scan {
	t.Helper()
	scans, err := OpenScans(fsys, dir, f, o)
	if err != nil {
		t.Fatal(err)
	}
	return scans
}

func closeAll(scans []flow.Scan) {
	for _, s := range scans {
		s.Close()
	}
}

// hidden is a name that was not asked for.
const hidden = "?"

// masked returns rows with the names in shown alone, in an order that depends on nothing but them.
func masked(rows []flow.Row, shown flow.Fields) []flow.Row {
	out := slices.Clone(rows)
	for i := range out {
		var names [flow.FieldCount]string
		src, dest, vpc := out[i].Key.Names()
		for f, name := range [flow.FieldCount][]byte{src, dest, vpc} {
			names[f] = hidden
			if shown.Has(flow.Field(f)) {
				names[f] = string(name)
			}
		}
		out[i].Key = flow.AppendKey(nil, names[0], names[1], names[2])
	}
	slices.SortFunc(out, func(a, b flow.Row) int {
		return cmp.Or(bytes.Compare(a.Key, b.Key), cmp.Compare(a.Totals.BytesTx, b.Totals.BytesTx),
			cmp.Compare(a.Totals.BytesRx, b.Totals.BytesRx))
	})
	return out
}

// rowsOf returns the rows of a chunk by its codes, with hidden for the names that were not asked for,
// or what a Chunk promises and this one does not keep.
func rowsOf(c *flow.Chunk, asked flow.Fields) ([]flow.Row, error) {
	if len(c.Totals) == 0 || c.Keys != nil || c.Group < 1 {
		return nil, fmt.Errorf("a chunk of %d rows, %d keys and group %d", len(c.Totals), len(c.Keys), c.Group)
	}
	rows := make([]flow.Row, len(c.Totals))
	for i := range rows {
		names := [flow.FieldCount]string{hidden, hidden, hidden}
		for f := range names {
			if want := asked.Has(flow.Field(f)); want != (c.Dicts[f] != nil) || want && len(c.Codes[f]) != len(rows) || !want && c.Codes[f] != nil {
				return nil, fmt.Errorf("names %b were asked for: %d codes of %v for %d rows, and %d names",
					asked, len(c.Codes[f]), flow.Field(f), len(rows), len(c.Dicts[f]))
			} else if want {
				names[f] = c.Dicts[f][c.Codes[f][i]]
			}
		}
		rows[i] = row(7, names[0], names[1], names[2], c.Totals[i].BytesTx, c.Totals[i].BytesRx)
	}
	return rows, nil
}

// readScans reads scans of hour 7, one after the other, and returns what came: the rows by their codes;
// if keys is true, those whose keys came; and the first error. That a key does not come must be one.
func readScans(scans []flow.Scan, asked flow.Fields, keys bool) (coded, whole []flow.Row, err error) {
	var c flow.Chunk
	for _, s := range scans {
		for s.Next(&c) {
			rows, wrong := rowsOf(&c, asked)
			if wrong != nil {
				return coded, whole, wrong
			}
			coded = append(coded, rows...)
			for i := 0; keys && i < len(rows); i++ {
				key := s.Key(i)
				if key == nil && s.Err() == nil {
					return coded, whole, errors.New("a key did not come, and no error either")
				}
				if key != nil {
					whole = append(whole, flow.Row{Key: key, Totals: c.Totals[i], Hour: 7})
				}
			}
		}
		if err == nil {
			err = s.Err()
		}
	}
	return coded, whole, err
}
