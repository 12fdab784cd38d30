package provider

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/posthorn/posthorn/schemas"
)

// FuzzMailjet: any body gives one outcome for each of its elements, in order,
// and every event can be written and read back.
func FuzzMailjet(f *testing.F) {
	for _, s := range []string{
		``, `[]`, `{}`, `7`, with("open", `"agent":"Mozilla/5.0"`), `[` + with("sent", `"smtp_reply":"250 2.0.0"`) + `,7]`,
		with("bounce", `"comment":"421 4.7.0 try again","Payload":"{\"a\":[1]}"`), `{"event":"open","email":"a@b","time":1e18}`,
		"{\"event\":\"\xff\",\"email\":\"\\ud800\"}", `{"event":"click","MessageID":1.00e2,"mj_campaign_id":-0.0}`,
	} {
		f.Add([]byte(s))
	}
	serde := schemas.NewLocalSerde()
	f.Fuzz(func(t *testing.T, body []byte) {
		all := decode(t, string(body))
		var elements []json.RawMessage
		switch {
		case len(all) == 1 && all[0].index == -1:
			return
		case json.Unmarshal(body, &elements) != nil:
			elements = make([]json.RawMessage, 1)
		}
		if len(all) != len(elements) {
			t.Fatalf("%d outcomes for %d elements", len(all), len(elements))
		}
		for i, d := range all {
			if d.index != i {
				t.Fatalf("outcome %d has index %d", i, d.index)
			}
			checkOutcome(t, serde, d)
		}
	})
}

// checkOutcome checks that an event can be written and read back as it is.
func checkOutcome(t *testing.T, serde *schemas.Serde, d decoded) {
	t.Helper()
	if d.err != nil {
		return
	}
	ev, back := d.event, schemas.Event{}
	if !utf8.ValidString(ev.Recipient) || !utf8.ValidString(ev.ProviderType) {
		t.Fatalf("invalid UTF-8 in %+v", ev)
	}
	if err := serde.Decode(serde.Append(nil, schemas.TopicEvents, &ev), &back); err != nil {
		t.Fatal(err)
	}
	if asJSON(ev) != asJSON(back) {
		t.Fatalf("wrote %s, read %s", asJSON(ev), asJSON(back))
	}
}

// fuzzProvider decodes any body, and what comes of its webhooks' content types.
func fuzzProvider(f *testing.F, p Provider, contentType string, seeds ...string) {
	for _, s := range append(seeds, ``, `[]`, `{}`, `7`, `[{}]`, `[7,{"a":1e400}]`) {
		f.Add([]byte(s))
	}
	serde := schemas.NewLocalSerde()
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range outcomes(t, p, hook(p, contentType, string(body))) {
			checkOutcome(t, serde, d)
		}
	})
}
