package body

import (
	"strings"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// data is what templates see of a trigger. Every name is always there, with an
// empty value where the trigger has none, so that a name that is not there is a
// mistake of the template's. Texts are whole, times are RFC 3339 in UTC.
func data(t *schemas.Trigger) map[string]any {
	list, _ := evidence(t)
	events := make([]any, 0, len(list))
	for _, e := range list {
		events = append(events, map[string]any{"id": e.EventID.String(), "type": e.Type, "occurred_at": instant(schemas.FromTime(e.OccurredAt)), "machine": e.Machine})
	}
	_, domain, _ := strings.Cut(t.Recipient, "@")
	recipientID := ""
	if !t.RecipientID.IsZero() {
		recipientID = t.RecipientID.String()
	}
	return map[string]any{
		"type": EventType, "id": t.TriggerID.String(), "timestamp": instant(t.OccurredAt),
		"tenant": t.Tenant, "account": t.Account,
		"rule": t.Rule, "rule_version": t.RuleVersion, "kind": t.Kind, "occurrence": t.Occurrence,
		"recipient": map[string]any{"id": recipientID, "address": t.Recipient, "domain": domain},
		"campaign":  map[string]any{"id": t.CampaignID, "name": t.CampaignName},
		"message":   map[string]any{"id": t.MessageID, "custom_id": t.CustomID},
		"anchor_at": instant(t.AnchorAt), "occurred_at": instant(t.OccurredAt), "arrived_at": instant(t.ArrivedAt), "not_before": instant(t.NotBefore),
		"window": map[string]any{"start": instant(t.WindowStart), "end": instant(t.WindowEnd)},
		"hits":   t.Hits, "base": t.Base, "ratio": ratio(t), "state": t.State,
		"evidence": events,
	}
}

func instant(at schemas.Timestamp) string {
	if at.IsZero() {
		return ""
	}
	return at.Time().UTC().Format(time.RFC3339Nano)
}

// samples are triggers that a template must make a body of: one that has all that
// a trigger can have, and one of a campaign, without recipient and evidence.
func samples() []*schemas.Trigger {
	at := schemas.FromTime(time.Date(2026, 11, 23, 10, 0, 1, 0, time.UTC))
	full := &schemas.Trigger{
		TriggerID: schemas.ID{1}, Tenant: "default", Rule: "sample", RuleVersion: "0123456789abcdef", Kind: "within", Occurrence: "once",
		Account: "sample", RecipientID: schemas.ID{2}, Recipient: "anna@example.org", CampaignID: "7272", CampaignName: `Spring "sale"`,
		MessageID: "104427216766056450", CustomID: "order-1", AnchorAt: at - 3_600_000_000, OccurredAt: at, ArrivedAt: at,
		Evidence: []schemas.Evidence{{EventID: schemas.ID{3}, Type: "opened", OccurredAt: at, Machine: "human"}},
	}
	rate := &schemas.Trigger{
		TriggerID: schemas.ID{4}, Tenant: "default", Rule: "sample", RuleVersion: "0123456789abcdef", Kind: "rate", Occurrence: "raised@1795500000000000",
		CampaignID: "7272", OccurredAt: at, ArrivedAt: at, State: "raised", WindowStart: at - 600_000_000, WindowEnd: at, Hits: 12, Base: 200,
	}
	return []*schemas.Trigger{full, rate}
}
