package verify

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// lateWorld has webhooks that arrive over some days, some of them again and
// again: messages have several lives, and windows are closed before all is in.
func lateWorld(t *testing.T) *world {
	w := newWorld(t)
	w.horizon, w.retention = 60*time.Hour, 96*time.Hour
	w.post(w.simulated(150))
	r := rand.New(rand.NewPCG(5, 6))
	now := time.Now()
	type arrival struct {
		hours int
		hook  *schemas.Webhook
	}
	var later []arrival
	for _, hook := range w.received {
		if r.IntN(2) == 0 {
			later = append(later, arrival{r.IntN(200), hook})
		}
	}
	// Others arrive late only.
	for i, b := range w.simulated(60) {
		later = append(later, arrival{r.IntN(200), &schemas.Webhook{
			ID: schemas.ID{8, byte(i)}, Tenant: "default", Account: "late", Source: "mailjet", Provider: "mailjet",
			ReceivedAt: schemas.FromTime(now), Body: slices.Clone(b.Data), CRC32C: schemas.Checksum(b.Data), Verified: "basic",
		}})
	}
	slices.SortStableFunc(later, func(a, b arrival) int { return a.hours - b.hours })
	for _, a := range later {
		w.produceAt(now.Add(time.Duration(a.hours)*time.Hour), a.hook)
	}
	return w
}

func TestLatenessAgrees(t *testing.T) {
	w := lateWorld(t)
	out := w.derive(w.webhooks())
	w.write(out)
	w.commitAll()
	report := w.verify(nil)
	if report.Differences() != 0 {
		t.Fatal(problems(report))
	}
	late, again := 0, 0
	for _, rec := range out[schemas.TopicStatistics] {
		var s schemas.CampaignStatistics
		if err := w.serde.Decode(rec.Value, &s); err != nil {
			t.Fatal(err)
		}
		if !s.Basis.Windowed() && s.Basis != schemas.BasisLifetime {
			late++
		}
	}
	seen := map[schemas.ID]bool{}
	for _, rec := range out[schemas.TopicEvents] {
		var e schemas.Event
		if err := w.serde.Decode(rec.Value, &e); err != nil {
			t.Fatal(err)
		}
		if seen[e.EventID] {
			again++
		}
		seen[e.EventID] = true
	}
	if late < 5 || again < 100 {
		t.Errorf("the test has %d snapshots of late totals and %d events of second lives", late, again)
	}
	// With other times the outputs are not what they should be.
	for name, change := range map[string]func(*Config){
		checkMessages:   func(c *Config) { c.Horizon /= 2 },
		checkStatistics: func(c *Config) { c.Retention /= 2 },
	} {
		if report := w.verify(change); report.check(name).Differences == 0 {
			t.Errorf("no difference in %s\n%s", name, problems(report))
		}
	}
}

// A late total that is wrong, or not there, is found.
func TestTamperedLateTotalsAreDetected(t *testing.T) {
	w := lateWorld(t)
	good := w.derive(w.webhooks())
	for name, tamper := range map[string]func(*schemas.CampaignStatistics){
		"wrong": func(s *schemas.CampaignStatistics) { s.Counters.Opens++ },
		"gone":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			w := w.again(t)
			out := map[string][]*kgo.Record{}
			for topic, records := range good {
				out[topic] = records
			}
			key := ""
			out[schemas.TopicStatistics] = nil
			for _, rec := range slices.Backward(good[schemas.TopicStatistics]) {
				var s schemas.CampaignStatistics
				if err := w.serde.Decode(rec.Value, &s); err != nil {
					t.Fatal(err)
				}
				if key == "" && s.Basis == schemas.BasisEventTimeLate && s.Counters != (schemas.Counters{}) {
					key = string(rec.Key)
				}
				if string(rec.Key) == key {
					if tamper == nil {
						continue
					}
					rec = change(w, rec, tamper)
				}
				out[schemas.TopicStatistics] = append(out[schemas.TopicStatistics], rec)
			}
			slices.Reverse(out[schemas.TopicStatistics])
			w.write(out)
			w.commitAll()
			if report := w.verify(nil); report.Differences() != 1 || report.check(checkStatistics).Differences != 1 {
				t.Errorf("%s: %s", key, problems(report))
			}
		})
	}
}
