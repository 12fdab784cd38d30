package trigger

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// Firing is a rule that two events of a message satisfy.
type Firing struct {
	Rule *Rule
	// Anchor is A, Evidence is B.
	Anchor, Evidence *Event
	Status           schemas.TriggerStatus
}

// ArrivedAt is when the firing was complete: the later arrival of A and B.
func (f *Firing) ArrivedAt() schemas.Timestamp {
	return max(f.Anchor.ArrivedAt, f.Evidence.ArrivedAt)
}

// Possible tells, cheaply, whether the events have both an A and a B.
func (r *Rule) Possible(events []Event) bool {
	a, b := false, false
	for i := range events {
		a = a || r.isAnchor(&events[i])
		b = b || r.isEvidence(&events[i])
	}
	return a && b
}

func (r *Rule) isEvidence(e *Event) bool {
	return e.Type == r.Event && (e.Human() || !r.HumanOnly)
}

func (r *Rule) isAnchor(e *Event) bool {
	switch r.Of {
	case AnchorSend:
		return e.Type == schemas.EventTypeQueued || e.Type == schemas.EventTypeSent || e.Type == schemas.EventTypeDelivered
	case AnchorDelivered:
		return e.Type == schemas.EventTypeDelivered
	case AnchorOpened:
		return e.Type == schemas.EventTypeOpened && (e.Human() || !r.HumanOnly)
	case AnchorClicked:
		return e.Type == schemas.EventTypeClicked && (e.Human() || !r.HumanOnly)
	}
	return false
}

// Evaluate judges the rule on the set of a message's events, in any order, and
// tells whether it is satisfied. The package comment says how.
func (r *Rule) Evaluate(m *Message, events []Event) (Firing, bool) {
	var abuf, bbuf [16]*Event
	anchors := r.anchors(abuf[:0], events)
	if len(anchors) == 0 {
		return Firing{}, false
	}
	evidence := bbuf[:0]
	for i := range events {
		if r.isEvidence(&events[i]) {
			evidence = append(evidence, &events[i])
		}
	}
	slices.SortFunc(evidence, compareAt)

	var expired Firing
	found := false
	for _, b := range evidence {
		f, ok := r.pair(anchors, b)
		if !ok || found && f.Status == schemas.TriggerStatusExpired || !r.holds(m, b) {
			continue
		}
		if f.Status != schemas.TriggerStatusExpired {
			return f, true
		}
		expired, found = f, true
	}
	return expired, found
}

// anchors appends the events that may be A, in order of their time in
// conditions.
func (r *Rule) anchors(dst []*Event, events []Event) []*Event {
	for i := range events {
		e := &events[i]
		switch {
		case !r.isAnchor(e):
		case r.Of != AnchorSend || len(dst) == 0:
			dst = append(dst, e)
		case compareOccurred(e, dst[0]) < 0:
			dst[0] = e
		}
	}
	slices.SortFunc(dst, compareAt)
	return dst
}

// pair finds the A of a B: the earliest that makes a live firing, else the
// earliest.
func (r *Rule) pair(anchors []*Event, b *Event) (Firing, bool) {
	first, found := Firing{}, false
	for _, a := range anchors {
		after := b.At() - a.At()
		if after < 0 {
			break
		}
		if after > schemas.Timestamp(r.Within.Microseconds()) || a.ID == b.ID {
			continue
		}
		f := Firing{Rule: r, Anchor: a, Evidence: b}
		if f.Status = r.status(&f); f.Status != schemas.TriggerStatusExpired {
			return f, true
		}
		if !found {
			first, found = f, true
		}
	}
	return first, found
}

func (r *Rule) status(f *Firing) schemas.TriggerStatus {
	switch {
	case f.ArrivedAt()-f.Evidence.At() > schemas.Timestamp(r.MaxAge.Microseconds()):
		return schemas.TriggerStatusExpired
	case r.Shadow:
		return schemas.TriggerStatusShadow
	}
	return schemas.TriggerStatusFired
}

// OnceKey is what the rule fires once for, within a tenant; false when the
// message does not join the rule (yet).
func (r *Rule) OnceKey(m *Message) (key string, ok bool) {
	recipient := string(m.RecipientID[:])
	switch r.OncePer {
	case OncePerRecipient:
		return recipient, m.Recipient != ""
	case OncePerCampaign:
		return m.CampaignID + "\x00" + recipient, m.Recipient != "" && m.CampaignID != ""
	}
	return m.Account + "\x00" + m.MessageID + "\x00" + recipient, true
}

// bucketOnce is the occurrence bucket of a rule that fires once for ever.
const bucketOnce = "once"

// ID is the trigger's id: the first 128 bits of SHA-256 over tenant, rule,
// once-per key and occurrence bucket, each with its length in 4 bytes, big
// endian, before it.
func ID(tenant, rule, onceKey string) schemas.ID {
	var buf [256]byte
	b := buf[:0]
	for _, s := range [...]string{tenant, rule, onceKey, bucketOnce} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	return schemas.ID(sum[:16])
}

// Record returns the record of the firing for a message and the key that
// OnceKey gave.
func (f *Firing) Record(m *Message, onceKey string) *schemas.Trigger {
	return &schemas.Trigger{
		TriggerID:    ID(m.Tenant, f.Rule.Name, onceKey),
		Tenant:       m.Tenant,
		Rule:         f.Rule.Name,
		RuleVersion:  f.Rule.Version,
		Kind:         f.Rule.Kind,
		Status:       f.Status,
		OncePer:      string(f.Rule.OncePer),
		Account:      m.Account,
		RecipientID:  m.RecipientID,
		Recipient:    m.Recipient,
		CampaignID:   m.CampaignID,
		CampaignName: m.CampaignName,
		MessageID:    m.MessageID,
		CustomID:     m.CustomID,
		AnchorAt:     f.Anchor.At(),
		OccurredAt:   f.Evidence.At(),
		ArrivedAt:    f.ArrivedAt(),
		Evidence:     []schemas.Evidence{evidenceOf(f.Anchor), evidenceOf(f.Evidence)},
		Endpoint:     f.Rule.Call,
	}
}

func evidenceOf(e *Event) schemas.Evidence {
	return schemas.Evidence{EventID: e.ID, Type: e.Type.String(), OccurredAt: e.OccurredAt, Machine: e.Machine.String()}
}
