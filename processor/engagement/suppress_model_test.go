package engagement

import (
	"slices"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// modelSuppressions computes, naively and from all events at once, what the
// records of suppressions must end with, by key and without revisions. It knows
// no bound of marks.
func modelSuppressions(all []schemas.Event) map[string]schemas.Suppression {
	recipients := map[string][]schemas.Event{}
	for _, e := range all {
		if e.Recipient != "" {
			key := e.Tenant + "/" + e.RecipientID.String()
			recipients[key] = append(recipients[key], e)
		}
	}
	out := map[string]schemas.Suppression{}
	for key, versions := range recipients {
		events := modelSet(versions)
		scopes := map[string]bool{}
		for _, e := range events {
			if scope, _ := modelSuppresses(e); scope != "" {
				scopes[scope] = true
			}
		}
		for scope := range scopes {
			s := modelScope(events, scope)
			out[key+"/"+scope] = s
		}
	}
	return out
}

func modelSuppresses(e schemas.Event) (scope string, reason schemas.SuppressionReason) {
	switch {
	case e.Type == schemas.EventTypeBounced && e.BounceClass == "hard":
		return "all", schemas.SuppressionReasonHardBounce
	case e.Type == schemas.EventTypeComplained:
		return "all", schemas.SuppressionReasonComplaint
	case e.Type == schemas.EventTypeUnsubscribed && e.ListID == "":
		return "all", schemas.SuppressionReasonUnsubscribe
	case e.Type == schemas.EventTypeUnsubscribed:
		return "list:" + e.ListID, schemas.SuppressionReasonUnsubscribe
	}
	return "", 0
}

// modelLifts tells whether lift lifts what e says, if it came at or after it.
func modelLifts(lift, e schemas.Event) bool {
	scope, reason := modelSuppresses(e)
	concerned := lift.ListID == "" || scope == "list:"+lift.ListID
	switch lift.Type {
	case schemas.EventTypeUnsuppressed:
		return concerned
	case schemas.EventTypeSubscribed:
		return concerned && reason == schemas.SuppressionReasonUnsubscribe
	}
	return false
}

// modelScope goes through the events in order, remembering what is in force.
func modelScope(events []schemas.Event, scope string) schemas.Suppression {
	var force []schemas.Event
	var latest, lift schemas.Event
	for i, e := range events {
		if s, _ := modelSuppresses(e); s == scope {
			latest = e
			force = append(force, e)
			continue
		}
		lifts := func(s schemas.Event) bool { return modelLifts(e, s) }
		ofScope := func(s schemas.Event) bool { where, _ := modelSuppresses(s); return where == scope }
		if slices.ContainsFunc(events[:i], func(s schemas.Event) bool { return ofScope(s) && lifts(s) }) {
			lift = e
		}
		force = slices.DeleteFunc(force, lifts)
	}
	rests := latest
	for _, reason := range []schemas.SuppressionReason{schemas.SuppressionReasonUnsubscribe, schemas.SuppressionReasonHardBounce, schemas.SuppressionReasonComplaint} {
		at := slices.IndexFunc(force, func(e schemas.Event) bool { _, r := modelSuppresses(e); return r == reason })
		if at >= 0 {
			rests = force[at]
		}
	}
	_, reason := modelSuppresses(rests)
	return schemas.Suppression{
		Tenant: rests.Tenant, RecipientID: rests.RecipientID, Recipient: strings.ToLower(strings.TrimSpace(rests.Recipient)),
		Scope: scope, Reason: reason, Active: len(force) > 0, Since: rests.OccurredAt, EventID: rests.EventID,
		Account: rests.Account, CampaignID: rests.CampaignID, LiftedAt: lift.OccurredAt, UpdatedAt: max(rests.ArrivedAt, lift.ArrivedAt),
	}
}
