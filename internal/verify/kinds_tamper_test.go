package verify

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// verifyAs writes other outputs than w's stages made and returns what verify says.
func (w *world) verifyAs(t *testing.T, out map[string][]*kgo.Record, frontier schemas.Timestamp) *Report {
	t.Helper()
	other := w.again(t)
	other.write(out)
	other.writeMarkers(frontier)
	other.commitAll()
	return other.verify(nil)
}

// onlyIn fails if other checks than the named one differ, or that one does not so
// often.
func onlyIn(t *testing.T, report *Report, name string, atLeast, atMost int64) {
	t.Helper()
	for _, c := range report.Checks {
		if c.Name != name && c.Differences > 0 || c.Name == name && (c.Differences < atLeast || c.Differences > atMost) {
			t.Errorf("check %s has %d differences, want %d to %d of %s\n%s", c.Name, c.Differences, atLeast, atMost, name, problems(report))
		}
	}
	if len(report.Details) == 0 {
		t.Error("no difference is described")
	}
}

// ofEachRule returns where the first trigger of each rule is, one that is not
// expired: an expired one may be there beside another.
func (w *world) ofEachRule(out map[string][]*kgo.Record) map[string]int {
	first := map[string]int{}
	for i, rec := range out[schemas.TopicTriggers] {
		x := decodeTrigger(w, rec)
		if _, ok := first[x.Rule]; !ok && x.Status != schemas.TriggerStatusExpired {
			first[x.Rule] = i
		}
	}
	return first
}

func decodeTrigger(w *world, rec *kgo.Record) *schemas.Trigger {
	x := new(schemas.Trigger)
	if err := w.serde.Decode(rec.Value, x); err != nil {
		panic(err)
	}
	return x
}

// TestTamperedTriggersOfAllKindsAreDetected changes one trigger of each rule in
// one way at a time.
func TestTamperedTriggersOfAllKindsAreDetected(t *testing.T) {
	w := kindsWorld(t, 2, 150, 0)
	good, end := w.runKinds(2, 500*time.Hour)
	first := w.ofEachRule(good)
	if rules := len(w.rules.Rules()); len(first) != rules {
		t.Fatalf("%d of %d rules have fired: %v", len(first), rules, slices.Sorted(maps.Keys(first)))
	}
	if report := w.verifyAs(t, good, end); report.Differences() != 0 {
		t.Fatal(problems(report))
	}
	for _, c := range []struct {
		name string
		// tamper changes a trigger, and tells false where that can't be.
		tamper func(x *schemas.Trigger) bool
	}{
		{"occurred_at", func(x *schemas.Trigger) bool { x.OccurredAt++; return true }},
		{"arrived_at", func(x *schemas.Trigger) bool { x.ArrivedAt--; return true }},
		{"anchor_at", func(x *schemas.Trigger) bool { x.AnchorAt++; return true }},
		{"not_before", func(x *schemas.Trigger) bool { x.NotBefore += 60_000_000; return true }},
		{"occurrence", func(x *schemas.Trigger) bool { x.Occurrence += "0"; return true }},
		{"kind", func(x *schemas.Trigger) bool { x.Kind += "?"; return true }},
		{"once_per", func(x *schemas.Trigger) bool { x.OncePer += "?"; return true }},
		{"endpoint", func(x *schemas.Trigger) bool { x.Endpoint += "?"; return true }},
		{"hits", func(x *schemas.Trigger) bool { x.Hits++; return true }},
		{"base", func(x *schemas.Trigger) bool { x.Base++; return true }},
		{"state", func(x *schemas.Trigger) bool { x.State += "?"; return true }},
		{"window_start", func(x *schemas.Trigger) bool { x.WindowStart++; return true }},
		{"window_end", func(x *schemas.Trigger) bool { x.WindowEnd++; return true }},
		{"evidence's time", func(x *schemas.Trigger) bool {
			if len(x.Evidence) > 0 {
				x.Evidence[0].OccurredAt++
			}
			return len(x.Evidence) > 0
		}},
		{"custom_id", func(x *schemas.Trigger) bool { x.CustomID = "nobody's"; return true }},
		{"campaign_id", func(x *schemas.Trigger) bool {
			if len(x.Evidence) == 0 {
				return false // one of a campaign would be of another one
			}
			x.CampaignID = "autumn"
			return true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := maps.Clone(good)
			out[schemas.TopicTriggers] = slices.Clone(good[schemas.TopicTriggers])
			n := int64(0)
			for _, i := range first {
				out[schemas.TopicTriggers][i] = change(w, out[schemas.TopicTriggers][i], func(x *schemas.Trigger) {
					if c.tamper(x) {
						n++
					}
				})
			}
			onlyIn(t, w.verifyAs(t, out, end), checkTriggers, n, n)
		})
	}
}

// TestMissingAndMadeUpTriggersAreDetected takes one trigger of each rule away, or
// adds one.
func TestMissingAndMadeUpTriggersAreDetected(t *testing.T) {
	w := kindsWorld(t, 2, 150, 0)
	good, end := w.runKinds(2, 500*time.Hour)
	first := w.ofEachRule(good)
	n := int64(len(first))
	with := func(f func(triggers []*kgo.Record, i int) []*kgo.Record) map[string][]*kgo.Record {
		out := maps.Clone(good)
		triggers := slices.Clone(good[schemas.TopicTriggers])
		for _, i := range slices.Backward(slices.Sorted(maps.Values(first))) {
			triggers = f(triggers, i)
		}
		out[schemas.TopicTriggers] = triggers
		return out
	}
	for _, c := range []struct {
		name            string
		f               func(triggers []*kgo.Record, i int) []*kgo.Record
		atLeast, atMost int64
	}{
		{"missing", func(all []*kgo.Record, i int) []*kgo.Record { return slices.Delete(all, i, i+1) }, n, n},
		{"doubled", func(all []*kgo.Record, i int) []*kgo.Record { return append(all, all[i]) }, n, n},
		{"of another id", func(all []*kgo.Record, i int) []*kgo.Record {
			return append(all, change(w, all[i], func(x *schemas.Trigger) { x.TriggerID[7] ^= 1 }))
		}, n, n},
		{"expired instead", func(all []*kgo.Record, i int) []*kgo.Record {
			all[i] = change(w, all[i], func(x *schemas.Trigger) { x.Status = schemas.TriggerStatusExpired })
			return all
		}, n, 2 * n},
		{"of another occurrence", func(all []*kgo.Record, i int) []*kgo.Record {
			return append(all, change(w, all[i], func(x *schemas.Trigger) { w.move(x) }))
		}, n, n},
		{"of an event that nobody has heard of", func(all []*kgo.Record, i int) []*kgo.Record {
			return append(all, change(w, all[i], func(x *schemas.Trigger) {
				w.move(x)
				for k := range x.Evidence {
					x.Evidence[k].EventID[3] ^= 1
				}
			}))
		}, n, n},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onlyIn(t, w.verifyAs(t, with(c.f), end), checkTriggers, c.atLeast, c.atMost)
		})
	}
}

// move makes a trigger one of another occurrence, with the id of it.
func (w *world) move(x *schemas.Trigger) {
	r := w.rules.Rule(x.Rule)
	m := &trigger.Message{
		Tenant: x.Tenant, Account: x.Account, MessageID: x.MessageID, RecipientID: x.RecipientID, Recipient: x.Recipient, CampaignID: x.CampaignID,
	}
	key, _ := onceKey(r, m)
	if r.OfCampaign() {
		key = x.CampaignID
		x.WindowStart, x.WindowEnd = x.WindowStart+micros(r.Every)*1000, x.WindowEnd+micros(r.Every)*1000
	}
	state, _, _ := strings.Cut(x.Occurrence, "@")
	x.Occurrence = state + "@1"
	x.TriggerID = triggerID(x.Tenant, r, key, x.Occurrence)
}

// TestWhatTheFrontierDecides: what is due later than a stage can have come is
// found out, and so is what is not there though the stage has passed it.
func TestWhatTheFrontierDecides(t *testing.T) {
	w := kindsWorld(t, 3, 60, 0)
	out, end := w.runKinds(3, 60*time.Hour)
	for _, c := range []struct {
		name     string
		frontier schemas.Timestamp
		missing  bool
	}{{"too early", end - micros(20*time.Hour), false}, {"not there", end + micros(20*time.Hour), true}} {
		t.Run(c.name, func(t *testing.T) {
			report := w.verifyAs(t, out, c.frontier)
			onlyIn(t, report, checkTriggers, 10, 1e6)
			check := report.check(checkTriggers)
			if c.missing != (check.Missing == check.Differences) || c.missing == (check.Surplus == check.Differences) {
				t.Errorf("%+v", *check)
			}
		})
	}
}

// Without markers nothing is known of the frontier: what takes one is neither
// wanted nor wrong.
func TestFrontierIsUnknown(t *testing.T) {
	w := kindsWorld(t, 3, 60, 0)
	out, _ := w.runKinds(3, 60*time.Hour)
	w.write(out)
	w.commitAll()
	if report := w.verify(nil); report.Differences() != 0 {
		t.Error(problems(report))
	}
}

// Triggers of another version of a rule keep those of this one from firing.
func TestRuleWasChanged(t *testing.T) {
	w := kindsWorld(t, 4, 60, 0)
	out, end := w.runKinds(4, 60*time.Hour)
	first := w.ofEachRule(out)
	for _, i := range first {
		out[schemas.TopicTriggers][i] = change(w, out[schemas.TopicTriggers][i], func(x *schemas.Trigger) { x.RuleVersion = "before" })
	}
	report := w.verifyAs(t, out, end)
	if check := report.check(checkTriggers); report.Differences() != 0 || check.Skipped != int64(len(first)) {
		t.Errorf("%d rules\n%s", len(first), problems(report))
	}
}

// TestTamperedSuppressionsAreDetected changes the last record of one key.
func TestTamperedSuppressionsAreDetected(t *testing.T) {
	w := kindsWorld(t, 5, 80, 0)
	good, end := w.runKinds(5, 60*time.Hour)
	records := good[schemas.TopicSuppressions]
	last := len(records) - 1
	for name, tamper := range map[string]func(s *schemas.Suppression){
		"reason":     func(s *schemas.Suppression) { s.Reason = schemas.SuppressionReasonUnknown },
		"active":     func(s *schemas.Suppression) { s.Active = !s.Active },
		"since":      func(s *schemas.Suppression) { s.Since++ },
		"event_id":   func(s *schemas.Suppression) { s.EventID[0] ^= 1 },
		"recipient":  func(s *schemas.Suppression) { s.Recipient = "" },
		"account":    func(s *schemas.Suppression) { s.Account += "?" },
		"campaign":   func(s *schemas.Suppression) { s.CampaignID += "?" },
		"lifted_at":  func(s *schemas.Suppression) { s.LiftedAt++ },
		"updated_at": func(s *schemas.Suppression) { s.UpdatedAt++ },
		"missing":    nil,
		"made up":    func(s *schemas.Suppression) { s.Scope = "list:404" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := maps.Clone(good)
			changed := slices.Clone(records)
			switch name {
			case "missing":
				key := string(records[last].Key)
				changed = without(changed, func(r *kgo.Record) bool { return string(r.Key) == key })
			default:
				changed = append(changed, change(w, changed[last], tamper))
			}
			out[schemas.TopicSuppressions] = changed
			onlyIn(t, w.verifyAs(t, out, end), checkSuppressions, 1, 1)
		})
	}
}
