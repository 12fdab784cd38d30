package verify

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/normalize/geo"
	"github.com/posthorn/posthorn/processor/normalize/geo/geotest"
	"github.com/posthorn/posthorn/schemas"
)

// hasty has messages that scanners with the names of browsers follow, before the
// delivery and right after it, and one that a robot clicks hundreds of times. The
// addresses are in a database, and no webhook names a country.
func hasty(t *testing.T) *world {
	w := newWorld(t)
	db, err := geo.Open(geotest.Write(t, "Test-City", map[string]mmdbtype.DataType{"192.0.2.0/24": geotest.City("FR", "Normandy", "Caen")}))
	if err != nil {
		t.Fatal(err)
	}
	w.places = db
	r := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	delivered := now.Add(-48 * time.Hour).Unix()
	add := func(message int, event string, at int64, link int) {
		body := fmt.Sprintf(`{"event":%q,"time":%d,"MessageID":%d,"Message_GUID":"guid-%d","email":"r%d@example.org","mj_campaign_id":7,`+
			`"url":"https://shop.example/%d","ip":"192.0.2.%d","agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:102.0) Gecko/20100101 Firefox/102.0"}`,
			event, at, message, message, message, link, r.IntN(256))
		w.received = append(w.received, &schemas.Webhook{
			ID: schemas.ID{9, byte(len(w.received)), byte(len(w.received) >> 8)}, Tenant: "default", Account: "shop", Source: "mailjet", Provider: "mailjet",
			ReceivedAt: schemas.FromTime(now), Body: []byte(body), CRC32C: schemas.Checksum([]byte(body)), Verified: "basic",
		})
	}
	for message := 1; message <= 60; message++ {
		add(message, "sent", delivered, 0)
		for range r.IntN(6) {
			add(message, []string{"open", "click", "click"}[r.IntN(3)], delivered-70+r.Int64N(80), r.IntN(4))
		}
	}
	add(100, "sent", delivered, 0)
	for i := range 700 {
		add(100, "click", delivered+int64(i/200), i)
	}
	add(100, "click", delivered+3600, 1)
	r.Shuffle(len(w.received), func(i, j int) { w.received[i], w.received[j] = w.received[j], w.received[i] })
	w.produceWebhooks(w.received...)
	return w
}

// What events tell of each other, and where their addresses are, agrees.
func TestAutomatedAgrees(t *testing.T) {
	w := hasty(t)
	out := w.derive(w.webhooks())
	w.write(out)
	w.commitAll()
	if report := w.verify(nil); report.Differences() != 0 {
		t.Fatal(problems(report))
	}
	reasons := map[string]int{}
	for _, rec := range out[schemas.TopicMessages] {
		var m schemas.Message
		if err := w.serde.Decode(rec.Value, &m); err != nil {
			t.Fatal(err)
		}
		reasons[m.MachineReasons]++
	}
	if len(reasons) < 5 {
		t.Errorf("messages by reasons: %v", reasons)
	}
	located := 0
	for _, rec := range out[schemas.TopicEvents] {
		var e schemas.Event
		if err := w.serde.Decode(rec.Value, &e); err != nil {
			t.Fatal(err)
		}
		if e.Country == "FR" && e.City == "Caen" {
			located++
		}
	}
	if located < 500 {
		t.Errorf("%d events have a place", located)
	}
}

// A reason, a count or a place that can't be is found.
func TestTamperedAutomatedIsDetected(t *testing.T) {
	w := hasty(t)
	good := w.derive(w.webhooks())
	for name, tamper := range map[string]func(map[string][]*kgo.Record){
		checkMessages: func(out map[string][]*kgo.Record) {
			records := slices.Clone(out[schemas.TopicMessages])
			last := len(records) - 1 // the one that counts for its key
			records[last] = change(w, records[last], func(m *schemas.Message) { m.MachineReasons += "?" })
			out[schemas.TopicMessages] = records
		},
		checkEvents: func(out map[string][]*kgo.Record) {
			records := slices.Clone(out[schemas.TopicEvents])
			i := slices.IndexFunc(records, func(rec *kgo.Record) bool {
				var e schemas.Event
				return w.serde.Decode(rec.Value, &e) == nil && e.Country != ""
			})
			records[i] = change(w, records[i], func(e *schemas.Event) { e.Country = "Gaul" })
			out[schemas.TopicEvents] = records
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.again(t)
			out := maps.Clone(good)
			tamper(out)
			w.write(out)
			w.commitAll()
			report := w.verify(nil)
			others := int64(0)
			if name == checkEvents {
				others = 2 // the cells of the country and of none
			}
			if report.Differences() != 1+others || report.check(name).Differences != 1 || report.check(checkBreakdowns).Differences != others {
				t.Error(problems(report))
			}
		})
	}
}
