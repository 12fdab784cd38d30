package analytics

import "github.com/posthorn/posthorn/schemas"

// suppressionRows makes the table suppressions of posthorn.suppressions.
func suppressionRows(table string) rows {
	return newRows[schemas.Suppression](table, []column[schemas.Suppression]{
		code("tenant", func(s *schemas.Suppression) string { return s.Tenant }),
		id("recipient_id", func(s *schemas.Suppression) schemas.ID { return s.RecipientID }),
		code("scope", func(s *schemas.Suppression) string { return s.Scope }),
		text("recipient", func(s *schemas.Suppression) string { return s.Recipient }),
		code("reason", func(s *schemas.Suppression) string { return s.Reason.String() }),
		boolean("active", func(s *schemas.Suppression) bool { return s.Active }),
		micros("since", func(s *schemas.Suppression) schemas.Timestamp { return s.Since }),
		id("event_id", func(s *schemas.Suppression) schemas.ID { return s.EventID }),
		code("account", func(s *schemas.Suppression) string { return s.Account }),
		code("campaign_id", func(s *schemas.Suppression) string { return s.CampaignID }),
		nullMicros("lifted_at", func(s *schemas.Suppression) schemas.Timestamp { return s.LiftedAt }),
		micros("updated_at", func(s *schemas.Suppression) schemas.Timestamp { return s.UpdatedAt }),
		integer("revision", func(s *schemas.Suppression) int64 { return s.Revision }),
	})
}
