package rehearsal

import (
	"time"

	"github.com/posthorn/posthorn/processor/trigger"
)

// Reach is how long after an event has arrived it may still make a rule fire
// without another event: what rules wait for.
func Reach(rules *trigger.Set) (longest time.Duration) {
	for _, r := range rules.Rules() {
		longest = max(longest, r.Duration+r.Wait+r.Settle+r.Every)
	}
	return longest
}

// LeadIn is how long before the first firing that counts events must be known:
// what rules look back at, and what may arrive late.
func LeadIn(rules *trigger.Set) (longest time.Duration) {
	for _, r := range rules.Rules() {
		longest = max(longest, r.Duration+r.Wait+r.Settle+r.Every+r.MaxAge)
	}
	return longest
}
