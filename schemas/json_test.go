package schemas_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

func TestToJSON(t *testing.T) {
	binary := sampleWebhook()
	binary.Body, binary.ReplayOf = []byte{0xff, 0xfe}, nil
	for _, tt := range []struct {
		name, topic string
		rec         schemas.Record
		want        string
	}{
		{"webhook", schemas.TopicWebhooks, sampleWebhook(),
			`{"id":"01020300-0000-0000-0000-000000000000","tenant":"default","account":"main","source":"mailjet-1","provider":"mailjet",` +
				`"received_at":"2026-03-01T08:30:00.123456Z","remote_ip":"203.0.113.7","content_type":"application/json",` +
				`"headers":{"accept":"*/*","user-agent":"Mailjet"},"query":"",` +
				`"crc32c":` + strconv.FormatInt(sampleWebhook().CRC32C, 10) + `,"verified":"basic",` +
				`"replay_of":{"webhook_id":"09000000-0000-0000-0000-000000000000","partition":3,"offset":77,"index":-1},` +
				`"body":"[{\"event\":\"open\",\"time\":1433333949}]"}`},
		{"body that is no text", schemas.TopicWebhooks, binary, `"verified":"basic","body_base64":"//4="}`},
		{"null and empty fields left out", schemas.TopicEvents, &schemas.Event{Type: schemas.EventTypeClicked, URL: "https://a.example/?x=1&y=<2>"},
			`"recipient_id":"00000000-0000-0000-0000-000000000000","recipient_ambiguous":false,"url":"https://a.example/?x=1&y=<2>","machine":"unknown","first":false,`},
		{"null and zero", schemas.TopicMessages, &schemas.Message{OpenDelayMS: schemas.Int64Of(0)}, `"unsubscribes":0,"open_delay_ms":0,"outcome":"unknown","late_bounce"`},
		{"nested", schemas.TopicCampaignDeltas, &schemas.CampaignDelta{Windows: []schemas.WindowDelta{{Basis: schemas.BasisSendTime, WindowStart: sampleTime}}},
			`"windows":[{"basis":"send_time","window_start":"2026-03-01T08:30:00.123456Z","counters":{"messages":0,`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			serde := schemas.NewLocalSerde()
			got, err := serde.ToJSON(tt.topic, serde.Append(nil, tt.topic, tt.rec))
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(got) || strings.Contains(string(got), "\n") || !strings.Contains(string(got), tt.want) {
				t.Errorf("got\n%s\nwant one line with\n%s", got, tt.want)
			}
		})
	}
	if _, err := schemas.NewLocalSerde().ToJSON(schemas.TopicDeadLetters, nil); err == nil {
		t.Error("a topic without records: no error")
	}
	if _, err := schemas.NewLocalSerde().ToJSON(schemas.TopicEvents, []byte{0, 0}); err == nil {
		t.Error("a malformed value: no error")
	}
}

// The JSON of a record reads back as the same record.
func TestJSONRoundTrip(t *testing.T) {
	b, err := schemas.ToJSON(sampleEvent())
	if err != nil {
		t.Fatal(err)
	}
	var e schemas.Event
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	if got, want := e.AppendAvro(nil), sampleEvent().AppendAvro(nil); string(got) != string(want) {
		t.Errorf("got %+v\nwant %+v", &e, sampleEvent())
	}
}
