package schemas

import (
	"reflect"
	"testing"
	"time"
)

func sampleEvent() *Event {
	now := FromTime(time.Unix(1760000000, 123456000))
	return &Event{EventID: ID{1, 2, 3}, Tenant: "default", Account: "main", Source: "mailjet-1", Provider: "mailjet",
		Type: EventTypeOpened, ProviderType: "open", OccurredAt: now, OccurredPrecisionMS: 1000, ReceivedAt: now, ArrivedAt: now,
		MessageID: "576460777437593127", MessageUUID: "a7a9a9ee-6e54-4a4e-8d3d-1d6ad1a7d1c4", Recipient: "someone@example.com",
		RecipientID: ID{9, 8}, RecipientDomain: "example.com", CampaignID: "7654321", CampaignName: "autumn sale", ContactID: "1234567",
		CustomID: "order-4711", Tags: []string{"a", "b"}, Metadata: map[string]string{"shop": "de", "kind": "voucher"},
		IP: "203.0.113.7", UserAgent: "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
		Country: "DE", Machine: MachineProxy, MachineReasons: []string{"google_image_proxy"},
		RawRef: RawRef{WebhookID: ID{4}, Partition: 7, Offset: 123456789, Index: 3}, MapperVersion: 1}
}

func TestSmoke(t *testing.T) {
	s := NewLocalSerde()
	e := sampleEvent()
	b := s.Append(nil, TopicEvents, e)
	var d Event
	if err := s.Decode(b, &d); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*e, d) {
		t.Fatalf("%+v\n%+v", *e, d)
	}
	t.Log(len(b))
}

func BenchmarkEventEncode(b *testing.B) {
	e := sampleEvent()
	buf := e.AppendAvro(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendAvro(buf[:0])
	}
}

func BenchmarkEventDecode(b *testing.B) {
	buf := sampleEvent().AppendAvro(nil)
	b.ReportAllocs()
	var d Event
	for b.Loop() {
		if err := d.DecodeAvro(buf); err != nil {
			b.Fatal(err)
		}
	}
}
