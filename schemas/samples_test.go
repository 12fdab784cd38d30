package schemas_test

import (
	"time"

	"github.com/posthorn/posthorn/schemas"
)

var sampleTime = schemas.FromTime(time.Date(2026, 3, 1, 8, 30, 0, 123456000, time.UTC))

func sampleWebhook() *schemas.Webhook {
	body := []byte(`[{"event":"open","time":1433333949}]`)
	return &schemas.Webhook{
		ID: schemas.ID{1, 2, 3}, Tenant: "default", Account: "main", Source: "mailjet-1", Provider: "mailjet",
		ReceivedAt: sampleTime, RemoteIP: "203.0.113.7", ContentType: "application/json",
		Headers: map[string]string{"user-agent": "Mailjet", "accept": "*/*"},
		Body:    body, CRC32C: schemas.Checksum(body), Verified: "basic",
		ReplayOf: &schemas.WebhookRef{WebhookID: schemas.ID{9}, Partition: 3, Offset: 77, Index: -1},
	}
}

// sampleEvent is an open as a provider reports it.
func sampleEvent() *schemas.Event {
	return &schemas.Event{
		EventID: schemas.ID{1, 2, 3}, Tenant: "default", Account: "main", Source: "mailjet-1", Provider: "mailjet",
		Type: schemas.EventTypeOpened, ProviderType: "open",
		OccurredAt: sampleTime, OccurredPrecisionMS: 1000, ReceivedAt: sampleTime + 1e6, ArrivedAt: sampleTime + 2e6,
		MessageID: "576460777437593127", MessageUUID: "a7a9a9ee-6e54-4a4e-8d3d-1d6ad1a7d1c4",
		Recipient: "someone@example.com", RecipientID: schemas.ID{9, 8}, RecipientDomain: "example.com",
		CampaignID: "7654321", CampaignName: "autumn sale", ContactID: "1234567", CustomID: "order-4711",
		Tags: []string{"a", "b"}, Metadata: map[string]string{"shop": "de", "kind": "voucher"},
		IP:        "203.0.113.7",
		UserAgent: "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
		Country:   "DE", Machine: schemas.MachineProxy, MachineReasons: []string{"google_image_proxy"},
		RawRef: schemas.RawRef{WebhookID: schemas.ID{4}, Partition: 7, Offset: 123456789, Index: 3}, MapperVersion: 1,
	}
}
