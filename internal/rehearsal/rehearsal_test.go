package rehearsal_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/internal/rehearsal"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

var base = schemas.FromTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))

func at(d time.Duration) schemas.Timestamp { return base + schemas.Timestamp(d.Microseconds()) }

func mustRules(t testing.TB, text string) *trigger.Set {
	t.Helper()
	set, err := trigger.Parse("rules.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func event(n int, kind schemas.EventType, recipient, message string, occurred, arrived time.Duration) schemas.Event {
	e := schemas.Event{
		Tenant: "default", Account: "main", Source: "s", Provider: "native", Type: kind, CampaignID: "spring",
		Recipient: recipient, RecipientID: schemas.RecipientID([]byte("secret"), recipient), MessageID: message,
		OccurredAt: at(occurred), ArrivedAt: at(arrived), ReceivedAt: at(arrived),
	}
	binary.BigEndian.PutUint64(e.EventID[8:], uint64(n))
	return e
}

func fired(t testing.TB, rules *trigger.Set, events []schemas.Event, end time.Duration) (list []string) {
	t.Helper()
	err := rehearsal.Run(rehearsal.Config{Rules: rules}, events, at(end), func(x *schemas.Trigger) error {
		list = append(list, fmt.Sprintf("%s %s %s %s", x.Rule, x.Recipient, (x.ArrivedAt-base).Time().Format("15:04:05"), x.State))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Where nothing arrives the frontier stops at each timer: what fires is in the
// order in which it would have, live.
func TestSilenceIsWalkedThrough(t *testing.T) {
	rules := mustRules(t, `
rules:
  - {name: absent, absence: {event: opened, of: send, duration: 2h}, once_per: message}
  - {name: sends, rate: {event: bounced, of: [delivered, bounced], above: 10%, duration: 10m, every: 1m}}
`)
	events := []schemas.Event{
		event(1, schemas.EventTypeDelivered, "b@example.org", "m2", 0, 0),
		event(2, schemas.EventTypeDelivered, "a@example.org", "m1", -time.Hour, 0),
		event(3, schemas.EventTypeBounced, "c@example.org", "m3", 30*time.Second, 30*time.Second),
	}
	want := []string{
		"sends  00:01:00 raised", "sends  00:11:00 cleared",
		"absent a@example.org 01:00:00 ", "absent b@example.org 02:00:00 ",
	}
	got := fired(t, rules, events, 3*time.Hour)
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := fired(t, rules, events, 10*time.Minute); !slices.Equal(got, want[:1]) {
		t.Errorf("after ten minutes %q", got)
	}
}

func TestEventsComeInTheOrderOfArrival(t *testing.T) {
	events := []schemas.Event{
		event(1, schemas.EventTypeDelivered, "a@example.org", "m1", 0, time.Hour),
		event(2, schemas.EventTypeOpened, "a@example.org", "m1", 0, 0),
	}
	err := rehearsal.Run(rehearsal.Config{}, events, at(2*time.Hour), nil)
	if err == nil || !strings.Contains(err.Error(), "before one that was taken already") {
		t.Error(err)
	}
}

// Recipients may be rehearsed together or one by one.
func TestRecipientsAreIndependent(t *testing.T) {
	rules := mustRules(t, `
rules:
  - {name: within, within: {event: opened, of: send, duration: 1h}, once_per: recipient, cooldown: 2h}
  - {name: absent, absence: {event: clicked, of: opened, duration: 30m, wait: 1m}, once_per: message}
  - {name: count, count: {event: clicked, times: 2, duration: 20m, per: recipient}}
  - {name: settles, immediate: {event: clicked}, once_per: message}
`)
	types := []schemas.EventType{schemas.EventTypeDelivered, schemas.EventTypeOpened, schemas.EventTypeClicked}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(rt, "events")
		var events []schemas.Event
		for i := range n {
			who := rapid.SampledFrom([]string{"a@example.org", "b@example.org", "c@example.org"}).Draw(rt, "who")
			message := who + rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "message")
			occurred := time.Duration(rapid.IntRange(0, 240).Draw(rt, "occurred")) * time.Minute
			late := time.Duration(rapid.IntRange(0, 30).Draw(rt, "late")) * time.Minute
			events = append(events, event(i+1, rapid.SampledFrom(types).Draw(rt, "type"), who, message, occurred, occurred+late))
		}
		slices.SortStableFunc(events, func(a, b schemas.Event) int { return cmp.Compare(a.ArrivedAt, b.ArrivedAt) })
		together := fired(t, rules, events, 10*time.Hour)
		var alone []string
		for _, who := range []string{"a@example.org", "b@example.org", "c@example.org"} {
			own := slices.DeleteFunc(slices.Clone(events), func(e schemas.Event) bool { return e.Recipient != who })
			alone = append(alone, fired(t, rules, own, 10*time.Hour)...)
		}
		slices.Sort(together)
		slices.Sort(alone)
		if !slices.Equal(together, alone) {
			rt.Fatalf("together %q\nalone %q", together, alone)
		}
	})
}

func TestReachAndLeadIn(t *testing.T) {
	rules := mustRules(t, `
rules:
  - {name: a, absence: {event: opened, of: send, duration: 48h, wait: 10m}, max_age: 1h}
  - {name: b, immediate: {event: clicked}, max_age: 30h}
`)
	if got := rehearsal.Reach(rules); got != 48*time.Hour+10*time.Minute {
		t.Error(got)
	}
	if got := rehearsal.LeadIn(rules); got != 49*time.Hour+10*time.Minute {
		t.Error(got)
	}
	if got := rehearsal.Reach(nil); got != 0 {
		t.Error(got)
	}
}
