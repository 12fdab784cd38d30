package simulate

import (
	"testing"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/schemas"
)

// TestBodiesDecodeAsMailjet reads the bodies with the real decoder: what is
// well-formed here is so there, broken bodies are refused, and both agree on
// who is a machine.
func TestBodiesDecodeAsMailjet(t *testing.T) {
	mailjet, ok := provider.ByName("mailjet")
	if !ok {
		t.Fatal("no decoder")
	}
	cfg := testConfig(5000)
	cfg.Malformed = 0.02
	var opens, humanOpens, clicks, humanClicks int64
	seen := map[schemas.ID]bool{}
	truth := generate(t, cfg, func(b Body) {
		w := &schemas.Webhook{Tenant: "default", Account: "shop", Source: "mailjet", Provider: "mailjet", ReceivedAt: schemas.FromTime(testNow), Body: append([]byte(nil), b.Data...)}
		events, failed := 0, 0
		mailjet.Decode(w, func(_ int, ev *schemas.Event, err error) {
			if err != nil {
				failed++
				if b.Kind != Malformed {
					t.Fatalf("%v in %.300s", err, b.Data)
				}
				return
			}
			events++
			if b.Kind == Malformed || seen[ev.EventID] {
				return
			}
			seen[ev.EventID] = true
			machine := ev.Machine == schemas.MachineMachine
			switch ev.Type {
			case schemas.EventTypeOpened:
				opens++
				if !machine {
					humanOpens++
				}
			case schemas.EventTypeClicked:
				clicks++
				if !machine {
					humanClicks++
				}
			case schemas.EventTypeUnknown:
				t.Errorf("unknown event %q", ev.ProviderType)
			}
		})
		if events != b.Events && b.Kind != Malformed || failed != 1 && b.Kind == Malformed {
			t.Fatalf("kind %d: %d events of %d, %d errors: %.300s", b.Kind, events, b.Events, failed, b.Data)
		}
	})
	s := truth.Total()
	if int64(len(seen)) != truth.UniqueEvents || opens != s.Opens || humanOpens != s.HumanOpens || clicks != s.Clicks || humanClicks != s.HumanClicks {
		t.Errorf("%d events, %d opens (%d human), %d clicks (%d human); want %d and %+v", len(seen), opens, humanOpens, clicks, humanClicks, truth.UniqueEvents, s)
	}
}
