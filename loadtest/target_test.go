package loadtest

import (
	"errors"
	"strings"
	"testing"
)

// A token is in each request, and one that could end a header is refused.
func TestToken(t *testing.T) {
	shown, err := ParseServer("http://flowd.test", "flowd_x")
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range [][]byte{AppendPost(nil, &shown, PostHead{}), AppendGet(nil, &shown, "/readyz")} {
		if strings.Count(string(head), "\r\nAuthorization: Bearer flowd_x\r\n") != 1 {
			t.Errorf("%q", head)
		}
	}
	none, err := ParseServer("http://flowd.test", "")
	if head := string(AppendGet(nil, &none, "/readyz")); err != nil || strings.Contains(head, "Authorization") {
		t.Errorf("without a token: %v, %q", err, head)
	}
	var invalid *InvalidError
	if _, err := ParseServer("http://flowd.test", "flowd_x\r\nX: y"); !errors.As(err, &invalid) || strings.Contains(err.Error(), "flowd_x") {
		t.Errorf("%v, want an *InvalidError that does not show the token", err)
	}
}
