package engagement

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

// drawEvent draws an event of a few messages, so that many meet. Fickle events
// change their mind about the campaign and carry suspect times.
func drawEvent(t *rapid.T, fickle bool) schemas.Event {
	minutes := func(from, to int, name string) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, name)) * time.Minute
	}
	text := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	message := text("message", "m1", "m2", "m3", "")
	recipient := rapid.SampledFrom([]byte{1, 2}).Draw(t, "recipient")
	occurred := at(minutes(0, 20, "occurred") + rapid.SampledFrom([]time.Duration{0, 0, time.Second, 2 * time.Second, 2999 * time.Millisecond, 3 * time.Second}).Draw(t, "seconds"))
	e := schemas.Event{
		EventID:     schemas.ID{rapid.Byte().Draw(t, "id"), recipient, byte(len(message)), message2byte(message)},
		Tenant:      "default",
		Account:     "main",
		Provider:    text("provider", "mailjet", ""),
		Type:        schemas.EventType(rapid.IntRange(0, int(schemas.EventTypeUnsuppressed)).Draw(t, "type")),
		OccurredAt:  occurred,
		ArrivedAt:   occurred + at(minutes(0, 2, "lag")*60) - base,
		MessageID:   message,
		RecipientID: schemas.ID{recipient},
		CustomID:    text("custom", "", "c1", "c2"),
		MessageUUID: text("uuid", "", "u1"),
		ContactID:   text("contact", "", "k1"),
		Machine:     schemas.Machine(rapid.IntRange(0, int(schemas.MachineMachine)).Draw(t, "machine")),
		BounceClass: text("class", "", "hard", "soft"),
		Country:     text("country", "FR", "DE"),
		URL:         text("url", "", "u1", "u2#top", "u2", "u3?token=0123456789012345678901234567890123", "u4"),
		Source:      text("source", "main", "backup", ""),
		ListID:      text("list", "", "7", "8"),
		ClientName:  text("client", "", "Outlook", "Chrome"),
		ClientOS:    text("os", "", "Windows"),
		DeviceType:  text("device", "", "mobile"),
		LinkIndex:   rapid.Int32Range(0, 2).Draw(t, "link"),

		RejectReason: text("reason", "", "spam", "blocked"),
	}
	e.RecipientDomain = []string{1: "Example.org", 2: ""}[recipient]
	e.Recipient = []string{1: "a@example.org", 2: ""}[recipient]
	if message != "" {
		e.CampaignID = text("campaign", "", "spring of "+message)
	}
	if fickle {
		e.CampaignID = text("any campaign", "", "spring", "autumn")
		e.CampaignName = text("name", "", "Spring", "Autumn")
		if rapid.Bool().Draw(t, "suspect") {
			e.TimeSuspect = true
			e.OccurredAt = e.ArrivedAt
		} else if rapid.Bool().Draw(t, "future") {
			e.ArrivedAt = e.OccurredAt - at(minutes(0, 60, "early")) + base
		}
	}
	return e
}

func message2byte(s string) byte {
	if s == "" {
		return 0
	}
	return s[1]
}

// drawEvents draws events with distinct ids, and then repetitions of some of
// them that arrive at other times.
func drawEvents(t *rapid.T, fickle bool) []schemas.Event {
	events := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) schemas.Event { return drawEvent(t, fickle) }),
		1, 14, func(e schemas.Event) schemas.ID { return e.EventID }).Draw(t, "events")
	for range rapid.IntRange(0, 5).Draw(t, "repetitions") {
		e := rapid.SampledFrom(events).Draw(t, "again")
		e.Source = rapid.SampledFrom([]string{"main", "backup"}).Draw(t, "again by")
		e.ArrivedAt += schemas.Timestamp(rapid.Int64Range(0, 10).Draw(t, "later") * int64(time.Hour/time.Microsecond))
		if e.TimeSuspect {
			e.OccurredAt = e.ArrivedAt
		}
		events = append(events, e)
	}
	return events
}

// run processes the events in some order, cut into transactions somehow, some
// of them aborted first.
func run(t *testing.T, rt *rapid.T, h *harness, events []schemas.Event) output {
	t.Helper()
	var open []schemas.Event
	for _, e := range rapid.Permutation(events).Draw(rt, "order") {
		h.process(e)
		open = append(open, e)
		switch rapid.IntRange(0, 5).Draw(rt, "then") {
		case 0:
			h.abort()
			h.process(open...)
		case 1, 2:
			h.commit()
			open = nil
		}
	}
	h.commit()
	return h.out
}

func compare(rt *rapid.T, got, want output) {
	rt.Helper()
	if !maps.Equal(got.events, want.events) {
		rt.Fatalf("events\n got %v\nwant %v", got.events, want.events)
	}
	for k, m := range want.messages {
		if got.messages[k] != m {
			rt.Fatalf("message %s\n got %+v\nwant %+v", k, got.messages[k], m)
		}
	}
	if len(got.messages) != len(want.messages) {
		rt.Fatalf("%d messages, want %d", len(got.messages), len(want.messages))
	}
	for k, c := range want.counters {
		if got.counters[k] != c {
			rt.Fatalf("counters %v\n got %+v\nwant %+v", k, got.counters[k], c)
		}
	}
	if len(got.counters) != len(want.counters) {
		rt.Fatalf("counters\n got %v\nwant %v", got.counters, want.counters)
	}
	compareSums(rt, got, want)
}

// Any order, any cut into transactions, aborts and repetitions end in what the
// set of events makes.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := drawEvents(rt, true)
		compare(rt, run(t, rt, newHarness(t, nil), events), model(events))
	})
}

const orderRules = `
rules:
  - {name: open, within: {event: opened, of: delivered, duration: 5m}}
  - {name: click, within: {event: clicked, of: opened, duration: 10m}, settle: 0s, max_age: 1h, when: event.country == "FR"}
  - {name: any, within: {event: opened, of: opened, duration: 20m}, human_only: false, once_per: recipient, max_age: 30m}
  - {name: spring, within: {event: clicked, of: delivered, duration: 15m}, settle: 0s, once_per: campaign, when: message.campaign_id != "spring of m2"}
  - {name: contact, within: {event: bounced, of: delivered, duration: 15m}, once_per: recipient, mode: shadow, when: message.contact_id == "k1"}
  - {name: send, within: {event: opened, of: send, duration: 5m}}
`

// The triggers that fire, and whether they call, do not depend on order either.
func TestTriggersOrderDoesNotMatter(t *testing.T) {
	rules := mustRules(t, orderRules)
	rapid.Check(t, func(rt *rapid.T) {
		events := drawEvents(rt, false)
		// An earlier send that becomes known late does not revoke a trigger: one
		// send a message keeps that out.
		sends := map[string]schemas.ID{}
		events = slices.DeleteFunc(events, func(e schemas.Event) bool {
			if !slices.Contains([]schemas.EventType{schemas.EventTypeQueued, schemas.EventTypeSent, schemas.EventTypeDelivered}, e.Type) {
				return false
			}
			k := e.MessageID + "/" + e.RecipientID.String()
			if sends[k].IsZero() {
				sends[k] = e.EventID
			}
			return sends[k] != e.EventID
		})
		got := statuses(run(t, rt, newHarness(t, rules), events))
		want := modelTriggers(events)
		if !maps.Equal(got, want) {
			rt.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

type firedKey struct{ rule, key string }

// statuses maps what fired to its status; the key is readable.
func statuses(out output) map[firedKey]schemas.TriggerStatus {
	got := map[firedKey]schemas.TriggerStatus{}
	for _, tr := range out.triggers {
		key := tr.RecipientID.String()
		switch tr.OncePer {
		case "message":
			key += "/" + tr.MessageID
		case "campaign":
			key += "/" + tr.CampaignID
		}
		got[firedKey{tr.Rule, key}] = tr.Status
	}
	return got
}

// modelTriggers tries all pairs of events under the rules of orderRules, written
// out by hand.
func modelTriggers(all []schemas.Event) map[firedKey]schemas.TriggerStatus {
	want := map[firedKey]schemas.TriggerStatus{}
	groups := map[string][]schemas.Event{}
	for _, e := range all {
		k := e.MessageID + "/" + e.RecipientID.String()
		groups[k] = append(groups[k], e)
	}
	for _, versions := range groups {
		events := modelSet(versions)
		m := modelMessage(versions, events)
		recipient, address := m.RecipientID.String(), m.RecipientID[0] == 1
		perMessage, perCampaign := recipient+"/"+m.MessageID, recipient+"/"+m.CampaignID
		try := func(rule, key string, a, b schemas.Event, within, maxAge time.Duration, ok bool, live schemas.TriggerStatus) {
			gap := time.Duration(b.OccurredAt-a.OccurredAt) * time.Microsecond
			if !ok || gap < 0 || gap > within || a.EventID == b.EventID {
				return
			}
			status := live
			if time.Duration(max(a.ArrivedAt, b.ArrivedAt)-b.OccurredAt)*time.Microsecond > maxAge {
				status = schemas.TriggerStatusExpired
			}
			k := firedKey{rule, key}
			if old, ok := want[k]; !ok || old == schemas.TriggerStatusExpired {
				want[k] = status
			}
		}
		const day = 24 * time.Hour
		fired, shadow := schemas.TriggerStatusFired, schemas.TriggerStatusShadow
		for _, a := range events {
			for _, b := range events {
				send := a.Type == schemas.EventTypeQueued || a.Type == schemas.EventTypeSent || a.Type == schemas.EventTypeDelivered
				delivered := a.Type == schemas.EventTypeDelivered
				opened, clicked := b.Type == schemas.EventTypeOpened, b.Type == schemas.EventTypeClicked
				try("open", perMessage, a, b, 5*time.Minute, 2*day, delivered && opened && modelHuman(b), fired)
				try("click", perMessage, a, b, 10*time.Minute, time.Hour,
					a.Type == schemas.EventTypeOpened && clicked && modelHuman(a) && modelHuman(b) && b.Country == "FR", fired)
				try("any", recipient, a, b, 20*time.Minute, 30*time.Minute, address && a.Type == schemas.EventTypeOpened && opened, fired)
				try("spring", perCampaign, a, b, 15*time.Minute, 2*day, address && m.CampaignID != "" && m.CampaignID != "spring of m2" &&
					delivered && clicked && modelHuman(b), fired)
				try("contact", recipient, a, b, 15*time.Minute, 2*day,
					address && delivered && b.Type == schemas.EventTypeBounced && m.ContactID == "k1", shadow)
				try("send", perMessage, a, b, 5*time.Minute, 2*day, send && opened && modelHuman(b), fired)
			}
		}
	}
	return want
}
