package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// tokenFlags say what the server knows this program by.
type tokenFlags struct {
	Token     string `placeholder:"TOKEN" help:"What the server knows this program by ($$FLOWD_TOKEN). As a flag it is in the list of processes (ps), for all users of the machine to see: better is --token-file."`
	TokenFile string `placeholder:"FILE" help:"File that has the token on its first line ($$FLOWD_TOKEN_FILE)."`
}

// token returns the token, or "": of a flag, or else of the environment. No error has it.
func (f *tokenFlags) token() (string, error) {
	token, from, file, fileFrom := f.Token, "--token", f.TokenFile, "--token-file"
	if token == "" && file == "" {
		token, from, file, fileFrom = os.Getenv("FLOWD_TOKEN"), "FLOWD_TOKEN", os.Getenv("FLOWD_TOKEN_FILE"), "FLOWD_TOKEN_FILE"
	}
	switch {
	case token != "" && file != "":
		return "", &usageError{fmt.Errorf("%s: there is %s too; give one of both", from, fileFrom)}
	case file == "":
		return token, nil
	}
	text, err := os.ReadFile(file)
	if err == nil {
		token, _, _ = strings.Cut(string(text), "\n")
		if token = strings.TrimSpace(token); token == "" {
			err = errors.New(file + " has no token on its first line")
		}
	}
	if err != nil {
		return "", &usageError{fmt.Errorf("%s: %w", fileFrom, err)}
	}
	return token, nil
}
