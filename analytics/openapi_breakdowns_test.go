package analytics

import (
	"slices"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

var sentParameters = []parameter{
	{name: "since", doc: "Sent from that day of UTC on."}, {name: "until", doc: "Sent before that day of UTC."},
}

var breakdownParameters = slices.Concat([]parameter{
	{name: "by", values: []string{"link", "country", "client", "os", "device", "machine", "domain", "provider", "reason"}, doc: "What is broken down by."},
	{name: "order", doc: "The counter that orders the values, the greatest first, or value. Without it the first of counters."},
	{name: "limit", kind: "integer", standard: 20, doc: "How many values at most, up to 1,000; the rest is summed up in others."},
}, sentParameters)

var bounceParameters = slices.Concat([]parameter{
	{name: "limit", kind: "integer", standard: 20, doc: "How many mailbox providers at most, up to 1,000; the rest is summed up in others."},
}, sentParameters)

var breakdownOperations = []operation{
	{pattern: "GET /v1/campaigns/{id}/breakdown", examples: []string{"/v1/campaigns/7/breakdown", "/v1/campaigns/7/breakdown?by=domain&limit=1", "/v1/campaigns/7/breakdown?by=provider&limit=1"},
		summary: "What part of a campaign each link, country, client, system, device, domain, mailbox provider or reason has", answer: Breakdown{}, params: breakdownParameters},
	{pattern: "GET /v1/breakdown", examples: []string{"/v1/breakdown?by=reason", "/v1/breakdown?by=machine&since=2026-01-01", "/v1/breakdown?by=domain&limit=1&campaigns=7"},
		summary: "The same of several campaigns, or all", answer: Breakdown{}, params: slices.Concat(breakdownParameters, []parameter{paramCampaigns})},
	{pattern: "GET /v1/campaigns/{id}/bounces", examples: []string{"/v1/campaigns/7/bounces"}, summary: "Why messages of a campaign were not delivered, by mailbox provider", answer: Bounces{}, params: bounceParameters},
	{pattern: "GET /v1/bounces", examples: []string{"/v1/bounces?limit=1"}, summary: "The same of several campaigns, or all", answer: Bounces{}, params: slices.Concat(bounceParameters, []parameter{paramCampaigns})},
	{pattern: "GET /v1/deliverability", examples: []string{"/v1/deliverability?limit=1", "/v1/deliverability?by=domain&resolution=week&limit=1", "/v1/deliverability?campaigns=7"},
		summary: "What became of messages over time, by mailbox provider or domain", answer: Deliverability{}, params: slices.Concat([]parameter{
			{name: "by", values: []string{"provider", "domain"}, doc: "Of whom."},
			{name: "resolution", values: []string{"day", "week"}, doc: "Length of a bucket: a day of UTC, or a week from Monday."},
			{name: "limit", kind: "integer", standard: 10, doc: "How many at most, up to 50; the rest is summed up in others."},
		}, sentParameters, []parameter{paramCampaigns})},
	{pattern: "GET /v1/hygiene", examples: []string{"/v1/hygiene", "/v1/hygiene?min_messages=1&inactive_days=30&min_domain_recipients=1"}, summary: "Recipients that should no longer be mailed, and dead domains", answer: Hygiene{}, params: []parameter{
		{name: "min_messages", kind: "integer", standard: 3, doc: "How many messages must have been delivered to a recipient before their silence counts, 1 to 100."},
		{name: "inactive_days", kind: "integer", standard: 180, doc: "For how long a recipient must have been silent, 1 to 3650."},
		{name: "min_domain_recipients", kind: "integer", standard: 3, doc: "How many recipients a dead domain must have to be named."},
		{name: "limit", kind: "integer", standard: 20, doc: "How many dead domains at most, up to 1,000."},
	}},
	{pattern: "GET /v1/rejections", examples: []string{"/v1/rejections", "/v1/rejections?limit=1"}, summary: "Webhooks and events that could not be read, the latest first", answer: RejectionList{}, params: []parameter{
		{name: "reason", doc: "Why."}, {name: "source", doc: "Name of the source."}, paramSince, paramUntil, paramLimit, paramAfter,
	}},
	{pattern: "GET /v1/mailbox-providers", examples: []string{"/v1/mailbox-providers", "/v1/mailbox-providers?told_by=mx&limit=1"}, summary: "Who serves the mailboxes of domains, as far as is known", answer: MailboxProviderList{}, params: []parameter{
		{name: "domain", doc: "One domain."}, {name: "provider", doc: "Domains of one provider."}, {name: "told_by", values: []string{"", "table", "mx"}, doc: "By what is known of them."}, paramLimit, paramAfter,
	}},
}

// exampleBreakdowns adds what the operations here are answered from.
func exampleBreakdowns(t *testing.T, conn driver.Conn) {
	t.Helper()
	sent := epoch
	all := schemas.Counters{Messages: 5, Delivered: 4, HardBounced: 1, Opened: 2, Opens: 3, Clicked: 1, Clicks: 1}
	cell := func(dimension schemas.Dimension, value, detail string) schemas.BreakdownCell {
		return schemas.BreakdownCell{Dimension: dimension, Value: value, Detail: detail, Basis: schemas.BasisSendTime, WindowStart: sent, Counters: all}
	}
	for _, campaign := range []string{"7", ""} {
		fill(t, conn, schemas.TopicBreakdownDeltas, &schemas.BreakdownDelta{Tenant: "default", CampaignID: campaign, Cells: []schemas.BreakdownCell{
			cell(schemas.DimensionDomain, "gmail.com", ""), cell(schemas.DimensionDomain, "dead.de", ""), cell(schemas.DimensionReason, "gmail.com", "bounced/hard/invalid"), cell(schemas.DimensionReason, "dead.de", "bounced/soft/"),
			cell(schemas.DimensionLink, "https://a.example/", "1"), cell(schemas.DimensionLink, "https://b.example/", ""), cell(schemas.DimensionMachine, "human", ""), cell(schemas.DimensionAge, schemas.AgeSent, ""),
		}})
	}
	for n, domain := range []string{"gmail.com", "dead.de"} {
		fill(t, conn, schemas.TopicBreakdownDeltas, &schemas.BreakdownDelta{Tenant: "default", Recipients: []schemas.RecipientDelta{
			{RecipientID: numbered(n), RecipientDomain: domain, Counters: schemas.Counters{Messages: 1, HardBounced: int64(n)}, LastSentAt: sent},
		}})
		if err := conn.Exec(t.Context(), `INSERT INTO mailbox_providers VALUES (?, ?, 'mx', now())`, domain, "Provider of "+domain); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 2 {
		fillFrom(t, conn, schemas.TopicRejected, n, &schemas.Rejection{Tenant: "default", Source: "mj", Reason: "bad_json", ReceivedAt: sent, ArrivedAt: sent})
	}
}
