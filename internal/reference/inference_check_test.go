package reference_test

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/posthorn/posthorn/internal/reference"
	"github.com/posthorn/posthorn/schemas"
)

type comparedMetric struct {
	Name      string
	Campaigns []struct {
		ID        string
		Low, High *float64
	}
	Pairs []struct {
		A, B                        string
		Difference, Low, High, Z, P *float64
		Adjusted                    *float64 `json:"p_adjusted"`
		Enough, Significant         bool
	}
}

// comparisonsAgree compares intervals and tests of rates between campaigns.
func comparisonsAgree(t *testing.T, x *expected) {
	ids := []string{"autumn", "rare", "spring", "summer", "tiny", "winter"}
	var metrics []comparedMetric
	for name := range rates {
		if strings.HasSuffix(name, "_delay") || strings.HasSuffix(name, "_per_message") {
			continue // no shares
		}
		var got struct{ Metrics []comparedMetric }
		x.ask(t, "/v1/compare", &got, "campaigns", strings.Join(ids, ","), "metric", name)
		metrics = append(metrics, got.Metrics...)
	}
	if len(metrics) != 13 {
		t.Errorf("%d metrics are compared", len(metrics))
	}
	fisher, enough := 0, 0
	for _, m := range metrics {
		shares := map[string]reference.Share{}
		for _, id := range ids {
			c := total(x.of(id))
			n, all := rates[m.Name](&c)
			shares[id] = reference.Share{N: n, All: all}
		}
		valid := func(s reference.Share) bool { return s.All > 0 && s.N >= 0 && s.N <= s.All }
		for _, c := range m.Campaigns {
			s := shares[c.ID]
			if !valid(s) {
				if c.Low != nil {
					t.Errorf("%s of %s has an interval", m.Name, c.ID)
				}
				continue
			}
			if low, high := s.Wilson(); !near(c.Low, low) || !near(c.High, high) {
				t.Errorf("%s of %s: %s to %s, want %g to %g", m.Name, c.ID, text(c.Low), text(c.High), low, high)
			}
		}
		var ps []float64
		for _, p := range m.Pairs {
			a, b := shares[p.A], shares[p.B]
			if !valid(a) || !valid(b) {
				continue
			}
			low, high := reference.Newcombe(a, b)
			want := float64(a.N)/float64(a.All) - float64(b.N)/float64(b.All)
			if !near(p.Difference, want) || !near(p.Low, low) || !near(p.High, high) {
				t.Errorf("%s of %s and %s: %s (%s to %s), want %g (%g to %g)", m.Name, p.A, p.B, text(p.Difference), text(p.Low), text(p.High), want, low, high)
			}
			if p.Enough != reference.Enough(a, b) {
				t.Errorf("%s of %s and %s: enough is %v", m.Name, p.A, p.B, p.Enough)
			}
			pWant := 0.0
			if p.Enough {
				enough++
				var z float64
				if z, pWant = reference.Z(a, b); !near(p.Z, z) {
					t.Errorf("%s of %s and %s: z is %s, want %g", m.Name, p.A, p.B, text(p.Z), z)
				}
			} else {
				fisher++
				pWant = reference.Fisher(a, b)
			}
			ps = append(ps, pWant)
			if p.P == nil || math.Abs(*p.P-pWant) > 1e-6*pWant+1e-12 {
				t.Errorf("%s of %s and %s: p is %s, want %g", m.Name, p.A, p.B, text(p.P), pWant)
			}
		}
		adjusted, i := reference.Holm(ps), 0
		for _, p := range m.Pairs {
			if !valid(shares[p.A]) || !valid(shares[p.B]) {
				continue
			}
			if want := adjusted[i]; p.Adjusted == nil || math.Abs(*p.Adjusted-want) > 1e-6*want+1e-12 || p.Significant != (want < 0.05) {
				t.Errorf("%s of %s and %s: adjusted p is %s, want %g", m.Name, p.A, p.B, text(p.Adjusted), want)
			}
			i++
		}
	}
	if fisher == 0 || enough == 0 {
		t.Errorf("%d exact tests, %d others", fisher, enough)
	}
}

// peopleAgree compares what some recipients were sent and did.
func peopleAgree(t *testing.T, x *expected) {
	people := reference.People(x.messages)
	ids := slices.SortedFunc(maps.Keys(people), func(a, b schemas.ID) int { return strings.Compare(string(a[:]), string(b[:])) })
	for _, id := range ids[:min(60, len(ids))] {
		var got struct {
			Summary struct {
				Domain   string
				Counters map[string]int64
				First    *time.Time `json:"first_event_at"`
				Last     *time.Time `json:"last_event_at"`
				Sent     *time.Time `json:"last_sent_at"`
				Opened   *time.Time `json:"last_opened_at"`
				Clicked  *time.Time `json:"last_clicked_at"`
			}
			Messages []struct {
				ID       string `json:"message_id"`
				Campaign string `json:"campaign_id"`
				Outcome  string
				Opens    int64
			}
			Events []struct{ Type string }
		}
		x.ask(t, "/v1/recipients/"+uuid.UUID(id).String(), &got, "limit", "1000")
		p := people[id]
		if got.Summary.Domain != p.Domain {
			t.Errorf("%s: domain %s, want %s", id, got.Summary.Domain, p.Domain)
		}
		for name, n := range got.Summary.Counters {
			if want := named(p.Counters)[name]; n != want {
				t.Errorf("%s: %s is %d, want %d", id, name, n, want)
			}
		}
		limits := x.limits(id)
		for name, at := range map[string]struct {
			got         *time.Time
			want, limit schemas.Timestamp
		}{
			"first event": {got.Summary.First, p.FirstEvent, limits.FirstEvent}, "last event": {got.Summary.Last, p.LastEvent, limits.LastEvent},
			"last sent": {got.Summary.Sent, p.LastSent, limits.LastSent}, "last opened": {got.Summary.Opened, p.LastOpened, limits.LastOpened},
			"last clicked": {got.Summary.Clicked, p.LastClicked, limits.LastClicked},
		} {
			low, high := min(at.want, at.limit).Time().Unix(), max(at.want, at.limit).Time().Unix()
			if at.want == 0 != (at.got == nil) || at.got != nil && (at.got.Unix() < low || at.got.Unix() > high) {
				t.Errorf("%s: %s at %v, want %s (up to %s)", id, name, at.got, at.want, at.limit)
			}
		}
		messages := map[string]*reference.Message{}
		events := 0
		for _, m := range x.messages {
			if m.Recipient == id {
				messages[m.Account+m.ID] = m
				events += len(m.Events)
			}
		}
		if len(got.Messages) != len(messages) || len(got.Events) != events {
			t.Errorf("%s: %d messages and %d events, want %d and %d", id, len(got.Messages), len(got.Events), len(messages), events)
		}
	}
}

// limits are the farthest times that any version of a recipient's events told: a
// first or last time can't be taken back when a message is revised.
func (x *expected) limits(id schemas.ID) (p reference.Person) {
	for i := range x.events {
		e := &x.events[i]
		if e.RecipientID != id {
			continue
		}
		at := e.OccurredAt
		if p.FirstEvent == 0 || at < p.FirstEvent {
			p.FirstEvent = at
		}
		p.LastEvent = max(p.LastEvent, at)
		switch e.Type {
		case schemas.EventTypeQueued, schemas.EventTypeSent, schemas.EventTypeDelivered:
			p.LastSent = max(p.LastSent, at)
		case schemas.EventTypeOpened:
			p.LastOpened = max(p.LastOpened, at)
		case schemas.EventTypeClicked:
			p.LastClicked = max(p.LastClicked, at)
		}
	}
	return p
}

// anomaliesAgree compares what stands out.
func anomaliesAgree(t *testing.T, x *expected) {
	type point struct {
		Start                  time.Time
		Numerator, Denominator int64
		Judged, Anomaly        bool
		Expected, Low, High, Z *float64
	}
	judged, marked := 0, 0
	for resolution, rule := range map[string]reference.AnomalyRule{
		"day":  {Window: 28, Baseline: 7, Least: 20, Z: 4, Messages: 5},
		"hour": {Window: 168, Baseline: 24, Least: 20, Z: 4, Messages: 5},
	} {
		for _, metric := range []string{"hard_bounced", "delivered", "opened", "human_opened"} {
			for _, scope := range x.scopes(reference.ByEvent) {
				params := append(slices.Clone(scope.params), "resolution", resolution, "metric", metric, "tz", newYork.String())
				if resolution == "hour" {
					params = append(params, "since", clockChanges()[0].Add(-30*time.Hour).Format(time.RFC3339), "until", clockChanges()[0].Add(40*time.Hour).Format(time.RFC3339))
				}
				var got struct{ Points []point }
				x.ask(t, scope.anomalies, &got, params...)
				starts, course := anomalyCourse(scope.counts, resolution, metric)
				want := map[int64]int{}
				for i, at := range starts {
					want[at.Unix()] = i
				}
				said := reference.Anomalies(course, rule)
				for _, p := range got.Points {
					i, ok := want[p.Start.Unix()]
					if !ok || course[i] != (reference.Share{N: p.Numerator, All: p.Denominator}) {
						t.Errorf("%s %v: %s: %d of %d, want %+v", scope.name, params, p.Start, p.Numerator, p.Denominator, course[i])
						continue
					}
					w := said[i]
					if p.Judged != w.Judged || p.Anomaly != w.Marked || w.Judged && (!near(p.Expected, w.Expected) || !near(p.Low, w.Low) || !near(p.High, w.High) || !near(p.Z, w.Z)) {
						t.Errorf("%s %v: %s: %+v, want %+v (expected %s, z %s)", scope.name, params, p.Start, p, w, text(p.Expected), text(p.Z))
					}
					if w.Judged {
						judged++
					}
					if w.Marked {
						marked++
					}
				}
				if t.Failed() {
					return
				}
			}
		}
	}
	if judged < 100 || marked == 0 {
		t.Errorf("%d points are judged, %d marked", judged, marked)
	}
}

// anomalyCourse is the rate in each bucket from the first that was counted to the
// last.
func anomalyCourse(c *reference.Counts, resolution, metric string) (starts []time.Time, course []reference.Share) {
	of, next := reference.LocalDay(newYork), func(at time.Time) time.Time { return at.In(newYork).AddDate(0, 0, 1) }
	if resolution == "hour" {
		of, next = reference.LocalHour(newYork), func(at time.Time) time.Time { return at.Add(time.Hour) }
	}
	buckets := reference.Buckets(c, of)
	first := slices.MinFunc(slices.Collect(maps.Keys(buckets)), time.Time.Compare)
	last := slices.MaxFunc(slices.Collect(maps.Keys(buckets)), time.Time.Compare)
	for at := first; !at.After(last); at = next(at) {
		n := buckets[at.UTC()]
		hits, all := rates[metric](&n)
		starts, course = append(starts, at), append(course, reference.Share{N: hits, All: all})
	}
	return starts, course
}
