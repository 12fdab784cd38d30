package analytics

import (
	"github.com/posthorn/posthorn/internal/links"
	"github.com/posthorn/posthorn/schemas"
)

// eventRows makes the table events of posthorn.events. Addresses, ip addresses
// and the servers' replies, which repeat addresses, stay in Kafka.
func eventRows(table string) rows {
	return newRows[schemas.Event](table, []column[schemas.Event]{
		code("tenant", func(e *schemas.Event) string { return e.Tenant }),
		code("account", func(e *schemas.Event) string { return e.Account }),
		code("source", func(e *schemas.Event) string { return e.Source }),
		code("provider", func(e *schemas.Event) string { return e.Provider }),
		code("campaign_id", func(e *schemas.Event) string { return e.CampaignID }),
		code("campaign_name", func(e *schemas.Event) string { return e.CampaignName }),
		code("type", func(e *schemas.Event) string { return e.Type.String() }),
		code("provider_type", func(e *schemas.Event) string { return e.ProviderType }),
		micros("occurred_at", func(e *schemas.Event) schemas.Timestamp { return e.OccurredAt }),
		micros("received_at", func(e *schemas.Event) schemas.Timestamp { return e.ReceivedAt }),
		micros("arrived_at", func(e *schemas.Event) schemas.Timestamp { return e.ArrivedAt }),
		boolean("time_suspect", func(e *schemas.Event) bool { return e.TimeSuspect }),
		id("event_id", func(e *schemas.Event) schemas.ID { return e.EventID }),
		text("provider_event_id", func(e *schemas.Event) string { return e.ProviderEventID }),
		text("message_id", func(e *schemas.Event) string { return e.MessageID }),
		text("rfc_message_id", func(e *schemas.Event) string { return e.RFCMessageID }),
		id("recipient_id", func(e *schemas.Event) schemas.ID { return e.RecipientID }),
		code("recipient_domain", func(e *schemas.Event) string { return e.RecipientDomain }),
		boolean("recipient_ambiguous", func(e *schemas.Event) bool { return e.RecipientAmbiguous }),
		code("list_id", func(e *schemas.Event) string { return e.ListID }),
		text("custom_id", func(e *schemas.Event) string { return e.CustomID }),
		texts("tags", func(e *schemas.Event) []string { return e.Tags }),
		dictionary("metadata", func(e *schemas.Event) map[string]string { return e.Metadata }),
		text("url", func(e *schemas.Event) string { return links.Redact(e.URL) }),
		short("link_index", func(e *schemas.Event) int32 { return e.LinkIndex }),
		code("user_agent", func(e *schemas.Event) string { return e.UserAgent }),
		code("country", func(e *schemas.Event) string { return e.Country }),
		code("region", func(e *schemas.Event) string { return e.Region }),
		code("city", func(e *schemas.Event) string { return e.City }),
		code("client_name", func(e *schemas.Event) string { return e.ClientName }),
		code("client_os", func(e *schemas.Event) string { return e.ClientOS }),
		code("device_type", func(e *schemas.Event) string { return e.DeviceType }),
		code("machine", func(e *schemas.Event) string { return e.Machine.String() }),
		texts("machine_reasons", func(e *schemas.Event) []string { return e.MachineReasons }),
		boolean("first", func(e *schemas.Event) bool { return e.First }),
		code("bounce_class", func(e *schemas.Event) string { return e.BounceClass }),
		code("reject_reason", func(e *schemas.Event) string { return e.RejectReason }),
		short("smtp_code", func(e *schemas.Event) int32 { return e.SMTPCode }),
		code("smtp_enhanced", func(e *schemas.Event) string { return e.SMTPEnhanced }),
		text("description", func(e *schemas.Event) string { return e.Description }),
		code("complaint_source", func(e *schemas.Event) string { return e.ComplaintSource }),
		short("attempt", func(e *schemas.Event) int32 { return e.Attempt }),
		id("webhook_id", func(e *schemas.Event) schemas.ID { return e.RawRef.WebhookID }),
		small("webhook_index", func(e *schemas.Event) int32 { return e.RawRef.Index }),
		short("mapper_version", func(e *schemas.Event) int32 { return e.MapperVersion }),
	})
}
