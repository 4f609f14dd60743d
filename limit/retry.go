package limit

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// RetryAfter returns wait as the value of the header Retry-After (RFC 9110, 10.2.3): whole seconds, rounded
// up, from 1 to 60. It adds random jitter of up to half of that, so that clients that are refused together
// do not return together. The value is never less than wait, except for waits of more than a minute, for
// which it is 40 to 60 seconds.
func RetryAfter(wait time.Duration) string { return retryAfter(wait, rand.IntN) }

// retryAfter is RetryAfter with a source of randomness: intN returns a number from 0 to n-1.
func retryAfter(wait time.Duration, intN func(n int) int) string {
	const most = int(longest / time.Second)
	seconds := most * 2 / 3
	if wait <= longest {
		seconds = max(int((wait+time.Second-1)/time.Second), 1)
	}
	spread := min((seconds+1)/2, most-seconds)
	return strconv.Itoa(seconds + intN(spread+1))
}
