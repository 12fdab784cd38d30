package engagement

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/internal/links"
	"github.com/posthorn/posthorn/schemas"
)

// modelAbove is what a message counts in above campaigns.
var modelAbove = map[schemas.Dimension]modelBy{
	schemas.DimensionTenant:  func(*schemas.Message, []schemas.Event) (string, bool) { return "", true },
	schemas.DimensionAccount: func(m *schemas.Message, _ []schemas.Event) (string, bool) { return m.Account, m.Account != "" },
	schemas.DimensionSource: func(_ *schemas.Message, events []schemas.Event) (string, bool) {
		return modelFirst(events, func(e schemas.Event) string { return e.Source })
	},
	schemas.DimensionList: func(_ *schemas.Message, events []schemas.Event) (string, bool) {
		return modelFirst(events, func(e schemas.Event) string { return e.ListID })
	},
}

func modelFirst(events []schemas.Event, text func(schemas.Event) string) (string, bool) {
	for _, e := range events {
		if s := text(e); s != "" {
			return s, true
		}
	}
	return "", false
}

// modelSumAbove counts all messages by what is above campaigns, as if that were
// their campaign.
func modelSumAbove(out *sums, dimension schemas.Dimension, by modelBy, groups map[string][]schemas.Event, horizon, retention time.Duration) {
	counters := map[countersKey]schemas.Counters{}
	for _, versions := range groups {
		for _, life := range modelLives(versions, horizon) {
			events := modelSet(life)
			m := modelMessage(life, events)
			modelCounters(counters, by, &m, events)
			modelLate(counters, by, &m, events, retention)
		}
	}
	for k, c := range counters {
		out.add(cellKey{k.tenant, "", dimension, k.campaign, "", k.basis, k.start}, &c)
	}
}

// modelBreakdowns adds the cells by day of one message, and its recipient's.
func modelBreakdowns(out *sums, m *schemas.Message, versions, events []schemas.Event) {
	campaign, _ := modelCampaign(m, nil)
	began := m.FirstEventAt
	if m.SentAt != 0 {
		began = m.SentAt
	}
	day := schemas.FromTime(began.Time().Truncate(24 * time.Hour))
	put := func(campaign string, dimension schemas.Dimension, value, detail string, c schemas.Counters) {
		out.add(cellKey{m.Tenant, campaign, dimension, value, detail, schemas.BasisSendTime, day}, &c)
	}
	all := map[countersKey]schemas.Counters{}
	modelCounters(all, modelCampaign, m, events)
	lifetime := all[countersKey{m.Tenant, campaign, schemas.BasisLifetime, 0}]
	domain := strings.ToLower(m.RecipientDomain)
	put(campaign, schemas.DimensionDomain, domain, "", lifetime)
	put("", schemas.DimensionDomain, domain, "", lifetime)

	outcome := schemas.Counters{Messages: 1, Queued: lifetime.Queued, Deferred: lifetime.Deferred, Delivered: lifetime.Delivered,
		Rejected: lifetime.Rejected, Failed: lifetime.Failed, HardBounced: lifetime.HardBounced, SoftBounced: lifetime.SoftBounced, LateBounces: lifetime.LateBounces}
	if outcome.Rejected+outcome.Failed+outcome.HardBounced+outcome.SoftBounced > 0 {
		put(campaign, schemas.DimensionReason, domain, m.Outcome.String()+"/"+m.BounceClass+"/"+m.RejectReason, outcome)
	}
	modelDelays(func(d schemas.Dimension, ms time.Duration, c schemas.Counters) {
		put(campaign, d, schemas.DelayValue(ms.Milliseconds()), "", c)
	}, m)
	put(campaign, schemas.DimensionPath, modelPath(m), "", schemas.Counters{Messages: 1})
	put(campaign, schemas.DimensionAge, "sent", "", outcome)
	modelAges(func(at schemas.Timestamp, c schemas.Counters) {
		put(campaign, schemas.DimensionAge, modelAge(at.Time().Sub(began.Time())), "", c)
	}, m, events)
	modelActs(func(d schemas.Dimension, value, detail string, c schemas.Counters) {
		put(campaign, d, value, detail, c)
	}, events)
	modelRecipient(out, m, versions, events, lifetime)
}

func modelDelays(put func(schemas.Dimension, time.Duration, schemas.Counters), m *schemas.Message) {
	between := func(from, to schemas.Timestamp, d schemas.Dimension, c schemas.Counters) {
		if from != 0 && to != 0 {
			put(d, max(0, to.Time().Sub(from.Time())), c)
		}
	}
	between(m.DeliveredAt, m.FirstOpenedAt, schemas.DimensionOpenDelay, schemas.Counters{Opened: 1})
	between(m.DeliveredAt, m.FirstHumanOpenedAt, schemas.DimensionOpenDelay, schemas.Counters{HumanOpened: 1})
	between(m.FirstOpenedAt, m.FirstClickedAt, schemas.DimensionClickDelay, schemas.Counters{Clicked: 1})
	between(m.FirstHumanOpenedAt, m.FirstHumanClickedAt, schemas.DimensionClickDelay, schemas.Counters{HumanClicked: 1})
}

func modelPath(m *schemas.Message) string {
	var parts []string
	for _, x := range []struct {
		at   schemas.Timestamp
		part string
	}{{m.DeliveredAt, "delivered"}, {m.FirstOpenedAt, "opened"}, {m.FirstHumanOpenedAt, "human_opened"}, {m.FirstClickedAt, "clicked"},
		{m.FirstHumanClickedAt, "human_clicked"}, {m.UnsubscribedAt, "unsubscribed"}, {m.ComplainedAt, "complained"}} {
		if x.at != 0 {
			parts = append(parts, x.part)
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, "+")
}

func modelAge(age time.Duration) string {
	from := 0
	for _, hours := range []int{1, 2, 3, 6, 12, 24, 48, 72, 96, 120, 144, 168, 336, 720, 1440, 2160} {
		if age >= time.Duration(hours)*time.Hour {
			from = hours
		}
	}
	return strconv.Itoa(from)
}

func modelAges(put func(schemas.Timestamp, schemas.Counters), m *schemas.Message, events []schemas.Event) {
	for at, c := range map[*schemas.Timestamp]schemas.Counters{
		&m.FirstOpenedAt: {Opened: 1}, &m.FirstHumanOpenedAt: {HumanOpened: 1}, &m.FirstClickedAt: {Clicked: 1},
		&m.FirstHumanClickedAt: {HumanClicked: 1}, &m.UnsubscribedAt: {Unsubscribed: 1}, &m.ComplainedAt: {Complained: 1},
	} {
		if *at != 0 {
			put(*at, c)
		}
	}
	for _, e := range events {
		switch human := modelActHuman(e, events); {
		case e.Type == schemas.EventTypeOpened:
			put(e.OccurredAt, schemas.Counters{Opens: 1, HumanOpens: human})
		case e.Type == schemas.EventTypeClicked:
			put(e.OccurredAt, schemas.Counters{Clicks: 1, HumanClicks: human})
		case e.Type == schemas.EventTypeUnsubscribed:
			put(e.OccurredAt, schemas.Counters{Unsubscribes: 1})
		case e.Type == schemas.EventTypeComplained:
			put(e.OccurredAt, schemas.Counters{Complaints: 1})
		}
	}
}

// modelActHuman is 1 of what a person does.
func modelActHuman(e schemas.Event, events []schemas.Event) int64 {
	if modelHuman(e) && modelSuspicions(events)[e.EventID] == nil {
		return 1
	}
	return 0
}

// modelActs counts opens and clicks value by value.
func modelActs(put func(d schemas.Dimension, value, detail string, c schemas.Counters), events []schemas.Event) {
	type cell struct {
		dimension     schemas.Dimension
		value, detail string
	}
	cells := map[cell]schemas.Counters{}
	for _, e := range events {
		var c schemas.Counters
		human := modelActHuman(e, events)
		switch e.Type {
		case schemas.EventTypeOpened:
			c = schemas.Counters{Opens: 1, HumanOpens: human}
		case schemas.EventTypeClicked:
			c = schemas.Counters{Clicks: 1, HumanClicks: human}
		default:
			continue
		}
		machine, values := e.Machine.String(), c
		if human == 0 {
			machine = "machine"
		}
		values.HumanOpens, values.HumanClicks = 0, 0
		for k, c := range map[cell]schemas.Counters{
			{schemas.DimensionCountry, e.Country, ""}: c, {schemas.DimensionClient, e.ClientName, ""}: c,
			{schemas.DimensionOS, e.ClientOS, ""}: c, {schemas.DimensionDevice, e.DeviceType, ""}: c,
			{schemas.DimensionMachine, machine, ""}: values,
		} {
			sum := cells[k]
			sum.Add(&c)
			cells[k] = sum
		}
		if e.Type == schemas.EventTypeClicked {
			index := ""
			if e.LinkIndex > 0 {
				index = strconv.Itoa(int(e.LinkIndex))
			}
			k := cell{schemas.DimensionLink, links.Redact(e.URL), index}
			sum := cells[k]
			sum.Add(&c)
			cells[k] = sum
		}
	}
	for k, c := range cells {
		c.Opened, c.HumanOpened, c.Clicked, c.HumanClicked = min(c.Opens, 1), min(c.HumanOpens, 1), min(c.Clicks, 1), min(c.HumanClicks, 1)
		put(k.dimension, k.value, k.detail, c)
	}
}

func modelRecipient(out *sums, m *schemas.Message, versions, events []schemas.Event, lifetime schemas.Counters) {
	if !slices.ContainsFunc(versions, func(e schemas.Event) bool { return e.Recipient != "" }) {
		return
	}
	k := recipientKey{m.Tenant, m.RecipientID}
	r := out.recipients[k]
	r.counters.Add(&lifetime)
	r.domain = max(r.domain, strings.ToLower(m.RecipientDomain))
	if r.firstEvent == 0 || m.FirstEventAt < r.firstEvent {
		r.firstEvent = m.FirstEventAt
	}
	r.lastEvent, r.lastSent = max(r.lastEvent, m.LastEventAt), max(r.lastSent, m.SentAt)
	for _, e := range events {
		switch e.Type {
		case schemas.EventTypeOpened:
			r.lastOpen = max(r.lastOpen, e.OccurredAt)
		case schemas.EventTypeClicked:
			r.lastClick = max(r.lastClick, e.OccurredAt)
		}
	}
	out.recipients[k] = r
}

// compareSums compares what breakdown deltas add up to. The times of a recipient
// only ever widen: a version of an event that is replaced may have been outside.
func compareSums(rt *rapid.T, got, want output) {
	rt.Helper()
	for k, c := range want.cells {
		if got.cells[k] != c {
			rt.Fatalf("cell %v\n got %+v\nwant %+v", k, got.cells[k], c)
		}
	}
	for k, c := range got.cells {
		if _, ok := want.cells[k]; !ok {
			rt.Fatalf("cell %v\n got %+v\nwant none", k, c)
		}
	}
	tenant := map[cellKey]schemas.Counters{}
	for k, c := range got.counters {
		k := cellKey{tenant: k.tenant, dimension: schemas.DimensionTenant, basis: k.basis, start: k.start}
		sum := tenant[k]
		sum.Add(&c)
		tenant[k] = sum
	}
	maps.DeleteFunc(tenant, func(_ cellKey, c schemas.Counters) bool { return c == schemas.Counters{} })
	for k, c := range tenant {
		if got.cells[k] != c {
			rt.Fatalf("the tenant is not the sum of its campaigns at %v\n got %+v\nwant %+v", k, got.cells[k], c)
		}
	}
	if len(got.recipients) != len(want.recipients) {
		rt.Fatalf("recipients\n got %+v\nwant %+v", got.recipients, want.recipients)
	}
	for k, w := range want.recipients {
		g := got.recipients[k]
		if g.counters != w.counters || g.domain != w.domain || g.firstEvent > w.firstEvent || g.lastEvent < w.lastEvent ||
			g.lastSent < w.lastSent || g.lastOpen < w.lastOpen || g.lastClick < w.lastClick {
			rt.Fatalf("recipient %v\n got %+v\nwant %+v", k, g, w)
		}
	}
}
