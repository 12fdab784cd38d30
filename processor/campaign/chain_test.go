package campaign

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// chainRules are the rules that expectedOf knows by heart.
const chainRules = `rules:
  - name: bounces
    rate: {event: bounced, of: [delivered, bounced], above: 20%, clear_below: 10%, duration: 10m, every: 1m, minimum: 3}
    when: event.bounce_class != "block" && message.metadata["kind"] == "news"
  - name: clicks
    count: {event: clicked, times: 3, duration: 5m, per: campaign, every: 30s}
    cooldown: 20m
  - name: complaints
    rate: {event: [complained, unsubscribed], of: delivered, above: 10%, duration: 30m}
    active: {from: "12:10", to: "12:40", time_zone: UTC, outside: skip}
    mode: shadow
  - name: first-complaint
    count: {event: complained, times: 1, duration: 1h, per: campaign}
`

// tasks of each of the stages.
const tasks = 2

// chain is engagement and campaign, each with its tasks, and the topic between
// them with the frontier markers that the engine writes: each task of engagement
// writes one into every partition after what it has emitted so far. A task of
// campaign reads its partition in order; its frontier is the least of the last
// markers of all tasks.
type chain struct {
	*rapid.T
	engagement [tasks]*feeder
	campaign   [tasks]*reader
	deltas     [tasks][]entry
}

// entry is a record between the stages: a delta or a marker.
type entry struct {
	value    []byte
	task     int
	frontier schemas.Timestamp
}

// feeder is a task of engagement.
type feeder struct {
	*streamtest.Driver
	pending, open []schemas.Event
	frontier      schemas.Timestamp
}

// reader is a task of campaign.
type reader struct {
	*streamtest.Driver
	next, committed int
	heard           [tasks]schemas.Timestamp
}

func newChain(t *rapid.T, live *trigger.Live, events []schemas.Event) *chain {
	c := &chain{T: t}
	for p := range tasks {
		e, err1 := streamtest.New(engagement.Stage(engagement.Config{Serde: serde, Rules: live}), int32(p))
		d, err2 := streamtest.New(Stage(Config{Serde: serde, Rules: live}), int32(p))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		c.engagement[p], c.campaign[p] = &feeder{Driver: e}, &reader{Driver: d}
	}
	for _, e := range events {
		f := c.engagement[e.RecipientID[0]%tasks]
		f.pending = append(f.pending, e)
	}
	return c
}

// process hands a task of engagement one of its events, in no order.
func (c *chain) process(f *feeder) {
	if len(f.pending) == 0 {
		return
	}
	i := rapid.IntRange(0, len(f.pending)-1).Draw(c.T, "event")
	e := f.pending[i]
	f.pending = slices.Delete(f.pending, i, i+1)
	f.open = append(f.open, e)
	if err := f.Process(&kgo.Record{Value: serde.Append(nil, schemas.TopicEventsByRecipient, &e)}); err != nil {
		c.Fatal(err)
	}
}

// advance moves the frontier of a task of engagement, as far as it may at most.
func (c *chain) advance(task int, most schemas.Timestamp) {
	f := c.engagement[task]
	for i := range f.pending {
		most = min(most, f.pending[i].ArrivedAt)
	}
	if most <= f.frontier {
		return
	}
	f.frontier += schemas.Timestamp(rapid.Int64Range(1, int64(most-f.frontier)).Draw(c.T, "by"))
	if err := f.Advance(f.frontier.Time()); err != nil {
		c.Fatal(err)
	}
	c.committed(f)
	for p := range c.deltas {
		c.deltas[p] = append(c.deltas[p], entry{task: task, frontier: f.frontier})
	}
}

func (c *chain) committed(f *feeder) {
	f.open = nil
	for _, rec := range f.Take(schemas.TopicCampaignDeltas) {
		p := kafka.PartitionFor(rec.Key, tasks)
		c.deltas[p] = append(c.deltas[p], entry{value: rec.Value})
	}
}

// fail aborts what is open, in one of the ways in which that happens.
func (c *chain) fail(f *feeder) {
	f.pending = append(f.pending, f.open...)
	f.open = nil
	if rapid.Bool().Draw(c.T, "restart") {
		c.ok(f.Restart())
		return
	}
	f.FailNext()
	if err := f.Commit(); !errors.Is(err, streamtest.ErrAborted) {
		c.Fatalf("got %v, want an aborted transaction", err)
	}
}

func (c *chain) ok(err error) {
	if err != nil {
		c.Fatal(err)
	}
}

// read hands a task of campaign what it has not read, up to a number of entries,
// and ends the transaction: well, or by an abort, after which the task reads
// again, or by a restart, after which it does not know the frontier.
func (c *chain) read(p, most int, end string) {
	r := c.campaign[p]
	heard := r.heard
	for ; most > 0 && r.next < len(c.deltas[p]); most, r.next = most-1, r.next+1 {
		if e := c.deltas[p][r.next]; e.value == nil {
			heard[e.task] = max(heard[e.task], e.frontier)
		} else if err := r.Process(&kgo.Record{Value: e.value, Offset: int64(r.next)}); err != nil {
			c.Fatal(err)
		}
	}
	least := slices.Min(heard[:])
	switch end {
	case "commit":
		c.ok(r.Advance(least.Time()))
		r.heard, r.committed = heard, r.next
	case "abort":
		r.FailNext()
		if err := r.Advance(least.Time()); !errors.Is(err, streamtest.ErrAborted) {
			c.Fatalf("got %v, want an aborted transaction", err)
		}
		r.next = r.committed
	case "restart":
		c.ok(r.Restart())
		r.next, r.heard = r.committed, [tasks]schemas.Timestamp{}
	}
}

// run brings all events through the stages, in one of all the ways.
func (c *chain) run(end schemas.Timestamp) {
	for range rapid.IntRange(0, 200).Draw(c.T, "turns") {
		task := rapid.IntRange(0, tasks-1).Draw(c.T, "task")
		f := c.engagement[task]
		switch rapid.IntRange(0, 9).Draw(c.T, "turn") {
		case 0, 1, 2, 3:
			c.process(f)
		case 4:
			c.ok(f.Commit())
			c.committed(f)
		case 5, 6:
			c.advance(task, end)
		case 7:
			c.fail(f)
		default:
			c.read(task, rapid.IntRange(0, 10).Draw(c.T, "entries"), rapid.SampledFrom([]string{"commit", "commit", "abort", "restart"}).Draw(c.T, "end"))
		}
	}
	for task, f := range c.engagement {
		for len(f.pending) > 0 {
			c.process(f)
		}
		for f.frontier < end {
			c.advance(task, end)
		}
	}
	for p := range c.campaign {
		for c.campaign[p].next < len(c.deltas[p]) {
			c.read(p, 1+len(c.deltas[p])/3, "commit")
		}
		// A task that was restarted has to hear all tasks again: they repeat themselves.
		for task := range tasks {
			c.deltas[p] = append(c.deltas[p], entry{task: task, frontier: end})
		}
		c.read(p, tasks, "commit")
	}
}

// said are the triggers of campaigns, in short.
func (c *chain) said() []string {
	var all []string
	for _, r := range c.campaign {
		if r.Late != 0 {
			c.Errorf("%d late", r.Late)
		}
		for _, rec := range r.Take(schemas.TopicTriggers) {
			var tr schemas.Trigger
			c.ok(serde.Decode(rec.Value, &tr))
			if want := trigger.ID(tr.Tenant, tr.Rule, tr.CampaignID, tr.Occurrence); tr.TriggerID != want {
				c.Errorf("trigger id %s, want %s", tr.TriggerID, want)
			}
			all = append(all, short(&tr))
		}
	}
	slices.Sort(all)
	return all
}

// short is a trigger in the form of expectedOf.
func short(tr *schemas.Trigger) string {
	return fmt.Sprintf("%s %s %s %d/%d %s", tr.Rule, tr.CampaignID, tr.Occurrence, tr.Hits, tr.Base, tr.Status)
}

func TestChain(t *testing.T) {
	live := trigger.NewLive(mustRules(t, chainRules))
	fired := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(drawEvent), 30, 80).Draw(rt, "events")
		end := base + at(4*time.Hour) - base
		want := expectedOf(events, end)
		for _, s := range want {
			rule, _, _ := strings.Cut(s, " ")
			fired[rule]++
		}
		for range 2 {
			c := newChain(rt, live, events)
			c.run(end)
			if got := c.said(); !slices.Equal(got, want) {
				rt.Fatalf("got  %q\nwant %q", got, want)
			}
		}
	})
	t.Logf("fired: %v", fired)
	for _, r := range live.Load().Rules() {
		if fired[r.Name] == 0 {
			t.Errorf("rule %s has never fired", r.Name)
		}
	}
}

func drawEvent(t *rapid.T) schemas.Event {
	id := schemas.ID{byte(rapid.IntRange(0, 60).Draw(t, "id"))}
	// What repeats an event differs in its times alone.
	kinds := []schemas.EventType{schemas.EventTypeDelivered, schemas.EventTypeBounced, schemas.EventTypeClicked,
		schemas.EventTypeDelivered, schemas.EventTypeComplained, schemas.EventTypeClicked, schemas.EventTypeUnsubscribed}
	e := schemas.Event{
		Tenant: "default", Account: "main", EventID: id, Type: kinds[int(id[0])%len(kinds)],
		RecipientID: schemas.ID{id[0] % 6}, MessageID: fmt.Sprint("m", id[0]%7), Recipient: "a@example.org",
		CampaignID: []string{"a", "a", "b", "a", ""}[id[0]%5],
	}
	burst := rapid.SampledFrom([]time.Duration{0, 4 * time.Minute, 19 * time.Minute, 41 * time.Minute}).Draw(t, "burst")
	e.ArrivedAt = at(burst + 10*time.Second*time.Duration(rapid.IntRange(0, 18).Draw(t, "arrived")))
	e.OccurredAt = e.ArrivedAt - schemas.Timestamp(rapid.SampledFrom([]time.Duration{0, 0, time.Minute, 48 * time.Hour, 48*time.Hour + 1000, -time.Hour}).Draw(t, "age").Microseconds())
	if id[0]%9 != 8 {
		e.Metadata = map[string]string{"kind": "news"}
	}
	if id[0]%11 == 3 {
		e.BounceClass = "block"
	}
	if id[0]%13 == 3 {
		e.Machine = schemas.MachineMachine
	}
	return e
}

// expectation is a rule as expectedOf sees it.
type expectation struct {
	name            string
	every, duration schemas.Timestamp
	counts          func(e *schemas.Event) (hit, base bool)
	// judge tells what is said at a boundary, if anything.
	judge func(h schemas.Timestamp, hits, base int64) string
}

// expectedOf finds out what the rules say, boundary by boundary, from all events
// that arrived before each.
func expectedOf(events []schemas.Event, end schemas.Timestamp) []string {
	distinct := map[schemas.ID]*schemas.Event{}
	for i := range events {
		e := &events[i]
		old := distinct[e.EventID]
		if old == nil || cmp.Or(cmp.Compare(e.ArrivedAt, old.ArrivedAt), cmp.Compare(e.OccurredAt, old.OccurredAt)) < 0 {
			distinct[e.EventID] = e
		}
	}
	arrived := slices.SortedFunc(maps.Values(distinct), func(a, b *schemas.Event) int { return cmp.Compare(a.ArrivedAt, b.ArrivedAt) })
	first := func(t schemas.Timestamp) int {
		i, _ := slices.BinarySearchFunc(arrived, t, func(e *schemas.Event, t schemas.Timestamp) int { return cmp.Compare(e.ArrivedAt, t) })
		return i
	}
	var all []string
	for _, campaign := range []string{"a", "b"} {
		for _, x := range expectations() {
			for h := base; h <= end; h += x.every {
				var hits, total int64
				for _, e := range arrived[first(h-x.duration):first(h)] {
					if age := e.ArrivedAt - e.OccurredAt; e.CampaignID != campaign || age > at(48*time.Hour)-base {
						continue
					}
					hit, in := x.counts(e)
					if hit {
						hits++
					}
					if in {
						total++
					}
				}
				if said := x.judge(h, hits, total); said != "" {
					all = append(all, fmt.Sprintf("%s %s %s", x.name, campaign, said))
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

func expectations() []expectation {
	const second, minute = 1_000_000, 60_000_000
	hour := at(time.Hour) - base
	rate := func(name string, every, duration schemas.Timestamp, counts func(*schemas.Event) (bool, bool), status string, low, high float64, minimum int64, hours func(schemas.Timestamp) bool) expectation {
		raised := false
		return expectation{name, every, duration, counts, func(h schemas.Timestamp, hits, base int64) string {
			share := float64(hits) / float64(base)
			switch {
			case !hours(h):
			case raised && (hits == 0 || base > 0 && share <= low):
				raised = false
				return fmt.Sprintf("cleared@%d %d/%d %s", h, hits, base, status)
			case !raised && base >= minimum && share > high:
				raised = true
				return fmt.Sprintf("raised@%d %d/%d %s", h, hits, base, status)
			}
			return ""
		}}
	}
	cooled, complained := schemas.Timestamp(0), false
	always := func(schemas.Timestamp) bool { return true }
	return []expectation{
		rate("bounces", minute, 10*minute, func(e *schemas.Event) (bool, bool) {
			ok := e.BounceClass != "block" && e.Metadata["kind"] == "news"
			bounced := ok && e.Type == schemas.EventTypeBounced
			return bounced, bounced || ok && e.Type == schemas.EventTypeDelivered
		}, "fired", 0.1, 0.2, 3, always),
		{"clicks", 30 * second, 5 * minute, func(e *schemas.Event) (bool, bool) {
			return e.Type == schemas.EventTypeClicked && e.Machine != schemas.MachineMachine, false
		}, func(h schemas.Timestamp, hits, _ int64) string {
			bucket := h - h%(20*minute)
			if hits < 3 || bucket == cooled {
				return ""
			}
			cooled = bucket
			return fmt.Sprintf("%d %d/0 fired", bucket, hits)
		}},
		rate("complaints", 3*minute, 30*minute, func(e *schemas.Event) (bool, bool) {
			return e.Type == schemas.EventTypeComplained || e.Type == schemas.EventTypeUnsubscribed, e.Type == schemas.EventTypeDelivered
		}, "shadow", 0.1, 0.1, 1, func(h schemas.Timestamp) bool {
			return h >= base+10*minute && h < base+40*minute
		}),
		{"first-complaint", 6 * minute, hour, func(e *schemas.Event) (bool, bool) {
			return e.Type == schemas.EventTypeComplained, false
		}, func(_ schemas.Timestamp, hits, _ int64) string {
			if hits == 0 || complained {
				return ""
			}
			complained = true
			return fmt.Sprintf("once %d/0 fired", hits)
		}},
	}
}
