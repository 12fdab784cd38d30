package backtest

import (
	"cmp"
	"slices"
	"time"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// Report is what came of a backtest.
type Report struct {
	// Since and Until bound the time in question; From is when the reading began,
	// for what rules look back at.
	Since schemas.Timestamp `json:"since"`
	Until schemas.Timestamp `json:"until"`
	From  schemas.Timestamp `json:"from"`
	// Events arrived in that time, EventsBefore between From and Since.
	Events       int64 `json:"events"`
	EventsBefore int64 `json:"events_before"`
	// Oldest is the arrival of the first event that was read; zero: there is none.
	Oldest schemas.Timestamp `json:"oldest_event,omitzero"`
	// Truncated tells that events from after From may be no longer in the log.
	Truncated bool   `json:"truncated"`
	Rules     []Rule `json:"rules"`
}

// Rule is what one rule would have done.
type Rule struct {
	Name    string `json:"rule"`
	Kind    string `json:"kind"`
	Version string `json:"version"`
	// Fired would have called; Shadow would have, if it were live; Expired was too
	// old to call.
	Fired   int64 `json:"fired"`
	Shadow  int64 `json:"shadow"`
	Expired int64 `json:"expired"`
	// Raised and Cleared are the transitions of a rate, which fired or shadow count
	// too.
	Raised  int64 `json:"raised,omitempty"`
	Cleared int64 `json:"cleared,omitempty"`
	// Recipients is for how many it would have fired; 0 for a rule of campaigns.
	Recipients int64             `json:"recipients"`
	First      schemas.Timestamp `json:"first,omitzero"`
	Last       schemas.Timestamp `json:"last,omitzero"`
	// Days counts what fired or was watched by day of arrival, UTC; days without
	// are there.
	Days []Day `json:"days"`
	// Campaigns are those with the most, at most topCampaigns; OtherCampaigns is how
	// many more there are, and OtherFired what these have.
	Campaigns      []Campaign `json:"campaigns"`
	OtherCampaigns int        `json:"other_campaigns"`
	OtherFired     int64      `json:"other_fired"`
	// Failures is the number of evaluations of conditions that ended in an error.
	Failures uint64 `json:"condition_errors"`
	Live     *Live  `json:"live,omitempty"` // nil: none of that name has fired
}

// Day is what fired on a day.
type Day struct {
	Day   string `json:"day"`
	Fired int64  `json:"fired"`
}

// Campaign is what fired in a campaign.
type Campaign struct {
	ID    string `json:"campaign_id"`
	Name  string `json:"campaign_name,omitempty"`
	Fired int64  `json:"fired"`
}

// Live compares with what the rule of that name has fired live, by trigger id.
type Live struct {
	// Fired is how many fired live, or were watched, in the time in question.
	Fired int64 `json:"fired"`
	// Same fired live and here, OnlyLive not here, OnlyHere not live; EarlierLive are
	// those of OnlyHere that had fired live before already, and would not again.
	Same        int64 `json:"same"`
	OnlyLive    int64 `json:"only_live"`
	OnlyHere    int64 `json:"only_here"`
	EarlierLive int64 `json:"earlier_live"`
}

const topCampaigns = 5

// tally counts what fires, a bucket at a time.
type tally struct {
	since, until schemas.Timestamp
	order        []*ruleTally
	rules        map[string]*ruleTally
}

type ruleTally struct {
	rule      *trigger.Rule
	out       Rule
	days      map[schemas.Timestamp]int64
	campaigns map[string]*Campaign

	// Of the bucket in work.
	recipients map[schemas.ID]bool
	here       map[schemas.ID]bool
	live       map[schemas.ID]schemas.Timestamp // when it fired
}

func newTally(c Config) *tally {
	t := &tally{since: c.Since, until: c.Until, rules: map[string]*ruleTally{}}
	for _, r := range c.Rules.Rules() {
		if c.Only != "" && c.Only != r.Name {
			continue
		}
		x := &ruleTally{rule: r, days: map[schemas.Timestamp]int64{}, campaigns: map[string]*Campaign{}}
		x.out = Rule{Name: r.Name, Kind: string(r.Kind), Version: r.Version}
		t.order = append(t.order, x)
		t.rules[r.Name] = x
	}
	return t
}

// wants tells whether a rule is reported.
func (t *tally) wants(rule string) bool { return t.rules[rule] != nil }

// begin begins a bucket, in which these fired live.
func (t *tally) begin(live []schemas.Trigger) {
	for _, r := range t.order {
		r.recipients, r.here, r.live = map[schemas.ID]bool{}, map[schemas.ID]bool{}, map[schemas.ID]schemas.Timestamp{}
	}
	for i := range live {
		x := &live[i]
		if x.Status == schemas.TriggerStatusExpired {
			continue
		}
		r := t.rules[x.Rule]
		r.live[x.TriggerID] = x.ArrivedAt
	}
}

const dayLength = schemas.Timestamp(24 * time.Hour / time.Microsecond)

func (t *tally) add(x *schemas.Trigger) {
	r := t.rules[x.Rule]
	if x.Status == schemas.TriggerStatusExpired {
		r.out.Expired++
		return
	}
	switch x.Status {
	case schemas.TriggerStatusShadow:
		r.out.Shadow++
	default:
		r.out.Fired++
	}
	switch x.State {
	case "raised":
		r.out.Raised++
	case "cleared":
		r.out.Cleared++
	}
	if r.out.First == 0 || x.ArrivedAt < r.out.First {
		r.out.First = x.ArrivedAt
	}
	r.out.Last = max(r.out.Last, x.ArrivedAt)
	r.days[x.ArrivedAt/dayLength*dayLength]++
	c := r.campaigns[x.CampaignID]
	if c == nil {
		c = &Campaign{ID: x.CampaignID}
		r.campaigns[x.CampaignID] = c
	}
	c.Name = cmp.Or(c.Name, x.CampaignName)
	c.Fired++
	if !r.rule.OfCampaign() {
		r.recipients[x.RecipientID] = true
	}
	r.here[x.TriggerID] = true
}

// end ends a bucket. Whoever is in it is in no other.
func (t *tally) end() {
	for _, r := range t.order {
		r.out.Recipients += int64(len(r.recipients))
		r.compare(t.since)
	}
}

func (r *ruleTally) compare(since schemas.Timestamp) {
	if len(r.live) == 0 {
		return
	}
	if r.out.Live == nil {
		r.out.Live = &Live{}
	}
	live := r.out.Live
	for id, at := range r.live {
		switch {
		case at < since:
			if r.here[id] {
				live.EarlierLive++
			}
		case r.here[id]:
			live.Fired++
			live.Same++
		default:
			live.Fired++
			live.OnlyLive++
		}
	}
}

func (t *tally) report() (list []Rule) {
	for _, r := range t.order {
		r.out.Failures = r.rule.Failures()
		r.out.Days = r.daysOf(t.since, t.until)
		r.topCampaigns()
		if l := r.out.Live; l != nil {
			l.OnlyHere = r.out.Fired + r.out.Shadow - l.Same
		}
		list = append(list, r.out)
	}
	return list
}

func (r *ruleTally) daysOf(since, until schemas.Timestamp) (list []Day) {
	for at := since / dayLength * dayLength; at < until; at += dayLength {
		list = append(list, Day{at.Time().Format(time.DateOnly), r.days[at]})
	}
	return list
}

func (r *ruleTally) topCampaigns() {
	r.out.Campaigns = []Campaign{}
	var all []*Campaign
	for _, c := range r.campaigns {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *Campaign) int {
		return cmp.Or(cmp.Compare(b.Fired, a.Fired), cmp.Compare(a.ID, b.ID))
	})
	for i, c := range all {
		if i < topCampaigns {
			r.out.Campaigns = append(r.out.Campaigns, *c)
			continue
		}
		r.out.OtherCampaigns++
		r.out.OtherFired += c.Fired
	}
}
