package config

import (
	"fmt"
	"time"
)

// Delivery is how endpoints are called.
type Delivery struct {
	// Retry is how long after each failed attempt the next one is made; there is
	// one attempt more than it has entries. Empty: the schedule that Standard
	// Webhooks recommends, ten attempts in three and a half days.
	Retry []time.Duration `yaml:"retry,flow"`
	// Timeout is the time for one attempt, answer included.
	Timeout time.Duration `yaml:"timeout"`
	// DisableAfter is how long an endpoint may only fail until it is disabled;
	// 0: for ever.
	DisableAfter time.Duration `yaml:"disable_after"`
}

// Bounds of retries. The ledger of calls that are done remembers a trigger for
// 35 days, and a call must not outlive it.
const (
	maxRetries    = 50
	maxRetryTotal = 30 * 24 * time.Hour
)

func (v *validation) delivery(d Delivery) {
	if len(d.Retry) > maxRetries {
		v.add("delivery.retry", fmt.Sprintf("has %d entries", len(d.Retry)), fmt.Sprintf("give at most %d", maxRetries))
	}
	var total time.Duration
	for i, wait := range d.Retry {
		if wait <= 0 || wait > maxRetryTotal {
			v.add(fmt.Sprintf("delivery.retry[%d]", i), fmt.Sprintf("%s is out of range", wait), "give the time until the next attempt, such as 5m")
			continue
		}
		total = min(total+wait, 2*maxRetryTotal)
	}
	if total > maxRetryTotal {
		v.add("delivery.retry", "lasts longer than 30 days in all", "leave it out for ten attempts in three and a half days")
	}
	if d.Timeout < 100*time.Millisecond || d.Timeout > time.Minute {
		v.add("delivery.timeout", fmt.Sprintf("%s is out of range", d.Timeout), "between 100ms and 1m; 15s is sane")
	}
	if d.DisableAfter != 0 && d.DisableAfter < time.Hour {
		v.add("delivery.disable_after", fmt.Sprintf("%s is too short: an endpoint that is being restarted would be disabled", d.DisableAfter),
			"at least 1h; 120h is sane, 0s never disables")
	}
}
