package loadtest

import "testing"

func TestRequestHeads(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: test\r\nUser-Agent: flowload\r\nContent-Type: a/b\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n"
	if got := string(AppendPost(nil, &testTarget, PostHead{ContentType: "a/b", Encoding: "gzip", Length: 12})); got != post {
		t.Errorf("post:\n%s", got)
	}
	below := testTarget
	below.path = "/api/v1"
	const get = "GET /api/v1/flows?hour=3 HTTP/1.1\r\nHost: test\r\nUser-Agent: flowload\r\n\r\n"
	if got := string(AppendGet(nil, &below, "/flows?hour=3")); got != get {
		t.Errorf("get:\n%s", got)
	}
}
