package verify

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
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
	// While much is going on, when nearly all has come, and after all.
	until := []time.Duration{30 * time.Hour, 70 * time.Hour, 500 * time.Hour}
	fired := map[string]int{}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			robot := 0
			if seed%6 == 5 {
				robot = 700
			}
			w := kindsWorld(t, seed, 40, robot)
			if seed%4 == 3 { // messages have several lives
				w.horizon, w.retention = 24*time.Hour, 96*time.Hour
			}
			out, end := w.runKinds(seed, until[seed%uint64(len(until))])
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

// TestKindsBesideLiveTraffic lets half of the webhooks arrive, and be processed,
// between the cut and the reading of the outputs.
func TestKindsBesideLiveTraffic(t *testing.T) {
	w := kindsWorld(t, 6, 0, 0)
	a := &actor{Rand: rand.New(rand.NewPCG(6, 8))}
	for i := range 120 {
		a.message(i)
	}
	a.sort()
	half := len(a.hooks) / 2
	w.postKinds(a.hooks[:half])
	var once sync.Once
	report := w.verify(func(c *Config) {
		c.Progress = func(phase string, _, _ int64) {
			if !strings.HasPrefix(phase, "waiting") {
				return
			}
			once.Do(func() {
				w.postKinds(a.hooks[half:])
				out, end := w.runKinds(6, 70*time.Hour)
				w.write(out)
				w.writeMarkers(end)
				w.commitAll()
			})
		}
	})
	check := report.check(checkTriggers)
	if report.Differences() != 0 || check.Skipped == 0 || check.Found == 0 || report.Later == 0 {
		t.Errorf("%d later webhooks\n%s", report.Later, problems(report))
	}
}
