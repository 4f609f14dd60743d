package limit

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// RetryAfter returns wait as the value of the header Retry-After (RFC 9110, 10.2.3): whole
// seconds, rounded up, at least 1 and at most 60. Up to half as much again is added by chance, so
// that those who are sent away together do not come back together. None is told to come back
// before wait is over, but for waits of more than a minute: they are told 40 to 60 seconds.
func RetryAfter(wait time.Duration) string { return retryAfter(wait, rand.IntN) }

// retryAfter is RetryAfter with a source of chance: intN returns one of 0 to n-1.
func retryAfter(wait time.Duration, intN func(n int) int) string {
	const most = int(longest / time.Second)
	seconds := most * 2 / 3
	if wait <= longest {
		seconds = max(int((wait+time.Second-1)/time.Second), 1)
	}
	spread := min((seconds+1)/2, most-seconds)
	return strconv.Itoa(seconds + intN(spread+1))
}
