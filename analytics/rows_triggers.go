package analytics

import "github.com/posthorn/posthorn/schemas"

// triggerRows makes the table triggers of posthorn.triggers, without addresses.
func triggerRows(table string) rows {
	return newRows[schemas.Trigger](table, []column[schemas.Trigger]{
		code("tenant", func(t *schemas.Trigger) string { return t.Tenant }),
		code("rule", func(t *schemas.Trigger) string { return t.Rule }),
		code("rule_version", func(t *schemas.Trigger) string { return t.RuleVersion }),
		code("kind", func(t *schemas.Trigger) string { return t.Kind }),
		code("status", func(t *schemas.Trigger) string { return t.Status.String() }),
		code("once_per", func(t *schemas.Trigger) string { return t.OncePer }),
		id("trigger_id", func(t *schemas.Trigger) schemas.ID { return t.TriggerID }),
		code("account", func(t *schemas.Trigger) string { return t.Account }),
		id("recipient_id", func(t *schemas.Trigger) schemas.ID { return t.RecipientID }),
		code("campaign_id", func(t *schemas.Trigger) string { return t.CampaignID }),
		code("campaign_name", func(t *schemas.Trigger) string { return t.CampaignName }),
		text("message_id", func(t *schemas.Trigger) string { return t.MessageID }),
		text("custom_id", func(t *schemas.Trigger) string { return t.CustomID }),
		nullMicros("anchor_at", func(t *schemas.Trigger) schemas.Timestamp { return t.AnchorAt }),
		micros("occurred_at", func(t *schemas.Trigger) schemas.Timestamp { return t.OccurredAt }),
		micros("arrived_at", func(t *schemas.Trigger) schemas.Timestamp { return t.ArrivedAt }),
		ids("evidence_ids", func(t *schemas.Trigger) []schemas.ID { return evidenceIDs(t) }),
		texts("evidence_types", func(t *schemas.Trigger) []string { return evidenceTypes(t) }),
		code("endpoint", func(t *schemas.Trigger) string { return t.Endpoint }),
		text("occurrence", func(t *schemas.Trigger) string { return t.Occurrence }),
		nullMicros("not_before", func(t *schemas.Trigger) schemas.Timestamp { return t.NotBefore }),
		code("state", func(t *schemas.Trigger) string { return t.State }),
		nullMicros("window_start", func(t *schemas.Trigger) schemas.Timestamp { return t.WindowStart }),
		nullMicros("window_end", func(t *schemas.Trigger) schemas.Timestamp { return t.WindowEnd }),
		integer("hits", func(t *schemas.Trigger) int64 { return t.Hits }),
		integer("base", func(t *schemas.Trigger) int64 { return t.Base }),
	})
}

func evidenceIDs(t *schemas.Trigger) []schemas.ID {
	out := make([]schemas.ID, len(t.Evidence))
	for i := range t.Evidence {
		out[i] = t.Evidence[i].EventID
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
func deliveryRows(table string) rows {
	return newRows[schemas.Delivery](table, []column[schemas.Delivery]{
		code("tenant", func(d *schemas.Delivery) string { return d.Tenant }),
		code("rule", func(d *schemas.Delivery) string { return d.Rule }),
		code("endpoint", func(d *schemas.Delivery) string { return d.Endpoint }),
		code("action", func(d *schemas.Delivery) string { return d.Action }),
		text("url", func(d *schemas.Delivery) string { return d.URL }),
		id("trigger_id", func(d *schemas.Delivery) schemas.ID { return d.TriggerID }),
		id("recipient_id", func(d *schemas.Delivery) schemas.ID { return d.RecipientID }),
		code("campaign_id", func(d *schemas.Delivery) string { return d.CampaignID }),
		short("attempt", func(d *schemas.Delivery) int32 { return d.Attempt }),
		micros("attempted_at", func(d *schemas.Delivery) schemas.Timestamp { return d.AttemptedAt }),
		integer("duration_ms", func(d *schemas.Delivery) int64 { return d.DurationMS }),
		code("status", func(d *schemas.Delivery) string { return d.Status.String() }),
		short("status_code", func(d *schemas.Delivery) int32 { return d.StatusCode }),
		text("error", func(d *schemas.Delivery) string { return d.Error }),
		text("response", func(d *schemas.Delivery) string { return d.Response }),
		nullMicros("next_attempt_at", func(d *schemas.Delivery) schemas.Timestamp { return d.NextAttemptAt }),
		code("request_method", func(d *schemas.Delivery) string { return d.RequestMethod }),
		dictionary("request_headers", func(d *schemas.Delivery) map[string]string { return d.RequestHeaders }),
		text("request_body", func(d *schemas.Delivery) string { return d.RequestBody }),
		dictionary("response_headers", func(d *schemas.Delivery) map[string]string { return d.ResponseHeaders }),
		boolean("manual", func(d *schemas.Delivery) bool { return d.Manual }),
	})
}

// rejectionRows makes the table rejections of posthorn.rejected.
func rejectionRows(table string) rows {
	return newRows[schemas.Rejection](table, []column[schemas.Rejection]{
		code("tenant", func(r *schemas.Rejection) string { return r.Tenant }),
		code("account", func(r *schemas.Rejection) string { return r.Account }),
		code("source", func(r *schemas.Rejection) string { return r.Source }),
		code("provider", func(r *schemas.Rejection) string { return r.Provider }),
		id("webhook_id", func(r *schemas.Rejection) schemas.ID { return r.WebhookID }),
		small("webhook_partition", func(r *schemas.Rejection) int32 { return r.Partition }),
		integer("webhook_offset", func(r *schemas.Rejection) int64 { return r.Offset }),
		small("webhook_index", func(r *schemas.Rejection) int32 { return r.Index }),
		code("reason", func(r *schemas.Rejection) string { return r.Reason }),
		code("field", func(r *schemas.Rejection) string { return r.Field }),
		text("detail", func(r *schemas.Rejection) string { return r.Detail }),
		micros("received_at", func(r *schemas.Rejection) schemas.Timestamp { return r.ReceivedAt }),
		micros("arrived_at", func(r *schemas.Rejection) schemas.Timestamp { return r.ArrivedAt }),
		short("mapper_version", func(r *schemas.Rejection) int32 { return r.MapperVersion }),
	})
}
