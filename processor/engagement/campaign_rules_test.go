package engagement

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

const campaignRuleText = `rules:
  - name: bounces
    rate: {event: bounced, of: [delivered, bounced], above: 5%, duration: 10m, every: 1m}
    when: event.bounce_class != "block"
    max_age: 1h
  - name: opens
    count: {event: opened, times: 2, duration: 10m, per: campaign, every: 1m}
    when: message.tags.exists(t, t == "news")
`

// ruleCounts runs events through the stage, a transaction for each group, and
// returns what each transaction counted for rules.
func ruleCounts(t *testing.T, rules string, groups ...[]schemas.Event) []string {
	t.Helper()
	d, err := streamtest.New(Stage(Config{Serde: serde, Rules: trigger.NewLive(mustRules(t, rules))}), partition)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, group := range groups {
		for i := range group {
			if err := d.Process(record(&group[i])); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Commit(); err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, rec := range d.Take(schemas.TopicCampaignDeltas) {
			var delta schemas.CampaignDelta
			if err := serde.Decode(rec.Value, &delta); err != nil {
				t.Fatal(err)
			}
			for _, r := range delta.Rules {
				said = append(said, fmt.Sprintf("%s %s %s %+d/%+d", delta.CampaignID, r.Rule, r.StepAt.Time().Sub(base.Time()), r.Hits, r.Base))
			}
		}
		all = append(all, strings.Join(said, ", "))
	}
	return all
}

func TestCampaignRules(t *testing.T) {
	event := func(id byte, kind schemas.EventType, campaign string, arrived time.Duration, change ...func(*schemas.Event)) schemas.Event {
		e := schemas.Event{Tenant: "default", Account: "main", EventID: schemas.ID{id}, Type: kind, MessageID: "m", RecipientID: schemas.ID{9},
			Recipient: "a@example.org", CampaignID: campaign, OccurredAt: at(arrived), ArrivedAt: at(arrived)}
		for _, f := range change {
			f(&e)
		}
		return e
	}
	old := func(age time.Duration) func(*schemas.Event) {
		return func(e *schemas.Event) { e.OccurredAt = e.ArrivedAt - schemas.Timestamp(age.Microseconds()) }
	}
	news := func(e *schemas.Event) { e.Tags = []string{"news"} }
	const (
		delivered = schemas.EventTypeDelivered
		bounced   = schemas.EventTypeBounced
		opened    = schemas.EventTypeOpened
		m         = time.Minute
	)
	for _, tt := range []struct {
		name   string
		groups [][]schemas.Event
		want   []string
	}{
		{"hits are part of the base where its types say so", [][]schemas.Event{{event(1, delivered, "a", 0), event(2, bounced, "a", 30*time.Second), event(3, bounced, "a", m)}},
			[]string{"a bounces 0s +1/+2, a bounces 1m0s +1/+1"}},
		{"an event counts in the campaign that it names itself", [][]schemas.Event{{event(1, delivered, "a", 0), event(2, bounced, "b", 0), event(3, bounced, "", 0)}},
			[]string{"a bounces 0s +0/+1, b bounces 0s +1/+1"}},
		{"conditions see the event's own facts", [][]schemas.Event{{event(1, opened, "a", 0, news), event(2, opened, "a", 0)},
			{event(3, bounced, "a", 0, func(e *schemas.Event) { e.BounceClass = "block" })}},
			[]string{"a opens 0s +1/+0", ""}},
		{"what is too old counts nowhere", [][]schemas.Event{{event(1, bounced, "a", 0, old(time.Hour)), event(2, bounced, "a", 0, old(time.Hour+time.Microsecond))},
			{event(3, bounced, "a", 0, old(-time.Hour))}}, // from the future: as if it occurred now
			[]string{"a bounces 0s +1/+1", "a bounces 0s +1/+1"}},
		{"machines are not counted", [][]schemas.Event{{event(1, opened, "a", 0, news, func(e *schemas.Event) { e.Machine = schemas.MachineMachine })}}, []string{""}},
		{"repetitions are not counted", [][]schemas.Event{{event(1, bounced, "a", m)}, {event(1, bounced, "a", m)}, {event(1, bounced, "a", 2*m)}},
			[]string{"a bounces 1m0s +1/+1", "", ""}},
		{"one that arrived earlier moves the event", [][]schemas.Event{{event(1, bounced, "a", 2*m)}, {event(1, bounced, "a", m)}},
			[]string{"a bounces 2m0s +1/+1", "a bounces 1m0s +1/+1, a bounces 2m0s -1/-1"}},
		{"in one transaction that is one change", [][]schemas.Event{{event(1, bounced, "a", 2*m), event(1, bounced, "a", m)}},
			[]string{"a bounces 1m0s +1/+1"}},
		{"within a step it is none", [][]schemas.Event{{event(1, bounced, "a", m+1000)}, {event(1, bounced, "a", m)}},
			[]string{"a bounces 1m0s +1/+1", ""}},
		{"moved to where it counts, being young enough", [][]schemas.Event{{event(1, bounced, "a", 2*time.Hour, old(2*time.Hour))}, {event(1, bounced, "a", m, old(m))}},
			[]string{"", "a bounces 1m0s +1/+1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ruleCounts(t, campaignRuleText, tt.groups...); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// A sampled rule leaves out whole campaigns, always the same.
func TestSampledCampaigns(t *testing.T) {
	var events []schemas.Event
	for i := range 200 {
		e := schemas.Event{Tenant: "default", Account: "main", EventID: schemas.ID{byte(i), 1}, Type: schemas.EventTypeBounced, MessageID: "m",
			RecipientID: schemas.ID{9}, CampaignID: fmt.Sprint("c", i/2), OccurredAt: base, ArrivedAt: base}
		events = append(events, e)
	}
	counted := ruleCounts(t, strings.Replace(campaignRuleText, "max_age: 1h", "sample: 30%", 1), events)[0]
	n := strings.Count(counted, "+2/+2")
	if n < 15 || n > 45 || n != strings.Count(counted, "bounces") {
		t.Errorf("%d of 100 campaigns are counted: %s", n, counted)
	}
}

// A change of many steps is cut into records of a bounded size.
func TestManySteps(t *testing.T) {
	c := changes{retention: at(time.Hour) - base}
	const n = 2*maxRules + 7
	for i := range n {
		c.campaign("default", "a").rule(ruleStep{"r", schemas.Timestamp(i)}).Hits = 1
	}
	c.campaign("default", "a").rule(ruleStep{"r", -1}) // nothing, in the end
	records, steps := 0, 0
	c.drain(func(d *schemas.CampaignDelta) {
		records++
		steps += len(d.Rules)
		if len(d.Rules) > maxRules || !slices.IsSortedFunc(d.Rules, func(a, b schemas.RuleDelta) int { return int(a.StepAt - b.StepAt) }) {
			t.Errorf("record with %d steps", len(d.Rules))
		}
	}, func(d *schemas.BreakdownDelta, _ int) { t.Errorf("breakdowns of rules alone: %+v", d) })
	if records != 3 || steps != n {
		t.Errorf("%d records with %d steps, want 3 with %d", records, steps, n)
	}
}
