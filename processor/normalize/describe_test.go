package normalize

import (
	"fmt"
	"testing"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/posthorn/posthorn/processor/normalize/geo"
	"github.com/posthorn/posthorn/processor/normalize/geo/geotest"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/schemas"
)

// located returns a driver whose stage knows where 192.0.2.0/24 is.
func located(t *testing.T) *streamtest.Driver {
	t.Helper()
	db, err := geo.Open(geotest.Write(t, "Test-City", map[string]mmdbtype.DataType{
		"192.0.2.0/24": geotest.City("FR", "Normandy", "Caen"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	d, err := streamtest.New(Stage(Config{Serde: serde, Secret: OneSecret(secret), Places: db}), 5)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What a user agent and an address tell is filled in, and never instead of what
// the provider says.
func TestDescribe(t *testing.T) {
	const iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
	const gmail = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
	for _, tt := range []struct{ name, provider, body, want string }{
		{"all of it", "mailjet",
			`{"event":"open","time":1772366400,"MessageID":1,"email":"a@b.example","ip":"192.0.2.1","geo":null,"agent":"` + iphone + `"}`,
			"Apple Mail|iOS|mobile|FR|Normandy|Caen"},
		{"the provider's country", "mailjet",
			`{"event":"open","time":1772366400,"MessageID":1,"email":"a@b.example","ip":"192.0.2.1","geo":"DE","agent":"` + iphone + `"}`,
			"Apple Mail|iOS|mobile|DE||"},
		{"nobody knows the address", "mailjet",
			`{"event":"open","time":1772366400,"MessageID":1,"email":"a@b.example","ip":"198.51.100.1","agent":""}`,
			"|||||"},
		{"a proxy's address", "mailjet",
			`{"event":"open","time":1772366400,"MessageID":1,"email":"a@b.example","ip":"192.0.2.1","agent":"` + gmail + `"}`,
			"Gmail image proxy|||||"},
		{"a machine's address", "mailjet",
			`{"event":"open","time":1772366400,"MessageID":1,"email":"a@b.example","ip":"192.0.2.1","agent":"Mozilla/5.0"}`,
			"Apple Mail|||||"},
		{"a delivery", "mailjet", `{"event":"sent","time":1772366400,"MessageID":1,"email":"a@b.example"}`, "|||||"},
		{"the provider's client", "postmark",
			`{"RecordType":"Open","MessageID":"1","Recipient":"a@b.example","ReceivedAt":"2026-03-01T12:00:00Z","UserAgent":"` + iphone + `",
			"Client":{"Name":"Spark"},"OS":{"Name":"OS X 10.7 Lion"},"Platform":"WebMail","Geo":{"IP":"192.0.2.1"}}`,
			"Spark|macOS|webmail|FR|Normandy|Caen"},
		{"the rest of the provider's client", "postmark",
			`{"RecordType":"Open","MessageID":"1","Recipient":"a@b.example","ReceivedAt":"2026-03-01T12:00:00Z","UserAgent":"` + iphone + `",
			"Client":{"Name":"Spark"},"Platform":"Unknown","Geo":{"IP":"192.0.2.1","Region":"Somewhere"}}`,
			"Spark|iOS|mobile|FR|Somewhere|"},
	} {
		hook := webhook(tt.body)
		hook.Provider = tt.provider
		events, _ := run(t, located(t), hook)
		if len(events) != 1 {
			t.Fatalf("%s: %d events", tt.name, len(events))
		}
		ev := events[0]
		if got := fmt.Sprintf("%s|%s|%s|%s|%s|%s", ev.ClientName, ev.ClientOS, ev.DeviceType, ev.Country, ev.Region, ev.City); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// A webhook of several recipients is read once: each of its events is complete.
func TestDescribeRecipients(t *testing.T) {
	hook := webhook(`{"eventType":"Open","mail":{"timestamp":"2026-03-01T12:00:00Z","messageId":"m1","destination":["a@b.example","c@b.example"]},
		"open":{"timestamp":"2026-03-01T12:00:20Z","ipAddress":"192.0.2.1","userAgent":"Outlook-iOS/709 (3.24.1)"}}`)
	hook.Provider = "ses"
	events, rejected := run(t, located(t), hook)
	if len(events) == 0 {
		t.Fatalf("rejected: %+v", rejected)
	}
	for _, ev := range events {
		if ev.ClientName != "Outlook" || ev.Country != "FR" || ev.MapperVersion != events[0].MapperVersion || ev.Machine == schemas.MachineMachine {
			t.Errorf("%+v", ev)
		}
	}
}
