package flowfile

import "testing"

func TestVPC(t *testing.T) {
	v := Options{VPC: "v"}
	flows := []string{"10.0.0.1>10.0.0.2@v 400/0 2"}
	const custom = "start vpc-id bytes tcp-flags dstaddr log-status srcaddr\n"
	runFileTests(t, []fileTest{
		{name: "no header", opts: v, file: vpcLine, flows: flows},
		{name: "header", opts: v, file: vpcDefaultHeader + "\n" + vpcLine, flows: flows},
		{name: "rejected traffic was sent too", opts: v, file: "2 1 eni-1 a b 1 2 6 3 400 7200 7260 REJECT OK\n", flows: []string{"a>b@v 400/0 2"}},
		{name: "no data", opts: v, file: "2 1 eni-1 - - - - - - - 7200 7260 - NODATA\n" + vpcLine + "2 1 eni-1 - - - - - - - 7200 7260 - SKIPDATA\n", flows: flows,
			skips: []string{"line 1: log-status is NODATA: no traffic in the interval", "line 3: log-status is SKIPDATA: AWS left records out"}},
		{name: "other order, own VPC", file: custom + "7200 vpc-1 7 3 b OK a\n", flows: []string{"a>b@vpc-1 7/0 2"}},
		{name: "the file's VPC goes before the one given", opts: v, file: custom + "7200 vpc-1 7 3 b OK a\n7200 - 7 3 b OK a\n", flows: []string{"a>b@vpc-1 7/0 2", "a>b@v 7/0 2"}},
		{name: "VPC not set", file: custom + "7200 - 7 3 b OK a\n", skips: []string{"line 2: vpc-id is not set"}},
		{name: "no log-status", opts: v, file: "srcaddr dstaddr bytes start\na b 1 3600\n- - - 3600\n", flows: []string{"a>b@v 1/0 1"}, skips: []string{"line 3: srcaddr is not set"}},
		{name: "unset bytes are zero", opts: v, file: "srcaddr dstaddr bytes start\na b - 3600\n", flows: []string{"a>b@v 0/0 1"}},
		{name: "unset time", opts: v, file: "srcaddr dstaddr bytes start\na b 1 -\n", skips: []string{"line 2: start is not set"}},
		{name: "headers of joined files", file: custom + "7200 vpc-1 7 3 b OK a\n" + "vpc-id srcaddr dstaddr bytes start\nvpc-2 c d 1 3600\n", flows: []string{"a>b@vpc-1 7/0 2", "c>d@vpc-2 1/0 1"}},
		{name: "default order, then a header", opts: v, file: vpcLine + custom + "7200 vpc-1 7 3 b OK a\n", flows: append(flows, "a>b@vpc-1 7/0 2")},
		{name: "other version without a header", opts: v, file: vpcLine + "3" + vpcLine[1:], flows: flows, skips: []string{`line 2: version is not 2, and the file has no header line: "3"`}},
		{name: "other version with a header", opts: v, file: vpcDefaultHeader + "\n3" + vpcLine[1:], flows: flows},
		{name: "too few columns", opts: v, file: vpcLine + "2 1 eni-1\n", flows: flows, skips: []string{"line 2: the line has another number of columns than the header"}},
		{name: "bad bytes and time", opts: v, file: "srcaddr dstaddr bytes start\na b x 1\na b 1 x\n", skips: []string{`line 2: bytes is not an integer from 0 to 2^63-1: "x"`, `line 3: start is not a time in seconds: "x"`}},
		{name: "a column missing", opts: v, file: "srcaddr dstaddr start\na b 1\n", err: "line 1: AWS VPC Flow Log: the header has no column bytes"},
		{name: "no VPC", file: vpcLine, err: "line 1: AWS VPC Flow Log: the file has no VPC, and no default VPC was given"},
	})
}
