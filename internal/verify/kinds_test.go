package verify

import (
	"fmt"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// TestRulesOfAllKindsAgree: whatever the order in which the stages process what
// arrives, and wherever the frontier stands in the end, what they have derived is
// what verify finds by the letter of the definitions.
func TestRulesOfAllKindsAgree(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 3
	}
	fired := map[string]int{}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := kindsWorld(t, seed, 40)
			out, end := w.runKinds(seed, 60*time.Hour)
			w.write(out)
			w.writeMarkers(end)
			w.commitAll()
			report := w.verify(nil)
			if report.Differences() != 0 {
				t.Fatalf("frontier %s\n%s", end, problems(report))
			}
			for _, c := range report.Checks {
				if c.Note == "" && c.Name != checkRejections && (c.Expected == 0 || c.Expected != c.Found || c.Skipped != 0) {
					t.Errorf("check %s: %+v", c.Name, *c)
				}
			}
			for _, rec := range out[schemas.TopicTriggers] {
				var x schemas.Trigger
				if err := w.serde.Decode(rec.Value, &x); err != nil {
					t.Fatal(err)
				}
				fired[x.Rule+" "+x.Status.String()]++
			}
		})
	}
	t.Log(fired)
}
