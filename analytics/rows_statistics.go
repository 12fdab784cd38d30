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
	}
	columns = append(columns, counters(func(s *schemas.CampaignStatistics) *schemas.Counters { return &s.Counters })...)
	columns = append(columns,
		micros("first_event_at", func(s *schemas.CampaignStatistics) schemas.Timestamp { return s.FirstEventAt }),
		micros("last_event_at", func(s *schemas.CampaignStatistics) schemas.Timestamp { return s.LastEventAt }),
		micros("updated_at", func(s *schemas.CampaignStatistics) schemas.Timestamp { return s.UpdatedAt }))
	return newRows[schemas.CampaignStatistics](table, columns,
		unsigned("version", func(r *row) uint64 { return uint64(generation)<<generationShift + uint64(r.offset) }))
}

// counters are the columns of all counts.
func counters[R any](of func(*R) *schemas.Counters) []column[R] {
	return []column[R]{
		integer("messages", func(r *R) int64 { return of(r).Messages }),
		integer("queued", func(r *R) int64 { return of(r).Queued }),
		integer("deferred", func(r *R) int64 { return of(r).Deferred }),
		integer("delivered", func(r *R) int64 { return of(r).Delivered }),
		integer("rejected", func(r *R) int64 { return of(r).Rejected }),
		integer("failed", func(r *R) int64 { return of(r).Failed }),
		integer("hard_bounced", func(r *R) int64 { return of(r).HardBounced }),
		integer("soft_bounced", func(r *R) int64 { return of(r).SoftBounced }),
		integer("opened", func(r *R) int64 { return of(r).Opened }),
		integer("human_opened", func(r *R) int64 { return of(r).HumanOpened }),
		integer("opens", func(r *R) int64 { return of(r).Opens }),
		integer("human_opens", func(r *R) int64 { return of(r).HumanOpens }),
		integer("clicked", func(r *R) int64 { return of(r).Clicked }),
		integer("human_clicked", func(r *R) int64 { return of(r).HumanClicked }),
		integer("clicks", func(r *R) int64 { return of(r).Clicks }),
		integer("human_clicks", func(r *R) int64 { return of(r).HumanClicks }),
		integer("unsubscribed", func(r *R) int64 { return of(r).Unsubscribed }),
		integer("unsubscribes", func(r *R) int64 { return of(r).Unsubscribes }),
		integer("complained", func(r *R) int64 { return of(r).Complained }),
		integer("complaints", func(r *R) int64 { return of(r).Complaints }),
		integer("late_bounces", func(r *R) int64 { return of(r).LateBounces }),
		integer("open_delay_ms", func(r *R) int64 { return of(r).OpenDelayMS }),
		integer("open_delays", func(r *R) int64 { return of(r).OpenDelays }),
		integer("click_delay_ms", func(r *R) int64 { return of(r).ClickDelayMS }),
		integer("click_delays", func(r *R) int64 { return of(r).ClickDelays }),
	}
}
