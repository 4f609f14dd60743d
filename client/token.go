package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// FixedToken returns a function that always returns token.
func FixedToken(token string) func() (string, error) {
	return func() (string, error) { return token, nil }
}

// maxTokenFile bounds the size of a token file in bytes. A token has some 50 characters.
const maxTokenFile = 4 << 10

// FileToken returns a function that returns the first line of a file without surrounding spaces. It
// reads the file on each call, so that a replaced token takes effect.
func FileToken(name string) func() (string, error) {
	return func() (string, error) {
		file, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer file.Close()
		text, err := io.ReadAll(io.LimitReader(file, maxTokenFile+1))
		switch {
		case err != nil:
			return "", err
		case len(text) > maxTokenFile:
			return "", fmt.Errorf("%s is longer than %d bytes, too long for a token", name, maxTokenFile)
		}
		token, _, _ := strings.Cut(string(text), "\n")
		if token = strings.TrimSpace(token); token == "" {
			return "", fmt.Errorf("%s has no token on its first line", name)
		}
		return token, nil
	}
}

// errInvalidToken does not quote the token, which is a secret.
var errInvalidToken = errors.New("the token has characters that are not visible ASCII")

// authorizationHeader returns the Authorization header for a token, or "" without a token.
func authorizationHeader(token func() (string, error)) (string, error) {
	text, err := token()
	switch {
	case err != nil:
		return "", fmt.Errorf("no token: %w", err)
	case text == "":
		return "", nil
	case !isVisibleASCII(text):
		return "", errInvalidToken
	}
	return "Bearer " + text, nil
}
