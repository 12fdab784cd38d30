package schemas_test

import (
	"testing"

	"github.com/posthorn/posthorn/schemas"
	"github.com/posthorn/posthorn/schemas/avrotest"
)

// The contract's records.
var records = map[string]func() avrotest.Record{
	"webhook":             func() avrotest.Record { return new(schemas.Webhook) },
	"rejection":           func() avrotest.Record { return new(schemas.Rejection) },
	"event":               func() avrotest.Record { return new(schemas.Event) },
	"message":             func() avrotest.Record { return new(schemas.Message) },
	"campaign_delta":      func() avrotest.Record { return new(schemas.CampaignDelta) },
	"breakdown_delta":     func() avrotest.Record { return new(schemas.BreakdownDelta) },
	"campaign_statistics": func() avrotest.Record { return new(schemas.CampaignStatistics) },
	"trigger":             func() avrotest.Record { return new(schemas.Trigger) },
	"delivery":            func() avrotest.Record { return new(schemas.Delivery) },
	"suppression":         func() avrotest.Record { return new(schemas.Suppression) },
}

func TestRecords(t *testing.T) {
	for name, fresh := range records {
		t.Run(name, func(t *testing.T) { avrotest.Check(t, fresh) })
	}
}

func FuzzWebhook(f *testing.F)   { avrotest.Fuzz(f, records["webhook"], sampleWebhook()) }
func FuzzRejection(f *testing.F) { avrotest.Fuzz(f, records["rejection"]) }
func FuzzEvent(f *testing.F)     { avrotest.Fuzz(f, records["event"], sampleEvent()) }
func FuzzMessage(f *testing.F) {
	avrotest.Fuzz(f, records["message"], &schemas.Message{Tenant: "t", OpenDelayMS: schemas.Int64Of(1500), Outcome: schemas.OutcomeBounced})
}
func FuzzCampaignDelta(f *testing.F) {
	avrotest.Fuzz(f, records["campaign_delta"], &schemas.CampaignDelta{Windows: []schemas.WindowDelta{
		{Basis: schemas.BasisSendTime, WindowStart: 1, Counters: schemas.Counters{Opens: -1}}, {}}})
}
func FuzzBreakdownDelta(f *testing.F) {
	avrotest.Fuzz(f, records["breakdown_delta"], &schemas.BreakdownDelta{
		Cells:      []schemas.BreakdownCell{{Dimension: schemas.DimensionLink, Value: "https://shop.example/", Detail: "2", Counters: schemas.Counters{Clicks: -1}}, {}},
		Recipients: []schemas.RecipientDelta{{LastEventAt: 1}, {}}})
}
func FuzzCampaignStatistics(f *testing.F) { avrotest.Fuzz(f, records["campaign_statistics"]) }
func FuzzTrigger(f *testing.F) {
	avrotest.Fuzz(f, records["trigger"], &schemas.Trigger{Evidence: []schemas.Evidence{{Type: "opened"}, {}}})
}
func FuzzDelivery(f *testing.F)    { avrotest.Fuzz(f, records["delivery"]) }
func FuzzSuppression(f *testing.F) { avrotest.Fuzz(f, records["suppression"]) }
