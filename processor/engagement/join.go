package engagement

import (
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// joins hands an event that is new in its message, or arrived earlier than was
// known, to what looks at single events; before is the version it replaces.
func (t *task) joins(ctx stream.Context, m *message, e *schemas.Event, before *trigger.Event) error {
	if before != nil {
		old := withKept(e, before)
		t.see(&old)
		if err := t.count(ctx, m, -1); err != nil {
			return err
		}
		t.campaignRules(&old, -1)
	}
	t.see(e)
	if err := t.count(ctx, m, 1); err != nil {
		return err
	}
	t.campaignRules(e, 1)
	return t.suppress(ctx, e)
}

// see finds the counting rules that may count an event, and what they see of it.
func (t *task) see(e *schemas.Event) {
	t.own, t.fact = ownFacts(e), factOf(e)
	t.counting = t.rules.ForEvent(t.counting[:0], &t.own, &t.fact)
}

// ownFacts are what an event itself tells of its message. Counting rules know no
// more, so that what becomes known later can't change what they count.
func ownFacts(e *schemas.Event) trigger.Message {
	id, f := identityOf(e), factsOf(e)
	return messageFacts(&id, &f)
}

// withKept is an event with what a state kept of another version of it put back.
func withKept(e *schemas.Event, kept *trigger.Event) schemas.Event {
	old := *e
	old.Type, old.Machine, old.TimeSuspect = kept.Type, kept.Machine, kept.TimeSuspect
	old.OccurredAt, old.ArrivedAt = kept.OccurredAt, kept.ArrivedAt
	old.URL, old.Country, old.ListID = kept.URL, kept.Country, kept.ListID
	old.BounceClass, old.RejectReason, old.CampaignID = kept.BounceClass, kept.RejectReason, kept.CampaignID
	old.Source, old.ClientName, old.ClientOS = kept.Source, kept.ClientName, kept.ClientOS
	old.DeviceType, old.LinkIndex = kept.DeviceType, kept.LinkIndex
	return old
}
