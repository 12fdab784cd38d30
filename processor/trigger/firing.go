package trigger

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/posthorn/posthorn/schemas"
)

// Firing is a rule that events satisfy.
type Firing struct {
	Rule *Rule
	// Occurrence tells the firings of a once-per key apart.
	Occurrence string
	// Evidence are the events, in the rule's order; of a count the event that
	// completes it, of a campaign's rule none.
	Evidence []*Event
	// Anchor is A, or the first of a sequence; nil: none.
	Anchor *Event
	// At is the event time, ArrivedAt the arrival time that completed the rule.
	At, ArrivedAt schemas.Timestamp
	// NotBefore is when the rule's active hours begin; zero: they are now.
	NotBefore schemas.Timestamp
	Status    schemas.TriggerStatus
	// State is raised or cleared of a rate; empty: of other kinds.
	State string
	// Hits and Base are what counting rules counted, in the window.
	Hits, Base             int64
	WindowStart, WindowEnd schemas.Timestamp
}

// The states of a rate.
const (
	StateRaised  = "raised"
	StateCleared = "cleared"
)

// occurrenceOnce is the occurrence of a rule that fires once for ever.
const occurrenceOnce = "once"

// Bucket is the occurrence of a firing at a time: once, or the start of the
// rule's cooldown that it lies in.
func (r *Rule) Bucket(at schemas.Timestamp) string {
	if r.Cooldown == 0 {
		return occurrenceOnce
	}
	return strconv.FormatInt(int64(r.stretch(at)), 10)
}

// stretch is the start of the cooldown that a time lies in; zero without one.
func (r *Rule) stretch(at schemas.Timestamp) schemas.Timestamp {
	if r.Cooldown == 0 {
		return 0
	}
	return at - floorMod(at, micros(r.Cooldown))
}

// floorMod is the remainder of a division that rounds down.
func floorMod(a, b schemas.Timestamp) schemas.Timestamp { return (a%b + b) % b }

// notBefore is when a firing that arrives at a moment may call; zero: at once.
func (r *Rule) notBefore(arrived schemas.Timestamp) schemas.Timestamp {
	if r.Active == nil || r.Active.Skip {
		return 0
	}
	if next, ok := r.Active.Next(arrived); ok && next > arrived {
		return next
	}
	return 0
}

// ActiveAt tells whether a moment is one that the rule does not skip.
func (r *Rule) ActiveAt(t schemas.Timestamp) bool {
	return r.Active == nil || !r.Active.Skip || r.Active.Contains(t)
}

// status is that of a firing whose evidence was of a certain age.
func (r *Rule) status(age schemas.Timestamp) schemas.TriggerStatus {
	switch {
	case age > micros(r.MaxAge):
		return schemas.TriggerStatusExpired
	case r.Shadow:
		return schemas.TriggerStatusShadow
	}
	return schemas.TriggerStatusFired
}

// OnceKey is what the rule fires once for, within a tenant; false when the
// message does not join the rule (yet), or is not in its sample.
func (r *Rule) OnceKey(m *Message) (key string, ok bool) {
	if key, ok = r.scope(m, r.OncePer); !ok {
		return "", false
	}
	return key, r.sampled(m.Tenant, key)
}

// CountKey is what a count counts in, within a tenant; false when the event,
// whose own facts m holds, is counted nowhere.
func (r *Rule) CountKey(m *Message) (key string, ok bool) { return r.scope(m, r.Per) }

func (r *Rule) scope(m *Message, per Once) (key string, ok bool) {
	recipient := string(m.RecipientID[:])
	switch {
	case r.OfCampaign():
		return m.CampaignID, m.CampaignID != ""
	case per == OncePerRecipient:
		return recipient, m.Recipient != ""
	case per == OncePerCampaign:
		return m.CampaignID + "\x00" + recipient, m.Recipient != "" && m.CampaignID != ""
	}
	return m.Account + "\x00" + m.MessageID + "\x00" + recipient, true
}

// sampled tells whether a once-per key takes part: by hash, so that the choice
// is the same everywhere and for ever.
func (r *Rule) sampled(tenant, key string) bool {
	if r.Sample >= Million {
		return true
	}
	sum := hash("sample", tenant, r.Name, key)
	return binary.BigEndian.Uint64(sum[:]) < uint64(r.Sample)*(math.MaxUint64/Million)
}

// ID is the trigger's id: the first 128 bits of SHA-256 over tenant, rule,
// once-per key and occurrence, each with its length in 4 bytes, big endian,
// before it.
func ID(tenant, rule, onceKey, occurrence string) schemas.ID {
	sum := hash(tenant, rule, onceKey, occurrence)
	return schemas.ID(sum[:16])
}

func hash(parts ...string) [sha256.Size]byte {
	var buf [256]byte
	b := buf[:0]
	for _, s := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(b)
}

// Record returns the record of the firing for a message and the key that
// OnceKey gave. Of a campaign's rule the message need hold no more than the
// tenant, the account where it is known, and the campaign.
func (f *Firing) Record(m *Message, onceKey string) *schemas.Trigger {
	t := &schemas.Trigger{
		TriggerID:    ID(m.Tenant, f.Rule.Name, onceKey, f.Occurrence),
		Tenant:       m.Tenant,
		Rule:         f.Rule.Name,
		RuleVersion:  f.Rule.Version,
		Kind:         string(f.Rule.Kind),
		Status:       f.Status,
		OncePer:      string(f.Rule.OncePer),
		Account:      m.Account,
		CampaignID:   m.CampaignID,
		CampaignName: m.CampaignName,
		OccurredAt:   f.At,
		ArrivedAt:    f.ArrivedAt,
		Endpoint:     f.Rule.Call,
		Occurrence:   f.Occurrence,
		NotBefore:    f.NotBefore,
		State:        f.State,
		WindowStart:  f.WindowStart,
		WindowEnd:    f.WindowEnd,
		Hits:         f.Hits,
		Base:         f.Base,
	}
	if f.Anchor != nil {
		t.AnchorAt = f.Anchor.At()
	}
	if f.Rule.OfCampaign() {
		return t
	}
	t.RecipientID, t.Recipient = m.RecipientID, m.Recipient
	t.MessageID, t.CustomID = m.MessageID, m.CustomID
	for _, e := range f.Evidence {
		t.Evidence = append(t.Evidence, evidenceOf(e))
	}
	return t
}

func evidenceOf(e *Event) schemas.Evidence {
	return schemas.Evidence{EventID: e.ID, Type: e.Type.String(), OccurredAt: e.OccurredAt, Machine: e.Machine.String()}
}
