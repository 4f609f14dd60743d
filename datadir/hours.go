package datadir

import (
	"fmt"
	"path"

	"flowd/block"
	"flowd/disk"
	"flowd/flow"
	"flowd/store/manifest"
)

// rowsAtOnce is the number of rows read from a block at once.
const rowsAtOnce = 1024

// checkFooter verifies the size and the footer of a block, which costs little.
func checkFooter(fsys disk.FS, dir string, f block.File) error {
	rows, err := block.Open(fsys, dir, f)
	if err != nil {
		return err
	}
	rows.Close()
	return nil
}

// sumBlock reads all bytes and all rows of a block, and returns the sums of its rows.
func sumBlock(fsys disk.FS, dir string, f block.File) (block.Sums, error) {
	err := block.Verify(fsys, dir, f)
	sums, errRows := sumRows(fsys, dir, f)
	// An error of the rows names a place, unlike a wrong checksum of the whole file.
	if errRows != nil {
		err = errRows
	}
	return sums, err
}

func sumRows(fsys disk.FS, dir string, f block.File) (sums block.Sums, err error) {
	rows, err := block.Open(fsys, dir, f)
	if err != nil {
		return sums, err
	}
	defer rows.Close()
	dst := make([]flow.Row, rowsAtOnce)
	for n := rows.Next(dst); n > 0; n = rows.Next(dst) {
		sums.Rows += uint64(n)
		for i := range dst[:n] {
			sums.BytesTx.Add(dst[i].Totals.BytesTx)
			sums.BytesRx.Add(dst[i].Totals.BytesRx)
		}
	}
	return sums, rows.Err()
}

// compareSums compares the sums of a block's rows with the account of its hour.
func compareSums(e *manifest.Hour, sums block.Sums) []Finding {
	var findings []Finding
	differ := func(what string, is, should any) {
		findings = append(findings, Finding{e.Block.Name, -1, fmt.Sprintf(
			"its rows have %v %s, and the account of hour %d has %v", is, what, e.Hour, should)})
	}
	if sums.Rows != e.Tuples {
		differ("tuples", sums.Rows, e.Tuples)
	}
	if e.Saturated > 0 {
		return findings // the sum is less, since totals were capped at 2^64-1
	}
	if stored := &e.Account.Stored; sums.BytesTx != stored.BytesTx {
		differ("bytes sent", sums.BytesTx, stored.BytesTx)
	}
	if stored := &e.Account.Stored; sums.BytesRx != stored.BytesRx {
		differ("bytes received", sums.BytesRx, stored.BytesRx)
	}
	return findings
}

// checkAccount finds contradictions in the accounts of the manifest.
func checkAccount(m *manifest.Manifest) []Finding {
	var findings []Finding
	wrong := func(format string, values ...any) {
		findings = append(findings, Finding{manifest.Name, -1, fmt.Sprintf(format, values...)})
	}
	balance := func(of string, a *flow.Account) {
		sum := a.Stored
		for _, t := range []flow.Tally{a.Duplicate, a.Rejected, a.Expired} {
			sum.Add(t)
		}
		if sum != a.Received {
			wrong("of %s %s were received, and %s are accounted for", of, words(a.Received), words(sum))
		}
	}
	balance("all flows", &m.Ledger)
	var stored flow.Tally
	for i := range m.Hours {
		e := &m.Hours[i]
		stored.Add(e.Account.Stored)
		balance(fmt.Sprintf("hour %d", e.Hour), &e.Account)
		if e.Block == (block.File{}) && e.Account.Stored.Flows > 0 {
			wrong("hour %d has %d flows, and no block", e.Hour, e.Account.Stored.Flows)
		}
	}
	if stored != m.Ledger.Stored {
		wrong("the hours hold %s, and the account of all has %s", words(stored), words(m.Ledger.Stored))
	}
	return findings
}

func words(t flow.Tally) string {
	return fmt.Sprintf("%d flows with %s + %s bytes", t.Flows, t.BytesTx, t.BytesRx)
}

// unnamed returns the files in the folder that m does not name.
func unnamed(fsys disk.FS, dir string, m *manifest.Manifest) ([]string, error) {
	named := map[string]bool{manifest.Name: true, manifest.LockName: true, manifest.LogFolder: true, block.HoursFolder: true, parquetFolder: true}
	if m.Windows != nil {
		named[m.Windows.Name] = true
	}
	for i := range m.Hours {
		named[m.Hours[i].Block.Name] = true
	}
	var found []string
	look := func(folder string) error {
		names, err := list(fsys, path.Join(dir, folder))
		for _, name := range names {
			if name = path.Join(folder, name); !named[name] {
				found = append(found, name)
			}
		}
		return err
	}
	if err := look("."); err != nil {
		return nil, err
	}
	folders, err := list(fsys, path.Join(dir, block.HoursFolder))
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		// flowd did not create an entry that is not a folder, which cannot be listed.
		if folder = path.Join(block.HoursFolder, folder); look(folder) != nil {
			found = append(found, folder)
		}
	}
	return found, nil
}
