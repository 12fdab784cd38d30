package ingest

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

// What is clear is before the beginning of all that is under way, and not far
// behind it, or behind now.
func TestUnderway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(1_700_000_000_123)
		u := new(underway)
		type webhook struct {
			began time.Time
			slot  int
		}
		var all []webhook
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "ms")) * time.Millisecond)
			switch {
			case rapid.Bool().Draw(t, "begins"):
				all = append(all, webhook{now, u.begin(now)})
			case len(all) > 0:
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				u.end(all[i].slot)
				all = append(all[:i], all[i+1:]...)
			}
			oldest := now
			for _, w := range all {
				if w.began.Before(oldest) {
					oldest = w.began
				}
			}
			got := u.clear(now)
			if got >= schemas.FromTime(oldest) || got < schemas.FromTime(oldest.Add(-underwayStep-2*time.Millisecond)) {
				t.Fatalf("clear until %s at %s, the oldest began at %s", got.Time(), now, oldest)
			}
		}
	})
}
