package engagement

import (
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// joins hands an event that is new in its message, or arrived earlier than was
// known, to what looks at single events; before is the version it replaces.
func (t *task) joins(ctx stream.Context, m *message, e *schemas.Event, f *facts, before *trigger.Event) error {
	if before != nil {
		old := withKept(e, before)
		f := factsOf(&old)
		t.see(&old, &f)
		if err := t.count(ctx, m, -1); err != nil {
			return err
		}
		t.campaignRules(&old, -1)
	}
	t.see(e, f)
	if err := t.count(ctx, m, 1); err != nil {
		return err
	}
	t.campaignRules(e, 1)
	return t.suppress(ctx, e)
}

// see finds the counting rules that may count an event, and what they see of it:
// what the event itself tells of its message, and no more, so that what becomes
// known later can't change what they count.
func (t *task) see(e *schemas.Event, f *facts) {
	id := identityOf(e)
	t.own, t.fact = messageFacts(&id, f), factOf(e)
	t.counting = t.rules.ForEvent(t.counting[:0], &t.own, &t.fact)
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
