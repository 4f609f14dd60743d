//go:build race

package httpapi

// raceEnabled says that the race detector is on. It makes all slower, and stands no more than
// 8,128 goroutines.
const raceEnabled = true
