package analytics

import "github.com/posthorn/posthorn/schemas"

// messageRows makes the table messages of posthorn.messages; the last record of a
// message is its row.
func messageRows(table string) rows {
	return newRows[schemas.Message](table, []column[schemas.Message]{
		code("tenant", func(m *schemas.Message) string { return m.Tenant }),
		code("account", func(m *schemas.Message) string { return m.Account }),
		code("provider", func(m *schemas.Message) string { return m.Provider }),
		text("message_id", func(m *schemas.Message) string { return m.MessageID }),
		text("message_uuid", func(m *schemas.Message) string { return m.MessageUUID }),
		id("recipient_id", func(m *schemas.Message) schemas.ID { return m.RecipientID }),
		code("recipient_domain", func(m *schemas.Message) string { return m.RecipientDomain }),
		code("campaign_id", func(m *schemas.Message) string { return m.CampaignID }),
		code("campaign_name", func(m *schemas.Message) string { return m.CampaignName }),
		text("custom_id", func(m *schemas.Message) string { return m.CustomID }),
		text("contact_id", func(m *schemas.Message) string { return m.ContactID }),
		nullMicros("sent_at", func(m *schemas.Message) schemas.Timestamp { return m.SentAt }),
		code("send_basis", func(m *schemas.Message) string { return m.SendBasis }),
		nullMicros("delivered_at", func(m *schemas.Message) schemas.Timestamp { return m.DeliveredAt }),
		nullMicros("first_opened_at", func(m *schemas.Message) schemas.Timestamp { return m.FirstOpenedAt }),
		nullMicros("first_human_opened_at", func(m *schemas.Message) schemas.Timestamp { return m.FirstHumanOpenedAt }),
		nullMicros("first_clicked_at", func(m *schemas.Message) schemas.Timestamp { return m.FirstClickedAt }),
		nullMicros("first_human_clicked_at", func(m *schemas.Message) schemas.Timestamp { return m.FirstHumanClickedAt }),
		nullMicros("bounced_at", func(m *schemas.Message) schemas.Timestamp { return m.BouncedAt }),
		nullMicros("complained_at", func(m *schemas.Message) schemas.Timestamp { return m.ComplainedAt }),
		nullMicros("unsubscribed_at", func(m *schemas.Message) schemas.Timestamp { return m.UnsubscribedAt }),
		integer("opens", func(m *schemas.Message) int64 { return m.Opens }),
		integer("human_opens", func(m *schemas.Message) int64 { return m.HumanOpens }),
		integer("clicks", func(m *schemas.Message) int64 { return m.Clicks }),
		integer("human_clicks", func(m *schemas.Message) int64 { return m.HumanClicks }),
		integer("deferrals", func(m *schemas.Message) int64 { return m.Deferrals }),
		integer("complaints", func(m *schemas.Message) int64 { return m.Complaints }),
		integer("unsubscribes", func(m *schemas.Message) int64 { return m.Unsubscribes }),
		nullInteger("open_delay_ms", func(m *schemas.Message) schemas.NullInt64 { return m.OpenDelayMS }),
		nullInteger("click_delay_ms", func(m *schemas.Message) schemas.NullInt64 { return m.ClickDelayMS }),
		code("outcome", func(m *schemas.Message) string { return m.Outcome.String() }),
		nullMicros("outcome_at", func(m *schemas.Message) schemas.Timestamp { return m.OutcomeAt }),
		boolean("late_bounce", func(m *schemas.Message) bool { return m.LateBounce }),
		code("bounce_class", func(m *schemas.Message) string { return m.BounceClass }),
		code("reject_reason", func(m *schemas.Message) string { return m.RejectReason }),
		boolean("time_suspect", func(m *schemas.Message) bool { return m.TimeSuspect }),
		micros("first_event_at", func(m *schemas.Message) schemas.Timestamp { return m.FirstEventAt }),
		micros("last_event_at", func(m *schemas.Message) schemas.Timestamp { return m.LastEventAt }),
		micros("last_arrived_at", func(m *schemas.Message) schemas.Timestamp { return m.LastArrivedAt }),
		code("machine_reasons", func(m *schemas.Message) string { return m.MachineReasons }),
		integer("revision", func(m *schemas.Message) int64 { return m.Revision }),
	})
}
