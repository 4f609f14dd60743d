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

// maxTokenFile is how much of a token file is read. A token has some 50 characters.
const maxTokenFile = 4 << 10

// FileToken returns a function that returns the first line of a file, without spaces around it. It
// reads the file each time, so that a token that is replaced is used from then on.
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
			return "", fmt.Errorf("%s is longer than %d bytes, which no token is", name, maxTokenFile)
		}
		token, _, _ := strings.Cut(string(text), "\n")
		if token = strings.TrimSpace(token); token == "" {
			return "", fmt.Errorf("%s has no token on its first line", name)
		}
		return token, nil
	}
}

// errToken is a token that cannot be sent. It does not say which.
var errToken = errors.New("the token has characters that are not visible ASCII")

// header returns the Authorization header for a token, empty for none.
func header(token func() (string, error)) (string, error) {
	text, err := token()
	switch {
	case err != nil:
		return "", fmt.Errorf("no token: %w", err)
	case text == "":
		return "", nil
	case !visible(text):
		return "", errToken
	}
	return "Bearer " + text, nil
}
