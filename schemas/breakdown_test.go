package schemas_test

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

func TestDelayBucket(t *testing.T) {
	last := int64(-1)
	for ms := int64(0); ms < 1<<20; ms++ {
		from, to := schemas.DelayBucket(ms)
		if ms < from || ms >= to {
			t.Fatalf("%d is not in [%d, %d)", ms, from, to)
		}
		if from != last && from != ms {
			t.Fatalf("%d: bucket begins at %d, before what came last", ms, from)
		}
		if width := to - from; width > 1 && width*32 > from {
			t.Fatalf("%d: [%d, %d) is wider than a 32nd", ms, from, to)
		}
		last = from
	}
	if from, to := schemas.DelayBucket(-5); from != 0 || to != 1 {
		t.Errorf("a negative delay: [%d, %d)", from, to)
	}
	if from, _ := schemas.DelayBucket(math.MaxInt64); from <= 0 {
		t.Errorf("the longest delay: from %d", from)
	}
}

func TestAgeValue(t *testing.T) {
	for age, want := range map[time.Duration]string{
		-time.Hour: "0", 0: "0", time.Hour - 1: "0", time.Hour: "1", 5 * time.Hour: "3", 25 * time.Hour: "24",
		47 * time.Hour: "24", 48 * time.Hour: "48", 169 * time.Hour: "168", 10_000 * time.Hour: "2160",
	} {
		if got := schemas.AgeValue(age); got != want {
			t.Errorf("%v: %s, want %s", age, got, want)
		}
	}
	for _, hours := range schemas.AgeHours() {
		if got, want := schemas.AgeValue(time.Duration(hours)*time.Hour), strconv.FormatInt(hours, 10); got != want {
			t.Errorf("%d h: %s", hours, got)
		}
	}
}
