package analytics

import (
	"github.com/google/uuid"

	"github.com/posthorn/posthorn/schemas"
)

// triggerRows makes the table triggers of posthorn.triggers, without addresses.
func triggerRows() rows {
	return newRows[schemas.Trigger]("triggers", []column[schemas.Trigger]{
		text("tenant", func(t *schemas.Trigger) string { return t.Tenant }),
		text("rule", func(t *schemas.Trigger) string { return t.Rule }),
		text("rule_version", func(t *schemas.Trigger) string { return t.RuleVersion }),
		text("kind", func(t *schemas.Trigger) string { return t.Kind }),
		text("status", func(t *schemas.Trigger) string { return t.Status.String() }),
		text("once_per", func(t *schemas.Trigger) string { return t.OncePer }),
		id("trigger_id", func(t *schemas.Trigger) schemas.ID { return t.TriggerID }),
		text("account", func(t *schemas.Trigger) string { return t.Account }),
		id("recipient_id", func(t *schemas.Trigger) schemas.ID { return t.RecipientID }),
		text("campaign_id", func(t *schemas.Trigger) string { return t.CampaignID }),
		text("campaign_name", func(t *schemas.Trigger) string { return t.CampaignName }),
		text("message_id", func(t *schemas.Trigger) string { return t.MessageID }),
		text("custom_id", func(t *schemas.Trigger) string { return t.CustomID }),
		nullMicros("anchor_at", func(t *schemas.Trigger) schemas.Timestamp { return t.AnchorAt }),
		micros("occurred_at", func(t *schemas.Trigger) schemas.Timestamp { return t.OccurredAt }),
		micros("arrived_at", func(t *schemas.Trigger) schemas.Timestamp { return t.ArrivedAt }),
		ids("evidence_ids", func(t *schemas.Trigger) []uuid.UUID { return evidenceIDs(t) }),
		texts("evidence_types", func(t *schemas.Trigger) []string { return evidenceTypes(t) }),
		text("endpoint", func(t *schemas.Trigger) string { return t.Endpoint }),
	})
}

func evidenceIDs(t *schemas.Trigger) []uuid.UUID {
	out := make([]uuid.UUID, len(t.Evidence))
	for i := range t.Evidence {
		out[i] = uuid.UUID(t.Evidence[i].EventID)
	}
	return out
}

func evidenceTypes(t *schemas.Trigger) []string {
	out := make([]string, len(t.Evidence))
	for i := range t.Evidence {
		out[i] = t.Evidence[i].Type
	}
	return out
}

// deliveryRows makes the table deliveries of posthorn.deliveries.
func deliveryRows() rows {
	return newRows[schemas.Delivery]("deliveries", []column[schemas.Delivery]{
		text("tenant", func(d *schemas.Delivery) string { return d.Tenant }),
		text("rule", func(d *schemas.Delivery) string { return d.Rule }),
		text("endpoint", func(d *schemas.Delivery) string { return d.Endpoint }),
		text("url", func(d *schemas.Delivery) string { return d.URL }),
		id("trigger_id", func(d *schemas.Delivery) schemas.ID { return d.TriggerID }),
		short("attempt", func(d *schemas.Delivery) int32 { return d.Attempt }),
		micros("attempted_at", func(d *schemas.Delivery) schemas.Timestamp { return d.AttemptedAt }),
		integer("duration_ms", func(d *schemas.Delivery) int64 { return d.DurationMS }),
		text("status", func(d *schemas.Delivery) string { return d.Status.String() }),
		short("status_code", func(d *schemas.Delivery) int32 { return d.StatusCode }),
		text("error", func(d *schemas.Delivery) string { return d.Error }),
		text("response", func(d *schemas.Delivery) string { return d.Response }),
		nullMicros("next_attempt_at", func(d *schemas.Delivery) schemas.Timestamp { return d.NextAttemptAt }),
	})
}

// rejectionRows makes the table rejections of posthorn.rejected.
func rejectionRows() rows {
	return newRows[schemas.Rejection]("rejections", []column[schemas.Rejection]{
		text("tenant", func(r *schemas.Rejection) string { return r.Tenant }),
		text("account", func(r *schemas.Rejection) string { return r.Account }),
		text("source", func(r *schemas.Rejection) string { return r.Source }),
		text("provider", func(r *schemas.Rejection) string { return r.Provider }),
		id("webhook_id", func(r *schemas.Rejection) schemas.ID { return r.WebhookID }),
		small("webhook_partition", func(r *schemas.Rejection) int32 { return r.Partition }),
		integer("webhook_offset", func(r *schemas.Rejection) int64 { return r.Offset }),
		small("webhook_index", func(r *schemas.Rejection) int32 { return r.Index }),
		text("reason", func(r *schemas.Rejection) string { return r.Reason }),
		text("field", func(r *schemas.Rejection) string { return r.Field }),
		text("detail", func(r *schemas.Rejection) string { return r.Detail }),
		micros("received_at", func(r *schemas.Rejection) schemas.Timestamp { return r.ReceivedAt }),
		micros("arrived_at", func(r *schemas.Rejection) schemas.Timestamp { return r.ArrivedAt }),
		short("mapper_version", func(r *schemas.Rejection) int32 { return r.MapperVersion }),
	})
}
