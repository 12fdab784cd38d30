package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// TestMailjetSamples decodes published samples where they are at hand.
func TestMailjetSamples(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("..", "..", "..", "shared", "fixtures", "mailjet", "*.json"))
	if len(files) == 0 {
		t.Skip("the published samples are not beside this repository")
	}
	types := map[string]schemas.EventType{
		"blocked": schemas.EventTypeRejected, "bounce": schemas.EventTypeBounced, "click": schemas.EventTypeClicked, "open": schemas.EventTypeOpened,
		"sent": schemas.EventTypeDelivered, "spam": schemas.EventTypeComplained, "unsub": schemas.EventTypeUnsubscribed,
	}
	seen := map[string]bool{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var raw any
		dec := json.NewDecoder(strings.NewReader(string(body)))
		dec.UseNumber()
		if err := dec.Decode(&raw); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		elements, ok := raw.([]any)
		if !ok {
			elements = []any{raw}
		}
		all := decode(t, string(body))
		if len(all) != len(elements) {
			t.Fatalf("%s: %d elements, want %d", file, len(all), len(elements))
		}
		for i, d := range all {
			if d.err != nil {
				t.Errorf("%s[%d]: %v", file, i, d.err)
				continue
			}
			m := elements[i].(map[string]any)
			str := func(name string) string {
				switch v := m[name].(type) {
				case string:
					return v
				case json.Number:
					return v.String()
				}
				return ""
			}
			campaign := str("mj_campaign_id")
			if campaign == "0" || campaign == "" {
				campaign = str("customcampaign")
			}
			got := []string{d.event.Type.String(), d.event.ProviderType, d.event.MessageID, d.event.MessageUUID, d.event.Recipient, d.event.CampaignID, d.event.UserAgent, d.event.IP, d.event.Country, d.event.MTAResponse, fmt.Sprint(int64(d.event.OccurredAt) / 1e6)}
			want := []string{types[str("event")].String(), str("event"), str("MessageID"), str("Message_GUID"), str("email"), campaign, str("agent"), str("ip"), str("geo"), str("smtp_reply") + str("comment"), str("time")}
			if !slices.Equal(got, want) {
				t.Errorf("%s[%d]:\n got %q\nwant %q", file, i, got, want)
			}
			seen[str("event")] = true
		}
	}
	for name := range maps.Keys(types) {
		if !seen[name] {
			t.Errorf("no sample of %q", name)
		}
	}
}
