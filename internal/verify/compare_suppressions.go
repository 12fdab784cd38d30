package verify

import (
	"slices"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// suppressionKey tells suppressions apart, as the key of posthorn.suppressions
// does.
type suppressionKey struct {
	tenant    string
	recipient schemas.ID
	scope     string
}

const scopeAll = "all"

// listScope is the scope of a contact list; without one it is everything.
func listScope(list string) string {
	if list == "" {
		return scopeAll
	}
	return "list:" + bounded(list)
}

// suppresses tells in which scope an event suppresses its recipient, and why.
func suppresses(e *schemas.Event) (scope string, reason schemas.SuppressionReason) {
	switch {
	case e.Type == schemas.EventTypeBounced && e.BounceClass == "hard":
		return scopeAll, schemas.SuppressionReasonHardBounce
	case e.Type == schemas.EventTypeComplained:
		return scopeAll, schemas.SuppressionReasonComplaint
	case e.Type == schemas.EventTypeUnsubscribed:
		return listScope(e.ListID), schemas.SuppressionReasonUnsubscribe
	}
	return "", schemas.SuppressionReasonUnknown
}

// lifts tells whether an event lifts a suppression: an operator's does in its
// scope, a new subscription only what an unsubscribe has made. Without a list
// they concern every scope.
func lifts(e *schemas.Event, scope string, reason schemas.SuppressionReason) bool {
	if e.Type != schemas.EventTypeUnsuppressed && (e.Type != schemas.EventTypeSubscribed || reason != schemas.SuppressionReasonUnsubscribe) {
		return false
	}
	return e.ListID == "" || listScope(e.ListID) == scope
}

// gravity are the reasons, the gravest first.
var gravity = []schemas.SuppressionReason{
	schemas.SuppressionReasonComplaint, schemas.SuppressionReasonHardBounce, schemas.SuppressionReasonUnsubscribe,
}

// mostMarks is how many events of one reason are kept in one scope, the latest.
const mostMarks = 100

// suppressionOf works out a suppression from all events of its recipient, given in
// order of event time; nil: there never was one.
func suppressionOf(k suppressionKey, events []*schemas.Event) *schemas.Suppression {
	var rests, latest, lifted *schemas.Event // the last that lifted something
	for _, reason := range slices.Backward(gravity) {
		var those []*schemas.Event
		for _, e := range events {
			if scope, why := suppresses(e); scope == k.scope && why == reason {
				those = append(those, e)
			}
		}
		var inForce *schemas.Event
		for _, e := range those[max(0, len(those)-mostMarks):] {
			if latest == nil || byTime(e, latest) > 0 {
				latest = e
			}
			var lift *schemas.Event
			for _, l := range events {
				if byTime(l, e) > 0 && lifts(l, k.scope, reason) {
					lift = l
				}
			}
			switch {
			case lift == nil && inForce == nil:
				inForce = e
			case lift != nil && (lifted == nil || byTime(lift, lifted) > 0):
				lifted = lift
			}
		}
		if inForce != nil {
			rests = inForce
		}
	}
	if latest == nil {
		return nil
	}
	active := rests != nil
	if !active {
		rests = latest
	}
	_, reason := suppresses(rests)
	s := &schemas.Suppression{
		Tenant: k.tenant, RecipientID: k.recipient, Scope: k.scope, Recipient: bounded(strings.ToLower(strings.TrimSpace(rests.Recipient))),
		Reason: reason, Active: active, Since: rests.OccurredAt, EventID: rests.EventID,
		Account: bounded(rests.Account), CampaignID: bounded(rests.CampaignID), UpdatedAt: rests.ArrivedAt,
	}
	if lifted != nil {
		s.LiftedAt, s.UpdatedAt = lifted.OccurredAt, max(s.UpdatedAt, lifted.ArrivedAt)
	}
	return s
}

// compareSuppressions compares the last record of each key.
func (v *verifier) compareSuppressions(f *facts) {
	check := v.report.check(checkSuppressions)
	byRecipient := map[recipientKey][]*schemas.Event{}
	for _, versions := range f.expected {
		e := choose(versions)[0] // whatever life of its message it was in
		if e.Recipient != "" {
			k := recipientKey{e.Tenant, e.RecipientID}
			byRecipient[k] = append(byRecipient[k], e)
		}
	}
	touched := map[recipientKey]bool{}
	for _, e := range f.other {
		touched[recipientKey{e.Tenant, e.RecipientID}] = true
	}
	want := map[suppressionKey]*schemas.Suppression{}
	for of, events := range byRecipient {
		slices.SortFunc(events, byTime)
		for _, e := range events {
			scope, _ := suppresses(e)
			if k := (suppressionKey{of.tenant, of.id, scope}); scope != "" && want[k] == nil {
				want[k] = suppressionOf(k, events)
			}
		}
	}
	for k, w := range want {
		found := f.suppressions[k]
		if touched[recipientKey{k.tenant, k.recipient}] {
			check.Skipped++
			continue
		}
		check.Expected++
		if found == nil {
			v.report.missing(check, "suppression %s is missing: %s since %s", k, w.Reason, w.Since)
			continue
		}
		check.Found++
		w.Revision = found.Revision // how often it was written depends on what came when
		if !equal(w, found) {
			v.report.differ(check, "suppression %s: %s", k, diff(w, found))
		}
	}
	for k, found := range f.suppressions {
		v.sumSuppression(found)
		if want[k] == nil && !touched[recipientKey{k.tenant, k.recipient}] {
			check.Found++
			v.report.surplus(check, "suppression %s is unexpected: nothing suppresses it", k)
		}
	}
}

// String describes a suppression for a difference.
func (k suppressionKey) String() string {
	return k.tenant + "/" + k.recipient.String() + "/" + k.scope
}
