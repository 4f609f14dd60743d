package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"flowd/access"
)

// TestTokens makes tokens for one file at once, and holds that the file lets in those that were printed, and
// nobody else.
func TestTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	const makers = 8
	tokens := make([]string, makers)
	var all sync.WaitGroup
	for i := range makers {
		all.Go(func() {
			for {
				var stdout, stderr bytes.Buffer
				args := []string{"token", "--name", fmt.Sprint("maker-", i), "--scopes", "query", "--add-to", file}
				switch code := run(t.Context(), args, nil, &stdout, &stderr); {
				case code == exitOK:
					tokens[i] = strings.TrimSuffix(stdout.String(), "\n")
					return
				case code != exitRuntime || stdout.Len() > 0 || !strings.Contains(stderr.String(), "another flowd token is at work"):
					t.Errorf("exit code %d, %d bytes on stdout, on stderr %q", code, stdout.Len(), &stderr)
					return
				}
			}
		})
	}
	all.Wait()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list, err := access.Parse(file, data)
	if err != nil || list.Len() != makers {
		t.Fatalf("%v, %v", list, err)
	}
	gate := access.NewGate(access.Options{})
	gate.Replace(list)
	for i, token := range tokens {
		claim := access.Credential{Addr: netip.MustParseAddr("127.0.0.1"), Authorization: []byte("Bearer " + token)}
		right, refusal := gate.Check(claim)
		if refusal != nil || right.Name != fmt.Sprint("maker-", i) || right.Scopes != access.Query {
			t.Errorf("maker %d has %+v, %v", i, right, refusal)
		}
	}
}

// TestTokenIsLost says of a token that could not be printed where its entry is.
func TestTokenIsLost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	for _, c := range []struct {
		more []string
		want string
	}{
		{nil, "flowd: the token is lost: no space left on device\n"},
		{[]string{"--add-to", file}, fmt.Sprintf("flowd: the token is lost: remove %q from %s, and try again: no space left on device\n", "a", file)},
	} {
		var stderr bytes.Buffer
		args := append([]string{"token", "--name", "a", "--scopes", "query"}, c.more...)
		code := run(t.Context(), args, nil, failing{syscall.ENOSPC}, &stderr)
		if code != exitRuntime || stderr.String() != c.want {
			t.Errorf("exit code %d, on stderr %q, want %q", code, &stderr, c.want)
		}
	}
}
