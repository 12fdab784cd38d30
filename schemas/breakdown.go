package schemas

import (
	"math/bits"
	"strconv"
	"time"
)

// DelayBucket returns the bucket of a delay in milliseconds that is not
// negative: from ≤ ms < to. Below 64 ms a bucket is a millisecond, above it is
// at most a 32nd of from wide, so that whatever is said of a delay by its bucket
// is wrong by 3.2 % at most.
func DelayBucket(ms int64) (from, to int64) {
	shift := max(0, bits.Len64(uint64(max(ms, 0)))-6)
	from = max(ms, 0) >> shift << shift
	return from, from + 1<<shift
}

// DelayValue is the value of a cell of the dimensions open_delay and
// click_delay: where the bucket begins, in milliseconds.
func DelayValue(ms int64) string {
	from, _ := DelayBucket(ms)
	return strconv.FormatInt(from, 10)
}

// ageHours are where the buckets of the dimension age begin, in hours since the
// send.
var ageHours = [...]int64{0, 1, 2, 3, 6, 12, 24, 48, 72, 96, 120, 144, 168, 336, 720, 1440, 2160}

// AgeSent is the value of the cell of age that counts the cohort itself.
const AgeSent = "sent"

// AgeHours lists where the buckets of the dimension age begin, in hours since
// the send; the last has no end.
func AgeHours() []int64 { return append([]int64(nil), ageHours[:]...) }

// AgeValue is the value of a cell of the dimension age: the hours since the
// send at which its bucket begins. What comes before the send has the age 0.
func AgeValue(age time.Duration) string {
	hours := int64(age / time.Hour)
	at := 0
	for at+1 < len(ageHours) && ageHours[at+1] <= hours {
		at++
	}
	return strconv.FormatInt(ageHours[at], 10)
}

// Parts of a value of the dimension path, in this order, joined by PathJoin. A
// message of which none is true has the value PathNone.
const (
	PathDelivered    = "delivered"
	PathOpened       = "opened"
	PathHumanOpened  = "human_opened"
	PathClicked      = "clicked"
	PathHumanClicked = "human_clicked"
	PathUnsubscribed = "unsubscribed"
	PathComplained   = "complained"
	PathJoin         = "+"
	PathNone         = "none"
)
