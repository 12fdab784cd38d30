package engagement

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

const kindsRules = `
rules:
  - {name: click, immediate: {event: clicked}}
  - {name: bounce, immediate: {event: bounced}, once_per: recipient, cooldown: 10m}
  - {name: open, within: {event: opened, of: delivered, duration: 5m}, cooldown: 10m}
  - {name: open-of-send, within: {event: opened, of: send, duration: 5m}, settle: 30m, max_age: 1h}
  - {name: french, within: {event: clicked, of: opened, duration: 10m}, max_age: 1h, when: event.country == "FR"}
  - {name: seldom, within: {event: opened, of: opened, duration: 20m}, human_only: false, once_per: recipient, max_age: 30m, sample: 50%}
  - {name: silent, absence: {event: opened, of: send, duration: 10m, wait: 30m}}
  - {name: silent-spring, absence: {event: clicked, of: opened, duration: 5m}, once_per: campaign, cooldown: 5m, max_age: 90m, when: message.campaign_id != "spring of m2"}
  - {name: path, sequence: {events: [send, opened, clicked], duration: 15m}, settle: 1h}
  - {name: steps, sequence: {events: [opened, {event: clicked, when: 'event.country == "FR"'}], duration: 10m}, cooldown: 5m, once_per: recipient}
  - {name: keen, count: {event: clicked, times: 3, duration: 10m}, max_age: 90m}
  - {name: opens, count: {event: opened, times: 2, duration: 5m, per: recipient}, cooldown: 10m, max_age: 1h, human_only: false}
  - {name: wider, count: {event: clicked, times: 2, duration: 5m, per: message}, once_per: campaign, when: event.country == "FR", mode: shadow}
`

func drawActs(t *rapid.T) []schemas.Event {
	types := []schemas.EventType{schemas.EventTypeQueued, delivered, opened, opened, opened, clicked, clicked, clicked, clicked, bounced}
	events := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) schemas.Event {
		e := drawEvent(t, false)
		e.Type = rapid.SampledFrom(types).Draw(t, "act")
		if e.Machine == schemas.MachineMachine && rapid.Bool().Draw(t, "human") {
			e.Machine = schemas.MachineHuman
		}
		if rapid.Bool().Draw(t, "dense") {
			e.MessageID, e.RecipientID, e.Recipient = "m1", schemas.ID{1}, "a@example.org"
			if e.CampaignID != "" {
				e.CampaignID = "spring of m1"
			}
			e.OccurredAt = base + (e.OccurredAt-base)%(at(6*time.Minute)-base)
		}
		if rapid.Bool().Draw(t, "prompt") {
			e.ArrivedAt = e.OccurredAt + schemas.Timestamp(rapid.IntRange(0, 30).Draw(t, "delay"))*1_000_000
		}
		return e
	}), 1, 24, func(e schemas.Event) schemas.ID { return e.EventID }).Draw(t, "events")
	for range rapid.IntRange(0, 4).Draw(t, "repetitions") {
		e := rapid.SampledFrom(events).Draw(t, "again")
		e.ArrivedAt += schemas.Timestamp(rapid.Int64Range(0, 20).Draw(t, "later") * int64(10*time.Minute/time.Microsecond))
		events = append(events, e)
	}
	return events
}

// afterAll is when all that events make has been decided.
const afterAll = 48 * time.Hour

// inOrder processes events as they arrive, and moves the frontier with them.
func inOrder(h *harness, events []schemas.Event) output {
	h.Helper()
	events = slices.SortedStableFunc(slices.Values(events), func(a, b schemas.Event) int { return cmp.Compare(a.ArrivedAt, b.ArrivedAt) })
	for i, e := range events {
		h.process(e)
		h.commit()
		if i+1 < len(events) && events[i+1].ArrivedAt > e.ArrivedAt {
			h.advance(events[i+1].ArrivedAt)
		}
	}
	h.advance(at(afterAll))
	return h.out
}

// anyOrder processes events in any order that the frontier allows: it passes an
// event's arrival only once that was processed. Transactions are cut anywhere,
// some are aborted, some at their very end, and the task restarts.
func anyOrder(rt *rapid.T, h *harness, events []schemas.Event) output {
	h.Helper()
	order := rapid.Permutation(events).Draw(rt, "order")
	var open []schemas.Event
	redo := func() { h.process(open...) }
	for i, e := range order {
		h.process(e)
		open = append(open, e)
		limit := at(afterAll)
		for _, e := range order[i+1:] {
			limit = min(limit, e.ArrivedAt)
		}
		frontier := limit - schemas.Timestamp(rapid.SampledFrom([]int64{0, 0, 1, 60_000_000, 600_000_000}).Draw(rt, "behind"))
		switch rapid.IntRange(0, 7).Draw(rt, "then") {
		case 0:
			h.abort()
			redo()
		case 1:
			if err := h.driver.Restart(); err != nil {
				h.Fatal(err)
			}
			redo()
		case 2:
			h.driver.FailNext()
			if err := h.driver.Advance(frontier.Time()); !errors.Is(err, streamtest.ErrAborted) {
				h.Fatal(err)
			}
			redo()
		case 3:
			h.commit()
			open = nil
		case 4, 5:
			h.advance(frontier)
			open = nil
		}
	}
	h.commit()
	if rapid.Bool().Draw(rt, "restart") {
		if err := h.driver.Restart(); err != nil {
			h.Fatal(err)
		}
	}
	h.advance(at(afterAll))
	return h.out
}

// What fires, and whether it calls, depends on neither the order of events, nor
// the cut of transactions, nor how far the frontier is behind.
func TestKindsOrderDoesNotMatter(t *testing.T) {
	rules := mustRules(t, kindsRules)
	kinds := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		events := drawActs(rt)
		want := firedIDs(rules, inOrder(newHarness(t, rules), events))
		got := firedIDs(rules, anyOrder(rt, newHarness(t, rules), events))
		if !maps.Equal(got, want) {
			rt.Fatalf("got  %v\nwant %v", got, want)
		}
		for _, f := range want {
			kinds[f.rule]++
		}
	})
	t.Logf("fired: %v", kinds)
}

// firing is what of a trigger does not depend on order. Of rules that wait, and
// fire once per message, that is the evidence as well.
type firing struct {
	rule, occurrence string
	status           schemas.TriggerStatus
	at, arrivedAt    schemas.Timestamp
	evidence         string
}

func firedIDs(rules *trigger.Set, out output) map[schemas.ID]firing {
	fired := map[schemas.ID]firing{}
	for id, tr := range out.triggers {
		f := firing{rule: tr.Rule, occurrence: tr.Occurrence, status: tr.Status}
		if r := rules.Rule(tr.Rule); (r.Settle > 0 || r.Kind == trigger.KindAbsence) && r.OncePer == trigger.OncePerMessage {
			f.at, f.arrivedAt = tr.OccurredAt, tr.ArrivedAt
			for _, e := range tr.Evidence {
				f.evidence += e.EventID.String() + " "
			}
		}
		fired[id] = f
	}
	return fired
}

// Timers are gone once they have been of use, and so is what was counted.
func TestNothingIsLeft(t *testing.T) {
	rules := mustRules(t, kindsRules)
	rapid.Check(t, func(rt *rapid.T) {
		h := newHarness(t, rules)
		anyOrder(rt, h, drawActs(rt))
		for key := range h.driver.Timers() {
			if key[0] == keyMessage {
				rt.Errorf("timer of %q", key)
			}
		}
		h.advance(at(30 * day))
		if left := h.driver.State(storeCounts); len(left) > 1 {
			rt.Errorf("%d keys are still counted", len(left)-1)
		}
	})
}

// Nor does it depend on order which life of a message fires, where messages are
// soon forgotten.
func TestKindsInLives(t *testing.T) {
	rules := mustRules(t, kindsRules)
	rapid.Check(t, func(rt *rapid.T) {
		events := drawActs(rt)
		c := Config{Rules: trigger.NewLive(rules), Horizon: time.Duration(rapid.IntRange(20, 120).Draw(rt, "horizon")) * time.Minute}
		one, other := newHarnessOf(t, c), newHarnessOf(t, c)
		one.refires, other.refires = true, true
		want, got := map[schemas.ID]string{}, map[schemas.ID]string{}
		for id, tr := range inOrder(one, events).triggers {
			want[id] = tr.Rule + " " + tr.Occurrence
		}
		for id, tr := range anyOrder(rt, other, events).triggers {
			got[id] = tr.Rule + " " + tr.Occurrence
		}
		if !maps.Equal(got, want) {
			rt.Fatalf("horizon %s\ngot  %v\nwant %v", c.Horizon, got, want)
		}
	})
}
