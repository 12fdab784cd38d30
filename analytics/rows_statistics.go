package analytics

import "github.com/posthorn/posthorn/schemas"

// generationShift puts the generation of a derivation above all Kafka offsets
// in a row's version: what is derived anew replaces what was there.
const generationShift = 48

// statisticsRows makes the table campaign_statistics of posthorn.statistics; of
// the snapshots of one window the latest is its row.
func statisticsRows(table string, generation schemas.Generation) rows {
	type row = located[schemas.CampaignStatistics]
	columns := []column[schemas.CampaignStatistics]{
		code("tenant", func(s *schemas.CampaignStatistics) string { return s.Tenant }),
		code("campaign_id", func(s *schemas.CampaignStatistics) string { return s.CampaignID }),
		code("campaign_name", func(s *schemas.CampaignStatistics) string { return s.CampaignName }),
		code("basis", func(s *schemas.CampaignStatistics) string { return s.Basis.String() }),
		seconds("window_start", func(s *schemas.CampaignStatistics) schemas.Timestamp { return s.WindowStart }),
		small("window_seconds", func(s *schemas.CampaignStatistics) int32 { return s.WindowSeconds }),
		integer("messages", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Messages }),
		integer("queued", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Queued }),
		integer("deferred", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Deferred }),
		integer("delivered", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Delivered }),
		integer("rejected", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Rejected }),
		integer("failed", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Failed }),
		integer("hard_bounced", func(s *schemas.CampaignStatistics) int64 { return s.Counters.HardBounced }),
		integer("soft_bounced", func(s *schemas.CampaignStatistics) int64 { return s.Counters.SoftBounced }),
		integer("opened", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Opened }),
		integer("human_opened", func(s *schemas.CampaignStatistics) int64 { return s.Counters.HumanOpened }),
		integer("opens", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Opens }),
		integer("human_opens", func(s *schemas.CampaignStatistics) int64 { return s.Counters.HumanOpens }),
		integer("clicked", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Clicked }),
		integer("human_clicked", func(s *schemas.CampaignStatistics) int64 { return s.Counters.HumanClicked }),
		integer("clicks", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Clicks }),
		integer("human_clicks", func(s *schemas.CampaignStatistics) int64 { return s.Counters.HumanClicks }),
		integer("unsubscribed", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Unsubscribed }),
		integer("unsubscribes", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Unsubscribes }),
		integer("complained", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Complained }),
		integer("complaints", func(s *schemas.CampaignStatistics) int64 { return s.Counters.Complaints }),
		integer("late_bounces", func(s *schemas.CampaignStatistics) int64 { return s.Counters.LateBounces }),
		integer("open_delay_ms", func(s *schemas.CampaignStatistics) int64 { return s.Counters.OpenDelayMS }),
		integer("open_delays", func(s *schemas.CampaignStatistics) int64 { return s.Counters.OpenDelays }),
		integer("click_delay_ms", func(s *schemas.CampaignStatistics) int64 { return s.Counters.ClickDelayMS }),
		integer("click_delays", func(s *schemas.CampaignStatistics) int64 { return s.Counters.ClickDelays }),
		micros("first_event_at", func(s *schemas.CampaignStatistics) schemas.Timestamp { return s.FirstEventAt }),
		micros("last_event_at", func(s *schemas.CampaignStatistics) schemas.Timestamp { return s.LastEventAt }),
		micros("updated_at", func(s *schemas.CampaignStatistics) schemas.Timestamp { return s.UpdatedAt }),
	}
	return newRows[schemas.CampaignStatistics](table, columns,
		unsigned("version", func(r *row) uint64 { return uint64(generation)<<generationShift + uint64(r.offset) }))
}
