package engagement

import (
	"strings"

	"github.com/posthorn/posthorn/internal/links"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// breakDown adds sign times what a message contributes to the cells of its
// campaign, to those above it that are by day, and to its recipient.
func (c *changes) breakDown(change *campaignChange, m *schemas.Message, s *state, sign int64) {
	n := lifetimeOf(m, sign)
	day := dayStart(beganAt(m))
	domain := boundText(strings.ToLower(m.RecipientDomain))
	change.tenant.domains.at(domainKey{day, domain}).Add(&n)
	d := change.days.at(day)
	d.domains.at(domain).Add(&n)
	d.messages(m, domain, sign)
	d.ages(m, s, sign)
	if m.Opens+m.Clicks > 0 {
		c.acts.see(c, s)
		c.acts.addTo(d, sign)
	}
	if s.person() {
		change.tenant.recipients.at(m.RecipientID).see(m, s, domain, &n, sign)
	}
}

// beganAt is when a message begins for its cells: at its send, or, where none is
// known, at its first event. Mailjet tells of no send where a message bounces or is
// refused.
func beganAt(m *schemas.Message) schemas.Timestamp {
	if m.SentAt != 0 {
		return m.SentAt
	}
	return m.FirstEventAt
}

// lifetimeOf is what a message counts in its campaign's lifetime.
func lifetimeOf(m *schemas.Message, sign int64) (n schemas.Counters) {
	n.Messages = sign
	countOutcome(&n, m, sign)
	if m.Opens+m.Clicks+m.Unsubscribes+m.Complaints == 0 {
		return n
	}
	n.Opens, n.HumanOpens = sign*m.Opens, sign*m.HumanOpens
	n.Clicks, n.HumanClicks = sign*m.Clicks, sign*m.HumanClicks
	n.Unsubscribes, n.Complaints = sign*m.Unsubscribes, sign*m.Complaints
	once := func(counter *int64, at schemas.Timestamp) {
		if at != 0 {
			*counter = sign
		}
	}
	once(&n.Opened, m.FirstOpenedAt)
	once(&n.HumanOpened, m.FirstHumanOpenedAt)
	once(&n.Clicked, m.FirstClickedAt)
	once(&n.HumanClicked, m.FirstHumanClickedAt)
	once(&n.Unsubscribed, m.UnsubscribedAt)
	once(&n.Complained, m.ComplainedAt)
	if m.OpenDelayMS.Valid {
		n.OpenDelays, n.OpenDelayMS = sign, sign*m.OpenDelayMS.Int64
	}
	if m.ClickDelayMS.Valid {
		n.ClickDelays, n.ClickDelayMS = sign, sign*m.ClickDelayMS.Int64
	}
	return n
}

const dayLength = 24 * 3600 * 1_000_000

// dayStart is the start of the day that t is in, in UTC.
func dayStart(t schemas.Timestamp) schemas.Timestamp {
	rest := t % dayLength
	if rest < 0 {
		rest += dayLength
	}
	return t - rest
}

// messages counts what is one a message.
func (d *dayCells) messages(m *schemas.Message, domain string, sign int64) {
	d.paths.at(pathOf(m)).Messages += sign
	switch m.Outcome {
	case schemas.OutcomeBounced, schemas.OutcomeRejected, schemas.OutcomeFailed:
		n := d.reasons.at(reasonKey{domain, m.Outcome, m.BounceClass, m.RejectReason})
		n.Messages += sign
		countOutcome(n, m, sign)
	}
	if ms := m.OpenDelayMS; ms.Valid {
		d.openDelays.at(bucketOf(ms)).Opened += sign
	}
	if ms := delay(m.DeliveredAt, m.FirstHumanOpenedAt); ms.Valid {
		d.openDelays.at(bucketOf(ms)).HumanOpened += sign
	}
	if ms := m.ClickDelayMS; ms.Valid {
		d.clickDelays.at(bucketOf(ms)).Clicked += sign
	}
	if ms := delay(m.FirstHumanOpenedAt, m.FirstHumanClickedAt); ms.Valid {
		d.clickDelays.at(bucketOf(ms)).HumanClicked += sign
	}
}

func bucketOf(ms schemas.NullInt64) int64 {
	from, _ := schemas.DelayBucket(ms.Int64)
	return from
}

// path is what became of a message: a bit for each of pathParts.
type path uint8

var pathParts = [...]string{
	schemas.PathDelivered, schemas.PathOpened, schemas.PathHumanOpened, schemas.PathClicked,
	schemas.PathHumanClicked, schemas.PathUnsubscribed, schemas.PathComplained,
}

func pathOf(m *schemas.Message) (p path) {
	for i, at := range [len(pathParts)]schemas.Timestamp{
		m.DeliveredAt, m.FirstOpenedAt, m.FirstHumanOpenedAt, m.FirstClickedAt,
		m.FirstHumanClickedAt, m.UnsubscribedAt, m.ComplainedAt,
	} {
		if at != 0 {
			p |= 1 << i
		}
	}
	return p
}

func (p path) String() string {
	if p == 0 {
		return schemas.PathNone
	}
	var parts []string
	for i, part := range pathParts {
		if p&(1<<i) != 0 {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, schemas.PathJoin)
}

// ages counts the message in its cohort, and what happened to it by how long
// after it began that was.
func (d *dayCells) ages(m *schemas.Message, s *state, sign int64) {
	n := d.age.at(schemas.AgeSent)
	n.Messages += sign
	countOutcome(n, m, sign)
	if m.Opens+m.Clicks+m.Unsubscribes+m.Complaints == 0 {
		return
	}
	began := beganAt(m).Time()
	at := func(t schemas.Timestamp) *schemas.Counters {
		return d.age.at(schemas.AgeValue(t.Time().Sub(began)))
	}
	for i := range s.events {
		e := &s.events[i]
		human := int64(0)
		if s.human(i) {
			human = sign
		}
		switch e.Type {
		case schemas.EventTypeOpened:
			n := at(e.OccurredAt)
			n.Opens += sign
			n.HumanOpens += human
		case schemas.EventTypeClicked:
			n := at(e.OccurredAt)
			n.Clicks += sign
			n.HumanClicks += human
		case schemas.EventTypeUnsubscribed:
			at(e.OccurredAt).Unsubscribes += sign
		case schemas.EventTypeComplained:
			at(e.OccurredAt).Complaints += sign
		}
	}
	for i := range s.folded.windows {
		w := &s.folded.windows[i]
		w.addTo(at(w.start), sign)
	}
	if m.FirstOpenedAt != 0 {
		at(m.FirstOpenedAt).Opened += sign
	}
	if m.FirstHumanOpenedAt != 0 {
		at(m.FirstHumanOpenedAt).HumanOpened += sign
	}
	if m.FirstClickedAt != 0 {
		at(m.FirstClickedAt).Clicked += sign
	}
	if m.FirstHumanClickedAt != 0 {
		at(m.FirstHumanClickedAt).HumanClicked += sign
	}
	if m.UnsubscribedAt != 0 {
		at(m.UnsubscribedAt).Unsubscribed += sign
	}
	if m.ComplainedAt != 0 {
		at(m.ComplainedAt).Complained += sign
	}
}

// act counts opens and clicks of a message that have something in common.
type act struct{ opens, humanOpens, clicks, humanClicks int64 }

// acts are those of one message, by what they have in common. So a message
// counts once in a cell, whatever it did.
type actCounts struct {
	texts    [actTexts]table[string, act]
	links    table[linkKey, act]
	machines [schemas.MachineMachine + 1]act
}

// The texts that acts are counted by.
const (
	actCountry = iota
	actClient
	actOS
	actDevice
	actTexts
)

var actDimensions = [actTexts]schemas.Dimension{
	actCountry: schemas.DimensionCountry, actClient: schemas.DimensionClient,
	actOS: schemas.DimensionOS, actDevice: schemas.DimensionDevice,
}

// see counts the acts of a message.
func (a *actCounts) see(c *changes, s *state) {
	for i := range a.texts {
		a.texts[i].reset(nil)
	}
	a.links.reset(nil)
	a.machines = [len(a.machines)]act{}
	for i := range s.events {
		e := &s.events[i]
		if e.Type != schemas.EventTypeOpened && e.Type != schemas.EventTypeClicked {
			continue
		}
		class, human := e.Machine, int64(1)
		if !s.human(i) {
			class, human = schemas.MachineMachine, 0
		}
		n := act{opens: 1, humanOpens: human}
		if e.Type == schemas.EventTypeClicked {
			n = act{clicks: 1, humanClicks: human}
			a.links.at(linkKey{c.redact(e.URL), e.LinkIndex}).add(&n)
		}
		a.machines[class].add(&n)
		for text, value := range actValues(e) {
			a.texts[text].at(value).add(&n)
		}
	}
	for i := range s.folded.windows {
		a.seeFolded(&s.folded.windows[i])
	}
}

func actValues(e *trigger.Event) [actTexts]string {
	return [...]string{actCountry: e.Country, actClient: e.ClientName, actOS: e.ClientOS, actDevice: e.DeviceType}
}

// seeFolded counts folded events: of them no more is known than whether they are
// a machine's.
func (a *actCounts) seeFolded(w *foldedWindow) {
	n := act{w.opens, w.humanOpens, w.clicks, w.humanClicks}
	if n == (act{}) {
		return
	}
	for i := range a.texts {
		a.texts[i].at("").add(&n)
	}
	if w.clicks > 0 {
		a.links.at(linkKey{}).add(&act{clicks: w.clicks, humanClicks: w.humanClicks})
	}
	a.machines[schemas.MachineUnknown].add(&act{opens: w.humanOpens, clicks: w.humanClicks})
	a.machines[schemas.MachineMachine].add(&act{opens: w.opens - w.humanOpens, clicks: w.clicks - w.humanClicks})
}

func (a *act) add(o *act) {
	a.opens += o.opens
	a.humanOpens += o.humanOpens
	a.clicks += o.clicks
	a.humanClicks += o.humanClicks
}

// addTo adds the acts to cells.
func (a *actCounts) addTo(d *dayCells, sign int64) {
	for i := range a.texts {
		for _, e := range a.texts[i].all() {
			e.value.addTo(d.acts[i].at(e.key), sign)
		}
	}
	for _, e := range a.links.all() {
		e.value.addTo(d.links.at(e.key), sign)
	}
	for class, n := range a.machines {
		if n.opens+n.clicks > 0 {
			(&act{opens: n.opens, clicks: n.clicks}).addTo(d.machines.at(schemas.Machine(class)), sign)
		}
	}
}

func (a *act) addTo(n *schemas.Counters, sign int64) {
	n.Opens += sign * a.opens
	n.HumanOpens += sign * a.humanOpens
	n.Clicks += sign * a.clicks
	n.HumanClicks += sign * a.humanClicks
	n.Opened += sign * min(a.opens, 1)
	n.HumanOpened += sign * min(a.humanOpens, 1)
	n.Clicked += sign * min(a.clicks, 1)
	n.HumanClicked += sign * min(a.humanClicks, 1)
}

// maxRedacted is how many links are remembered as redacted: a campaign has few.
const maxRedacted = 4096

// redact takes out of a link what may identify a person.
func (c *changes) redact(link string) string {
	if !strings.ContainsAny(link, "?#@") {
		return link // there is nothing to take out
	}
	redacted, ok := c.redacted[link]
	if !ok {
		if c.redacted == nil || len(c.redacted) >= maxRedacted {
			c.redacted = map[string]string{}
		}
		redacted = strings.Clone(links.Redact(link))
		c.redacted[strings.Clone(link)] = redacted
	}
	return redacted
}
