package analytics

import (
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/posthorn/posthorn/schemas"
)

var (
	dayParameters = []parameter{
		{name: "since", format: "date", doc: "First day of the send, of UTC."},
		{name: "until", format: "date", doc: "Day of the send, of UTC, before which it ends."},
	}
	cohortParameters  = slices.Concat(dayParameters, []parameter{{name: "by", values: []string{"day", "week", "month"}, doc: "What makes a cohort: the day, week or month of the send, of UTC."}})
	heatMapParameters = []parameter{{name: "basis", values: []string{"send", "event"}, doc: "send: all counts of a message at its send; event: each count at its event."}, paramTZ, paramSince, paramUntil}
	anomalyParameters = []parameter{
		{name: "metric", values: anomalyMetrics(), doc: "Rate that is judged."},
		{name: "resolution", values: []string{ResolutionDay, ResolutionHour}, doc: "Length of a bucket."},
		{name: "basis", values: []string{"event", "send"}, doc: "event: each count at its event; send: all counts of a message at its send."},
		paramTZ, paramSince, paramUntil,
	}
)

var behaviourOperations = []operation{
	{pattern: "GET /v1/campaigns/{id}/delays", examples: []string{"/v1/campaigns/7/delays"}, summary: "How long it took to the first open and the first click, of a campaign", answer: Delays{}, params: dayParameters},
	{pattern: "GET /v1/delays", examples: []string{"/v1/delays", "/v1/delays?since=2020-01-01&until=2020-01-02"}, summary: "How long it took to the first open and the first click", answer: Delays{}, params: slices.Concat(dayParameters, []parameter{paramCampaigns})},
	{pattern: "GET /v1/campaigns/{id}/funnel", examples: []string{"/v1/campaigns/7/funnel"}, summary: "How many messages of a campaign went how far", answer: Funnel{}, params: dayParameters},
	{pattern: "GET /v1/funnel", examples: []string{"/v1/funnel", "/v1/funnel?until=2020-01-02"}, summary: "How many messages went how far", answer: Funnel{}, params: slices.Concat(dayParameters, []parameter{paramCampaigns})},
	{pattern: "GET /v1/campaigns/{id}/heatmap", examples: []string{"/v1/campaigns/7/heatmap"}, summary: "Counts of a campaign by the hours of a week", answer: HeatMap{}, params: heatMapParameters},
	{pattern: "GET /v1/heatmap", examples: []string{"/v1/heatmap", "/v1/heatmap?basis=event&tz=Asia/Kathmandu"}, summary: "Counts by the hours of a week", answer: HeatMap{}, params: slices.Concat(heatMapParameters, subjectParameters)},
	{pattern: "GET /v1/campaigns/{id}/cohorts", examples: []string{"/v1/campaigns/7/cohorts"}, summary: "How messages of a campaign did as they aged", answer: Cohorts{}, params: cohortParameters},
	{pattern: "GET /v1/cohorts", examples: []string{"/v1/cohorts", "/v1/cohorts?by=week"}, summary: "How messages did as they aged, by when they were sent", answer: Cohorts{}, params: slices.Concat(cohortParameters, []parameter{paramCampaigns})},
	{pattern: "GET /v1/compare", examples: []string{"/v1/compare?campaigns=7,8", "/v1/compare?campaigns=7,8&metric=opened,spam"}, summary: "Whether rates of campaigns differ by more than chance", answer: Comparison{}, params: []parameter{
		{name: "campaigns", doc: "Ids of 2 to 6 campaigns, separated by commas."},
		{name: "metric", doc: "One or more rates that are shares, separated by commas; human_opened without it."}}},
	{pattern: "GET /v1/campaigns/{id}/anomalies", examples: []string{"/v1/campaigns/7/anomalies"}, summary: "When a rate of a campaign was out of line", answer: Anomalies{}, params: anomalyParameters},
	{pattern: "GET /v1/anomalies", examples: []string{"/v1/anomalies", "/v1/anomalies?metric=opened&resolution=hour&basis=send"}, summary: "When a rate was out of line", answer: Anomalies{}, params: slices.Concat(anomalyParameters, subjectParameters)},
	{pattern: "GET /v1/recipients/{id}", examples: []string{"/v1/recipients/" + uuid.UUID(numbered(1)).String(), "/v1/recipients/" + uuid.UUID(numbered(1)).String() + "?limit=1&after=" + pageKey(timelinePage{OccurredAt: 1 << 60})}, summary: "All that is known of one recipient, the latest first", answer: Recipient{}, params: []parameter{
		{name: "since", doc: "Events from when on: RFC 3339, or a day."}, {name: "until", doc: "Events until before when: RFC 3339, or a day."}, paramLimit, paramAfter}},
	{pattern: "POST /v1/recipients/lookup", examples: []string{`/v1/recipients/lookup {"address":"ann@example.org"}`}, summary: "The id of an address", body: lookupRequest{}, answer: RecipientLookup{},
		doc: "Answered 501 by a service that does not have the recipient secret."},
	{pattern: "GET /v1/events/tail", summary: "Events as they are written, the latest hundred a second", events: Event{},
		doc: "An event named skipped says how many more there were.", params: []parameter{
			{name: "type", doc: "Types, separated by commas."}, paramCampaign, {name: "provider", doc: "Name of the provider."}}},
}

// exampleBehaviour fills the tables so that the examples of behaviour are answered.
func exampleBehaviour(t *testing.T, conn driver.Conn) {
	t.Helper()
	at := epoch.Time()
	day := at.Format(time.DateOnly)
	cells := []madeCell{
		daily("path", "7", "delivered+opened", day, schemas.Counters{Messages: 10}),
		daily("path", "7", "none", "", schemas.Counters{Messages: 1}),
		daily("domain", "7", "example.org", day, schemas.Counters{Messages: 30, OpenDelays: 10, OpenDelayMS: 700_000}),
		daily("open_delay", "7", schemas.DelayValue(70_000), day, schemas.Counters{Opened: 10, HumanOpened: 4}),
		daily("age", "7", schemas.AgeSent, day, schemas.Counters{Messages: 30, Delivered: 20}),
		daily("age", "7", "2", day, schemas.Counters{Opened: 10, Opens: 11}),
	}
	for i := range int64(20) {
		cells = append(cells, madeCell{dimension: ScopeTenant, basis: schemas.BasisEventTime, window: at.Unix() - 86400*i, counts: schemas.Counters{Messages: 900 + i, Delivered: 800, HardBounced: 20 - i}})
	}
	fillCells(t, conn, cells...)
	fill(t, conn, schemas.TopicEvents, event(1), event(98))
	fill(t, conn, schemas.TopicMessages, &schemas.Message{Tenant: "default", Account: "acc", MessageID: "1", RecipientID: numbered(1), CampaignID: "7", FirstEventAt: epoch, LastEventAt: epoch, LastArrivedAt: epoch})
	if err := conn.Exec(t.Context(), `INSERT INTO recipients (tenant, recipient_id, recipient_domain, messages, delivered, opened, first_event_at, last_event_at)
VALUES ('default', ?, 'example.org', 2, 2, 1, ?, ?)`, uuid.UUID(numbered(1)), at, at); err != nil {
		t.Fatal(err)
	}
}
