package analytics

import (
	"slices"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/posthorn/posthorn/schemas"
)

// Parameters that several operations have.
var (
	paramLimit     = parameter{name: "limit", kind: "integer", doc: "How many at most."}
	paramAfter     = parameter{name: "after", doc: "What next said: where the next page begins."}
	paramSince     = parameter{name: "since", doc: "From when on: RFC 3339, or a day."}
	paramUntil     = parameter{name: "until", doc: "Until before when: RFC 3339, or a day."}
	paramRule      = parameter{name: "rule", doc: "Name of the rule."}
	paramCampaign  = parameter{name: "campaign", doc: "Id of the campaign."}
	paramRecipient = parameter{name: "recipient", format: "uuid", doc: "Id of the recipient."}
	paramTZ        = parameter{name: "tz", doc: "IANA time zone in which days and hours begin."}
	paramCampaigns = parameter{name: "campaigns", doc: "Ids, at most 100, separated by commas; all without it."}
)

var seriesParameters = []parameter{
	{name: "resolution", values: []string{ResolutionDay, ResolutionHour, Resolution5m, ResolutionLifetime}, doc: "Length of a bucket."},
	{name: "basis", values: []string{"event", "send"}, doc: "event: each count at its event; send: all counts of a message at its send."},
	paramTZ, paramSince, paramUntil,
}

// subjectParameters are those of what is not of one campaign by its path.
var subjectParameters = []parameter{paramCampaigns,
	{name: "scope", values: []string{ScopeTenant, ScopeAccount, ScopeSource, ScopeList}, doc: "What is counted."},
	{name: "id", doc: "The account, source or list."}}

var triggerParameters = []parameter{paramRule, paramCampaign, paramRecipient,
	{name: "status", values: []string{"", "fired", "shadow", "expired"}, doc: "What became of it."}}

var operations = slices.Concat(listOperations, breakdownOperations, behaviourOperations)

var listOperations = []operation{
	{pattern: "GET /v1/campaigns", examples: []string{"/v1/campaigns", "/v1/campaigns?limit=1&course=14", "/v1/campaigns?q=n&sort=opened"}, summary: "Campaigns, the one with the latest event first", answer: CampaignList{}, params: []parameter{
		{name: "q", doc: "Part of a name or id, in any case."}, {name: "sort", values: campaignOrderNames(), doc: "By what, the greatest first."}, paramLimit, paramAfter,
		{name: "course", kind: "integer", standard: 0, doc: "Opens and clicks on each of so many last days of UTC, with every campaign."}}},
	{pattern: "GET /v1/campaigns/{id...}", examples: []string{"/v1/campaigns/7", "/v1/campaigns/7?step=1d&tz=Asia/Kathmandu"}, summary: "One campaign: totals, rates and a course over time", answer: CampaignDetail{}, params: []parameter{
		{name: "basis", values: []string{"event_time", "send_time"}, doc: "Each count at its event, or all counts of a message at its send."},
		{name: "step", values: []string{"1h", "5m", "15m", "1d"}, doc: "Length of a window."}, paramTZ,
		{name: "from", doc: "From when on."}, {name: "to", doc: "Until before when."},
	}},
	{pattern: "GET /v1/campaigns/{id}/series", examples: []string{"/v1/campaigns/7/series", "/v1/campaigns/7/series?resolution=lifetime"}, summary: "The course of one campaign over time, without gaps", answer: TimeSeries{}, params: seriesParameters},
	{pattern: "GET /v1/series", examples: []string{"/v1/series", "/v1/series?campaigns=7,8&resolution=hour&basis=send"}, summary: "The course over time of several campaigns, or all", answer: TimeSeries{}, params: slices.Concat(seriesParameters, subjectParameters)},
	{pattern: "GET /v1/triggers", examples: []string{"/v1/triggers", "/v1/triggers?limit=1"}, summary: "Rules that fired, the latest first", answer: TriggerList{},
		params: slices.Concat(triggerParameters, []parameter{paramSince, paramUntil, paramLimit, paramAfter})},
	{pattern: "GET /v1/triggers/tail", summary: "Rules as they fire", events: Trigger{}, params: triggerParameters},
	{pattern: "GET /v1/deliveries", examples: []string{"/v1/deliveries"}, summary: "Attempts of calls, the latest first", answer: DeliveryList{}, params: []parameter{
		paramRule, {name: "endpoint", doc: "Name of the endpoint."}, paramCampaign, paramRecipient, {name: "trigger", format: "uuid", doc: "Id of the trigger."},
		{name: "status", values: []string{"", "succeeded", "retrying", "failed", "disabled", "enabled"}, doc: "Outcome of the attempt."},
		paramSince, paramUntil, paramLimit, paramAfter,
	}},
	{pattern: "GET /v1/deliveries/{id}", examples: []string{"/v1/deliveries/" + uuid.UUID(numbered(1)).String()}, summary: "All attempts for one trigger, with requests and answers", answer: DeliveryDetail{}},
	{pattern: "GET /v1/rules", examples: []string{"/v1/rules"}, summary: "Rules, and how often they fired", answer: RuleList{}},
	{pattern: "GET /v1/suppressions", examples: []string{"/v1/suppressions"}, summary: "Who must not be mailed", answer: SuppressionList{},
		doc: "As CSV the whole list is streamed, not a page.",
		params: []parameter{
			{name: "reason", values: []string{"", "hard_bounce", "complaint", "unsubscribe"}, doc: "Why."},
			{name: "scope", doc: "all, or list: and the id of a list."},
			{name: "active", values: []string{"true", "false", "any"}, doc: "In force, lifted, or both."},
			paramSince, {name: "updated_after", doc: "Changed after that time."}, paramLimit, paramAfter,
		}},
	{pattern: "GET /v1/suppressions/check", examples: []string{"/v1/suppressions/check?address=ann@example.org"}, summary: "What is in force for an address", answer: SuppressionCheck{}, params: []parameter{
		{name: "address", doc: "The address; in a POST it stays out of logs."}, {name: "list", doc: "Id of the list that is meant."}}},
	{pattern: "POST /v1/suppressions/check", examples: []string{`/v1/suppressions/check {"addresses":["ann@example.org","bob@example.org"]}`}, summary: "What is in force for up to 1,000 addresses", body: checkRequest{}, answer: SuppressionChecks{},
		doc: "With address the answer is one check, with addresses this list."},
}

// exampleRows fills the tables so that the examples are answered.
func exampleRows(t *testing.T, conn driver.Conn) {
	t.Helper()
	for _, id := range []string{"7", "8"} {
		for _, basis := range []schemas.Basis{schemas.BasisLifetime, schemas.BasisEventTime, schemas.BasisSendTime} {
			s := &schemas.CampaignStatistics{Tenant: "default", CampaignID: id, CampaignName: "spring", Basis: basis,
				Counters: schemas.Counters{Messages: 30, Delivered: 20, Opened: 10, Opens: 11}, FirstEventAt: epoch, LastEventAt: epoch + 3600e6, UpdatedAt: epoch}
			if basis.Windowed() {
				s.WindowStart, s.WindowSeconds = epoch, 300
			}
			fill(t, conn, schemas.TopicStatistics, s)
		}
	}
	exampleBehaviour(t, conn)
	fill(t, conn, schemas.TopicTriggers, fired(1, "a", "7", schemas.TriggerStatusFired), fired(2, "b", "7", schemas.TriggerStatusShadow))
	fill(t, conn, schemas.TopicDeliveries, &schemas.Delivery{TriggerID: numbered(1), Tenant: "default", Rule: "a", Endpoint: "shop", AttemptedAt: epoch, StatusCode: 204})
	exampleBreakdowns(t, conn)
	fill(t, conn, schemas.TopicSuppressions, &schemas.Suppression{Tenant: "default", RecipientID: numbered(1), Recipient: "ann@example.org", Scope: "all", Active: true, Since: epoch, UpdatedAt: epoch})
}
