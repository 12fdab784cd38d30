package verify

import (
	"strconv"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// scopes are what a message counts in above campaigns: none where it is empty.
type scopes struct{ account, source, list string }

// scopesOf works them out from events in order. What was folded is not known.
func scopesOf(account string, events []*schemas.Event, folded set) scopes {
	var kept []*schemas.Event
	for _, e := range events {
		if !folded[e] {
			kept = append(kept, e)
		}
	}
	return scopes{
		account: account,
		source:  firstText(kept, func(e *schemas.Event) string { return e.Source }),
		list:    firstText(kept, func(e *schemas.Event) string { return bounded(e.ListID) }),
	}
}

// countScopes adds what counts in a window of a campaign to the tenant, and to the
// account, the source and the list.
func (s cellSums) countScopes(of scopes, k windowKey, c *schemas.Counters) {
	for _, scope := range [...]struct{ dimension, value string }{
		{"tenant", ""}, {"account", of.account}, {"source", of.source}, {"list", of.list},
	} {
		if scope.value != "" || scope.dimension == "tenant" {
			sum(s.of(cellKey{tenant: k.tenant, dimension: scope.dimension, value: scope.value, basis: k.basis.String(), start: k.start}), c)
		}
	}
}

// of a message, for the cells of one day.
type breakdown struct {
	sums      cellSums
	m         *schemas.Message
	events    []*schemas.Event
	folded    set
	automated proofs
	day       schemas.Timestamp
}

const dayLength = 24 * 3600 * 1_000_000

// countDays adds what one message counts in the cells of the day it was sent.
// Lifetime is what it counts in all.
func (s cellSums) countDays(m *schemas.Message, events []*schemas.Event, folded set, lifetime *schemas.Counters) {
	b := breakdown{sums: s, m: m, events: events, folded: folded, automated: automatedOf(events, folded), day: roundDown(firstKnown(m.SentAt, m.FirstEventAt), dayLength)}
	b.domain(lifetime)
	b.reason()
	b.links()
	b.actors("country", func(e *schemas.Event) string { return bounded(e.Country) })
	b.actors("client", func(e *schemas.Event) string { return bounded(e.ClientName) })
	b.actors("os", func(e *schemas.Event) string { return bounded(e.ClientOS) })
	b.actors("device", func(e *schemas.Event) string { return bounded(e.DeviceType) })
	b.machines()
	b.delays()
	b.age()
	b.path()
}

func (b *breakdown) cell(dimension, value, detail string) *schemas.Counters {
	return b.sums.of(cellKey{b.m.Tenant, dimension, campaignOf(b.m), value, detail, "send_time", b.day})
}

func (b *breakdown) human(e *schemas.Event) bool {
	return e.Machine != schemas.MachineMachine && !b.automated[e].any()
}

func domainOf(m *schemas.Message) string { return bounded(strings.ToLower(m.RecipientDomain)) }

func (b *breakdown) domain(lifetime *schemas.Counters) {
	domain := domainOf(b.m)
	sum(b.cell("domain", domain, ""), lifetime)
	sum(b.sums.of(cellKey{b.m.Tenant, "domain", "", domain, "", "send_time", b.day}), lifetime)
}

func (b *breakdown) reason() {
	m := b.m
	switch m.Outcome {
	case schemas.OutcomeBounced, schemas.OutcomeRejected, schemas.OutcomeFailed:
		c := b.cell("reason", domainOf(m), m.Outcome.String()+"/"+m.BounceClass+"/"+m.RejectReason)
		c.Messages++
		*outcomeField(m)(c)++
		c.LateBounces += one(m.LateBounce)
	}
}

// actions counts opens and clicks of the message by something that events have.
type actions map[[2]string]*schemas.Counters

func (a actions) of(value, detail string) *schemas.Counters {
	k := [2]string{value, detail}
	if a[k] == nil {
		a[k] = new(schemas.Counters)
	}
	return a[k]
}

// act counts an open or click.
func act(c *schemas.Counters, e *schemas.Event, human bool) {
	switch e.Type {
	case schemas.EventTypeOpened:
		c.Opens++
		c.HumanOpens += one(human)
	case schemas.EventTypeClicked:
		c.Clicks++
		c.HumanClicks += one(human)
	}
}

// keep adds the actions to the cells, and the message once to each that has any.
func (b *breakdown) keep(dimension string, all actions) {
	for k, c := range all {
		c.Opened, c.HumanOpened = one(c.Opens > 0), one(c.HumanOpens > 0)
		c.Clicked, c.HumanClicked = one(c.Clicks > 0), one(c.HumanClicks > 0)
		sum(b.cell(dimension, k[0], k[1]), c)
	}
}

// links counts clicks by link and position. A click that was folded is only known
// to be one.
func (b *breakdown) links() {
	all := actions{}
	for _, e := range b.events {
		if e.Type != schemas.EventTypeClicked {
			continue
		}
		link, position := "", ""
		if !b.folded[e] {
			link = impersonal(bounded(e.URL))
			if e.LinkIndex != 0 {
				position = strconv.Itoa(int(e.LinkIndex))
			}
		}
		act(all.of(link, position), e, b.human(e))
	}
	b.keep("link", all)
}

func isAction(e *schemas.Event) bool {
	return e.Type == schemas.EventTypeOpened || e.Type == schemas.EventTypeClicked
}

func (b *breakdown) actors(dimension string, field func(*schemas.Event) string) {
	all := actions{}
	for _, e := range b.events {
		if !isAction(e) {
			continue
		}
		value := ""
		if !b.folded[e] {
			value = field(e)
		}
		act(all.of(value, ""), e, b.human(e))
	}
	b.keep(dimension, all)
}

// machines counts by who acted. Those that were folded are machines or unknown.
func (b *breakdown) machines() {
	all := actions{}
	for _, e := range b.events {
		if !isAction(e) {
			continue
		}
		who := e.Machine.String()
		switch {
		case !b.human(e):
			who = "machine"
		case b.folded[e]:
			who = "unknown"
		}
		act(all.of(who, ""), e, false)
	}
	b.keep("machine", all)
}

func (b *breakdown) delays() {
	m := b.m
	count := func(dimension string, from, to schemas.Timestamp, field func(*schemas.Counters) *int64) {
		if d := delay(from, to); d.Valid {
			*field(b.cell(dimension, delayBucket(d.Int64), ""))++
		}
	}
	count("open_delay", m.DeliveredAt, m.FirstOpenedAt, func(c *schemas.Counters) *int64 { return &c.Opened })
	count("open_delay", m.DeliveredAt, m.FirstHumanOpenedAt, func(c *schemas.Counters) *int64 { return &c.HumanOpened })
	count("click_delay", m.FirstOpenedAt, m.FirstClickedAt, func(c *schemas.Counters) *int64 { return &c.Clicked })
	count("click_delay", m.FirstHumanOpenedAt, m.FirstHumanClickedAt, func(c *schemas.Counters) *int64 { return &c.HumanClicked })
}

// delayBucket names the bucket of a delay by its beginning in milliseconds. Buckets
// are a millisecond wide up to 64, and twice as wide from there to twice that, and
// so on.
func delayBucket(ms int64) string {
	width := int64(1)
	for ms >= 64*width {
		width *= 2
	}
	return strconv.FormatInt(ms/width*width, 10)
}

// firstKnown is the first time that is known.
func firstKnown(times ...schemas.Timestamp) schemas.Timestamp {
	for _, t := range times {
		if t != 0 {
			return t
		}
	}
	return 0
}

// age counts by the time since the send, or since the first event where no send is
// known; what was folded, from where its window
// begins.
func (b *breakdown) age() {
	m := b.m
	began := firstKnown(m.SentAt, m.FirstEventAt)
	sent := b.cell("age", "sent", "")
	sent.Messages++
	*outcomeField(m)(sent)++
	sent.LateBounces += one(m.LateBounce)
	at := func(t schemas.Timestamp) *schemas.Counters { return b.cell("age", ageBucket(t-began), "") }
	for _, e := range b.events {
		when := e.OccurredAt
		if b.folded[e] {
			when = windowOf(when)
		}
		switch {
		case isAction(e):
			act(at(when), e, b.human(e))
		case e.Type == schemas.EventTypeUnsubscribed:
			at(when).Unsubscribes++
		case e.Type == schemas.EventTypeComplained:
			at(when).Complaints++
		}
	}
	once := func(t schemas.Timestamp, field func(*schemas.Counters) *int64) {
		if t != 0 {
			*field(at(t))++
		}
	}
	once(m.FirstOpenedAt, func(c *schemas.Counters) *int64 { return &c.Opened })
	once(m.FirstHumanOpenedAt, func(c *schemas.Counters) *int64 { return &c.HumanOpened })
	once(m.FirstClickedAt, func(c *schemas.Counters) *int64 { return &c.Clicked })
	once(m.FirstHumanClickedAt, func(c *schemas.Counters) *int64 { return &c.HumanClicked })
	once(m.UnsubscribedAt, func(c *schemas.Counters) *int64 { return &c.Unsubscribed })
	once(m.ComplainedAt, func(c *schemas.Counters) *int64 { return &c.Complained })
}

// ageBucket names the bucket of the time since the send by the hour it begins at.
func ageBucket(micros schemas.Timestamp) string {
	const hour = 3600 * 1_000_000
	bucket := "0"
	for _, from := range [...]schemas.Timestamp{1, 2, 3, 6, 12, 24, 2 * 24, 3 * 24, 4 * 24, 5 * 24, 6 * 24, 7 * 24, 14 * 24, 30 * 24, 60 * 24, 90 * 24} {
		if micros >= from*hour {
			bucket = strconv.FormatInt(int64(from), 10)
		}
	}
	return bucket
}

func (b *breakdown) path() {
	m := b.m
	var parts []string
	for _, p := range [...]struct {
		is   schemas.Timestamp
		name string
	}{
		{m.DeliveredAt, "delivered"}, {m.FirstOpenedAt, "opened"}, {m.FirstHumanOpenedAt, "human_opened"},
		{m.FirstClickedAt, "clicked"}, {m.FirstHumanClickedAt, "human_clicked"},
		{m.UnsubscribedAt, "unsubscribed"}, {m.ComplainedAt, "complained"},
	} {
		if p.is != 0 {
			parts = append(parts, p.name)
		}
	}
	if parts == nil {
		parts = []string{"none"}
	}
	b.cell("path", strings.Join(parts, "+"), "").Messages++
}
