package ingest

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// underwayStep is how finely the start of what is under way is known, and
// underwaySteps how many steps are told apart: more than the longest time that a
// webhook is under way.
const (
	underwayStep  = 50 * time.Millisecond
	underwaySteps = 2048
)

// underway counts the webhooks that are received and not yet in Kafka, in the
// spool or refused, by when they began.
type underway struct {
	steps [underwaySteps]atomic.Int64
}

// begin takes note of a webhook and returns what end takes.
func (u *underway) begin(now time.Time) (slot int) {
	slot = int(now.UnixNano()/int64(underwayStep)) % underwaySteps
	u.steps[slot].Add(1)
	return slot
}

func (u *underway) end(slot int) { u.steps[slot].Add(-1) }

// clear returns a time before the beginning of all that is under way; now, or a
// little before, where nothing is.
func (u *underway) clear(now time.Time) schemas.Timestamp {
	// What begins while the steps are looked at begins after this.
	until := now.UnixNano() - int64(time.Millisecond)
	step := now.UnixNano() / int64(underwayStep)
	oldest := int64(math.MaxInt64)
	for back := range int64(underwaySteps) {
		if u.steps[(step-back)%underwaySteps].Load() > 0 {
			oldest = step - back
		}
	}
	if oldest != math.MaxInt64 {
		until = min(until, oldest*int64(underwayStep)-1)
	}
	return schemas.FromTime(time.Unix(0, until))
}
