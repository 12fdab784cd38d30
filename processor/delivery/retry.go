package delivery

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// maxRetryAfter bounds what an endpoint may ask for: the longest step of the
// default schedule.
const maxRetryAfter = 24 * time.Hour

// delay returns how long to wait after failed attempt number n (from 1), and
// false when there are no more attempts. What the endpoint asks for in
// Retry-After can lengthen the wait, never shorten it: otherwise the attempts
// would be used up in no time.
func (c *Config) delay(n int32, retryAfter time.Duration) (time.Duration, bool) {
	if int(n) > len(c.Retry) {
		return 0, false
	}
	wait := max(c.Retry[n-1], retryAfter)
	if c.Jitter > 0 {
		wait += time.Duration(float64(wait) * c.Jitter * rand.Float64())
	}
	return wait, true
}

// parseRetryAfter reads seconds or an HTTP date; 0 where there is none.
func parseRetryAfter(v string, now time.Time) time.Duration {
	if v == "" {
		return 0
	}
	var wait time.Duration
	if s, err := strconv.ParseInt(v, 10, 64); err == nil {
		wait = time.Duration(min(max(s, 0), int64(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
