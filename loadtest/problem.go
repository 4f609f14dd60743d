package loadtest

import (
	"fmt"
	"strings"

	"github.com/goccy/go-json"
)

// maxAnswer is how much of an answer's body is read. Longer ones are no answer of flowd.
const maxAnswer = 64 << 10

// explain returns what an error's body says, if it is a problem document.
func explain(body []byte) string {
	var problem struct {
		Title, Detail string
		Errors        []struct{ Pointer, Detail string }
	}
	if json.Unmarshal(body, &problem) != nil {
		return ""
	}
	var s strings.Builder
	for _, text := range []string{problem.Title, problem.Detail} {
		if text != "" {
			fmt.Fprintf(&s, ": %s", text)
		}
	}
	if len(problem.Errors) > 0 {
		fmt.Fprintf(&s, ": %s: %s", problem.Errors[0].Pointer, problem.Errors[0].Detail)
	}
	return s.String()
}
