package engagement

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/posthorn/posthorn/schemas"
	"github.com/posthorn/posthorn/schemas/avro"
)

// markKind is what an event says about mailing its recipient.
type markKind byte

// The kinds, suppressing ones first, from the gravest.
const (
	markComplaint markKind = iota
	markHardBounce
	markUnsubscribe
	markUnsuppressed // lifts everything
	markSubscribed   // lifts unsubscribes
	markKinds
)

var suppressionReasons = [...]schemas.SuppressionReason{
	markComplaint:   schemas.SuppressionReasonComplaint,
	markHardBounce:  schemas.SuppressionReasonHardBounce,
	markUnsubscribe: schemas.SuppressionReasonUnsubscribe,
}

func (k markKind) suppresses() bool { return k < markUnsuppressed }

// lifts tells whether a mark of this kind lifts those of the other.
func (k markKind) lifts(o markKind) bool {
	return o.suppresses() && (k == markUnsuppressed || k == markSubscribed && o == markUnsubscribe)
}

// markKindOf tells what an event says, and false where it says nothing.
func markKindOf(e *schemas.Event) (kind markKind, ok bool) {
	switch e.Type {
	case schemas.EventTypeComplained:
		return markComplaint, true
	case schemas.EventTypeBounced:
		return markHardBounce, e.BounceClass == bounceHard
	case schemas.EventTypeUnsubscribed:
		return markUnsubscribe, true
	case schemas.EventTypeUnsuppressed:
		return markUnsuppressed, true
	case schemas.EventTypeSubscribed:
		return markSubscribed, true
	}
	return 0, false
}

// kindMark is an event as far as suppression goes.
type kindMark struct {
	kind        markKind
	at, arrived schemas.Timestamp
	id          schemas.ID
	// account and campaign are of suppressing marks only.
	account, campaign string
}

// compare orders marks of whatever kind by event time, then by id.
func (m *kindMark) compare(o *kindMark) int { return compareOrigin(m.at, &m.id, o.at, &o.id) }

// maxMarks is how many marks of one kind are kept in one scope: the latest, so
// that the kept ones depend on the set of events alone. Who was written to a
// hundred times after the first complaint needs no longer memory.
const maxMarks = 100

// marks are what is known of a recipient for one list, or for all of them.
type marks struct {
	list     string     // empty: all
	address  string     // as it is hashed: trimmed and lower case
	revision int64      // of the record written last; 0: none was
	marks    []kindMark // by kind, then by time
}

// add takes a mark in and tells whether the set changed. Of versions of an event
// the one that arrived first counts.
func (m *marks) add(n kindMark) bool {
	for i := range m.marks {
		old := &m.marks[i]
		if old.id != n.id || old.kind != n.kind {
			continue
		}
		if n.arrived > old.arrived || n.arrived == old.arrived && n.at >= old.at {
			return false
		}
		m.marks = slices.Delete(m.marks, i, i+1)
		break
	}
	at, _ := slices.BinarySearchFunc(m.marks, &n, func(o kindMark, n *kindMark) int {
		return cmp.Or(cmp.Compare(o.kind, n.kind), o.compare(n))
	})
	m.marks = slices.Insert(m.marks, at, n)
	first, end := m.of(n.kind)
	if end-first > maxMarks {
		m.marks = slices.Delete(m.marks, first, first+1)
		return at > first
	}
	return true
}

// of returns where the marks of a kind are.
func (m *marks) of(kind markKind) (first, end int) {
	for first < len(m.marks) && m.marks[first].kind < kind {
		first++
	}
	for end = first; end < len(m.marks) && m.marks[end].kind == kind; {
		end++
	}
	return first, end
}

// lift returns the latest mark that lifts those of a kind; nil: none does. Those
// of all lists lift in each.
func (m *marks) lift(kind markKind, all *marks) (latest *kindMark) {
	for _, from := range [...]*marks{m, all} {
		for i := range from.marks {
			if l := &from.marks[i]; l.kind.lifts(kind) && (latest == nil || l.compare(latest) > 0) {
				latest = l
			}
		}
	}
	return latest
}

// scope is what a record is about.
func (m *marks) scope() string {
	if m.list == "" {
		return "all"
	}
	return "list:" + m.list
}

// derive tells what the marks of a scope make, and false where nothing ever
// suppressed anything in it. What is in force rests on the earliest mark of the
// gravest reason; what is not, on the latest mark there was.
func (m *marks) derive(all *marks) (s schemas.Suppression, ok bool) {
	var rests, latest, lifted *kindMark
	for kind := markKind(0); kind.suppresses(); kind++ {
		lift := m.lift(kind, all)
		first, end := m.of(kind)
		for i := first; i < end; i++ {
			k := &m.marks[i]
			if latest == nil || k.compare(latest) > 0 {
				latest = k
			}
			switch {
			case lift == nil || lift.compare(k) < 0:
				if rests == nil {
					rests = k
				}
			case lifted == nil || lift.compare(lifted) > 0:
				lifted = lift
			}
		}
	}
	if latest == nil {
		return s, false
	}
	s.Active = rests != nil
	if rests == nil {
		rests = latest
	}
	s.Recipient, s.Scope, s.Reason = m.address, m.scope(), suppressionReasons[rests.kind]
	s.Since, s.EventID, s.Account, s.CampaignID = rests.at, rests.id, rests.account, rests.campaign
	s.UpdatedAt = rests.arrived
	if lifted != nil {
		s.LiftedAt = lifted.at
		s.UpdatedAt = max(s.UpdatedAt, lifted.arrived)
	}
	return s, true
}

// marksVersion is the first byte of marks in the store.
const marksVersion = 1

// markMinSize is the least number of bytes of a mark.
const markMinSize = 19

func (m *marks) append(b []byte) []byte {
	b = append(b, marksVersion)
	b = avro.AppendLong(b, m.revision)
	b = avro.AppendString(b, m.address)
	b = avro.AppendLong(b, int64(len(m.marks)))
	last := schemas.Timestamp(0)
	for i := range m.marks {
		k := &m.marks[i]
		b = append(b, byte(k.kind))
		b = append(b, k.id[:]...)
		b = avro.AppendLong(b, int64(k.at-last))
		b = avro.AppendLong(b, int64(k.arrived-k.at))
		last = k.at
		if k.kind.suppresses() {
			b = avro.AppendString(avro.AppendString(b, k.account), k.campaign)
		}
	}
	return b
}

func (m *marks) decode(b []byte) error {
	if len(b) == 0 || b[0] != marksVersion {
		return fmt.Errorf("decoding suppression state: unknown version in %x", b[:min(len(b), 8)])
	}
	r := reader{Reader: avro.NewReader(b[1:]), size: len(b)}
	m.revision = r.Long()
	m.address = r.String()
	m.marks = make([]kindMark, r.count(markMinSize))
	last := schemas.Timestamp(0)
	for i := range m.marks {
		k := &m.marks[i]
		k.kind = markKind(r.small(int32(markKinds)))
		r.Fixed(k.id[:])
		k.at = last + schemas.Timestamp(r.Long())
		k.arrived = k.at + schemas.Timestamp(r.Long())
		last = k.at
		if k.kind.suppresses() {
			k.account, k.campaign = r.String(), r.String()
		}
	}
	if err := r.end(); err != nil {
		return fmt.Errorf("decoding suppression state: %w", err)
	}
	return nil
}
