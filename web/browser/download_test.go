package browser

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	protocol "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// downloads lets the tab save files in a folder. File waits for the one of a name, and returns its text.
func (b *tab) downloads() (folder string, file func(name string) string) {
	b.t.Helper()
	folder = b.t.TempDir()
	allow := protocol.SetDownloadBehaviorParams{
		Behavior: protocol.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder,
		BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
	}
	if _, err := chromedp.CallBrowser(b.ctx, protocol.SetDownloadBehavior, allow); err != nil {
		b.t.Fatal(err)
	}
	return folder, func(name string) (text string) {
		b.t.Helper()
		b.eventually(name, func() bool {
			data, err := os.ReadFile(filepath.Join(folder, name))
			text = string(data)
			return err == nil && text != ""
		})
		return text
	}
}

// A name that a spreadsheet would run as a formula is a text in what people download, and stays as it is in the
// server's own CSV.
func TestDownloadIsNoFormula(t *testing.T) {
	s := start(t, needPage(t))
	s.post(
		row{`=HYPERLINK("http://127.0.0.1:9/","x")`, "+1", "@v", 60, 1, newest},
		row{"-2+3", "=1,2", "v", 50, 1, newest},
		row{"-5", "a=b", "v-1", 40, 1, newest},
		row{"plain", `say "=x"`, "v", 30, 1, newest},
		row{"plain", "down", "v", 1, 1, newest}, row{"plain", "down", "v", 5000, 1, newest - 1},
	)
	b := s.open("/")
	_, file := b.downloads()
	b.until(`testing.rows("talkers-table").length === 5`)
	b.click(part("talkers-csv"))
	text := file("flowd-490000-talkers.csv")
	for _, line := range []string{
		`"'=HYPERLINK(""http://127.0.0.1:9/"",""x"")","'+1","'@v",60,1`, `"'-2+3","'=1,2",v,50,1`, `-5,a=b,v-1,40,1`, `plain,"say ""=x""",v,30,1`,
	} {
		if !strings.Contains(text, "\r\n"+line+"\r\n") {
			t.Errorf("the file does not have the line %s:\n%s", line, text)
		}
	}
	const query = "/api/v1/flows?hour=490000&group_by=src_app%2Cdest_app%2Cvpc_id&order_by=-bytes_total&limit=100&format=csv"
	sent := s.get(query)
	if !strings.Contains(sent, `"=HYPERLINK(`) || !strings.Contains(sent, "\r\n-2+3,") {
		t.Errorf("the server's CSV has other names than were sent:\n%s", sent)
	}
	// But for the mark the two are the same.
	if diff := cmp.Diff(records(t, sent, false), records(t, text, true)); diff != "" {
		t.Errorf("the file has other cells (-sent +saved):\n%s", diff)
	}

	b.click(part("tab-changes"))
	b.until(`testing.rows("changes-table").length === 5`)
	b.click(part("changes-csv"))
	if text := file("flowd-489999-490000-changes.csv"); !strings.Contains(text, "\r\nplain,down,v,5000,1,1,1,-4999,shrunk\r\n") {
		t.Errorf("a negative number is no number any more:\n%s", text)
	}
}

// records reads CSV, without the mark in front of a cell if it is marked.
func records(t *testing.T, text string, marked bool) [][]string {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range all {
		for i, cell := range record {
			if marked {
				record[i] = strings.TrimPrefix(cell, "'")
			}
		}
	}
	return all
}
