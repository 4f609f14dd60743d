package flowfile

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"flowd/flow"
)

func FuzzAuto(f *testing.F) {
	seed(f, zeekHead+zeekRecord, zeekLine, vpcLine, flowdLine, flowdCSV, "[\n"+flowdLine+","+flowdLine+"]", string(gzipped(f, flowdLine)))
	fuzzFormat(f, Auto)
}

func FuzzZeek(f *testing.F) {
	seed(f, zeekHead+zeekRecord, "#separator |\n#path|conn\n", zeekRecord, zeekHead+strings.ReplaceAll(zeekRecord, "4", "-"))
	fuzzFormat(f, Zeek)
}

func FuzzZeekJSON(f *testing.F) {
	seed(f, zeekLine, `{"ts":"2024-01-01T00:00:00Z","_path":"conn"}`, "["+zeekLine+"]")
	fuzzFormat(f, ZeekJSON)
}

func FuzzVPC(f *testing.F) {
	seed(f, vpcLine, vpcDefaultHeader+"\n"+vpcLine, "vpc-id srcaddr dstaddr bytes start\nvpc-2 c d 1 3600\n")
	fuzzFormat(f, VPC)
}

func FuzzNDJSON(f *testing.F) {
	seed(f, flowdLine, "["+flowdLine+","+flowdLine+"]", `{"src_app":"\u00e9\"\\"}`, "[[],{}]")
	fuzzFormat(f, NDJSON)
}

func FuzzCSV(f *testing.F) {
	seed(f, flowdCSV, "\"src_app\",dest_app,vpc_id,bytes_tx,bytes_rx,\"hour\"\n\"a,\"\"x\"\"\",\"b\",v,\"1\",2,3\n")
	fuzzFormat(f, CSV)
}

func seed(f *testing.F, files ...string) {
	for _, file := range files {
		f.Add([]byte(file), "v")
		f.Add([]byte(file), "")
	}
}

// fuzzFormat holds for any file that the scanner ends, returns only valid flows, and counts the skipped
// records.
func fuzzFormat(f *testing.F, format Format) {
	f.Fuzz(func(t *testing.T, file []byte, vpc string) {
		s := New(strings.NewReader(string(file)), Options{Format: format, VPC: vpc})
		records := uint64(0)
		for s.Next() {
			records++
			checkFlow(t, s.Flow())
		}
		if s.Next() {
			t.Error("Next returned true after false")
		}
		skipped := s.Skipped()
		sum := uint64(0)
		for reason, of := range skipped.Reasons {
			sum += of.Records
			if of.Records == 0 || of.First.Line < 1 {
				t.Errorf("%q: %+v", reason, of)
			}
		}
		if sum != skipped.Records {
			t.Errorf("%d skipped, but %d by reason", skipped.Records, sum)
		}
		var at *Error
		if err := s.Err(); errors.As(err, &at) && at.Line < 1 {
			t.Errorf("error at line %d: %v", at.Line, err)
		}
	})
}

func checkFlow(t *testing.T, f *flow.Flow) {
	t.Helper()
	for _, name := range []string{f.SrcApp, f.DestApp, f.VPCID} {
		if len(name) < 1 || len(name) > flow.MaxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
			t.Errorf("name %q exceeds the limits", name)
		}
	}
	if f.BytesTx > flow.MaxBytes || f.BytesRx > flow.MaxBytes || f.Hour > flow.MaxHour {
		t.Errorf("flow %+v exceeds the limits", f)
	}
}

// FuzzCSVLine compares the cells of a line with those of encoding/csv.
func FuzzCSVLine(f *testing.F) {
	for _, line := range []string{"a,b", `"a","b""c",`, ",", `"`, `a"b`, `"a"b`, `"a"",b`, ` "a"`} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if line == "" || strings.ContainsAny(line, "\r\n") {
			return
		}
		r := csv.NewReader(strings.NewReader(line))
		want, wantErr := r.Read()
		var p csvParser
		err := p.split([]byte(line))
		if (err == nil) != (wantErr == nil) && wantErr != io.EOF {
			t.Fatalf("error %v, encoding/csv has %v", err, wantErr)
		}
		if err != nil {
			return
		}
		var got []string
		for _, cell := range p.cells {
			got = append(got, string(cell))
		}
		if !slices.Equal(got, want) {
			t.Errorf("cells %q, encoding/csv has %q", got, want)
		}
	})
}
