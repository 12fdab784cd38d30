package normalize

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/schemas"
)

var (
	secret   = []byte("0123456789abcdef0123456789abcdef")
	received = time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	arrived  = received.Add(20 * time.Millisecond)
	serde    = schemas.NewLocalSerde()
)

// webhook returns a webhook of Mailjet.
func webhook(body string) *schemas.Webhook {
	return &schemas.Webhook{
		ID: schemas.ID{1, 2, 3}, Tenant: "acme", Account: "shop", Source: "main", Provider: "mailjet",
		ReceivedAt: schemas.FromTime(received), Body: []byte(body), Verified: "basic",
	}
}

func record(hook *schemas.Webhook, offset int64) *kgo.Record {
	return &kgo.Record{Topic: schemas.TopicWebhooks, Value: serde.Append(nil, schemas.TopicWebhooks, hook), Timestamp: arrived, Offset: offset}
}

func driver(t testing.TB, reader WebhookReader) *streamtest.Driver {
	t.Helper()
	d, err := streamtest.New(Stage(Config{Serde: serde, Secret: OneSecret(secret), Webhooks: reader}), 5)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// run processes webhooks, the first at offset 40, and returns what they gave.
func run(t testing.TB, d *streamtest.Driver, hooks ...*schemas.Webhook) ([]schemas.Event, []schemas.Rejection) {
	t.Helper()
	for i, h := range hooks {
		if err := d.Process(record(h, int64(40+i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	var events []schemas.Event
	var rejections []schemas.Rejection
	for _, rec := range d.Out {
		var ev schemas.Event
		var re schemas.Rejection
		switch rec.Topic {
		case schemas.TopicEventsByRecipient:
			if err := serde.Decode(rec.Value, &ev); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(rec.Key, ev.RecipientID[:]) {
				t.Errorf("key %x of recipient %s", rec.Key, ev.RecipientID)
			}
			events = append(events, ev)
		case schemas.TopicRejected:
			if err := serde.Decode(rec.Value, &re); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(rec.Key, re.WebhookID[:]) {
				t.Errorf("key %x of webhook %s", rec.Key, re.WebhookID)
			}
			rejections = append(rejections, re)
		default:
			t.Errorf("a record for %s", rec.Topic)
		}
	}
	d.Out = nil
	return events, rejections
}

func asJSON(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestSamples compares the events of own samples, one file per type and per
// family of quirks, with the .golden file beside each. POSTHORN_UPDATE=1 writes
// them.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	types := map[schemas.EventType]bool{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		events, rejections := run(t, driver(t, nil), webhook(string(body)))
		for _, ev := range events {
			types[ev.Type] = true
		}
		got := asJSON(struct {
			Events     []schemas.Event     `json:"events"`
			Rejections []schemas.Rejection `json:"rejections,omitempty"`
		}{events, rejections}) + "\n"
		golden := file + ".golden"
		if os.Getenv("POSTHORN_UPDATE") == "1" {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%s", file, got)
		}
	}
	for _, want := range []schemas.EventType{schemas.EventTypeDelivered, schemas.EventTypeOpened, schemas.EventTypeClicked, schemas.EventTypeBounced,
		schemas.EventTypeDeferred, schemas.EventTypeRejected, schemas.EventTypeComplained, schemas.EventTypeUnsubscribed, schemas.EventTypeUnknown} {
		if !types[want] {
			t.Errorf("no sample gives %v", want)
		}
	}
}

func TestPublishedSamples(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("..", "..", "..", "shared", "fixtures", "mailjet", "*.json"))
	if len(files) == 0 {
		t.Skip("the published samples are not beside this repository")
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		events, rejections := run(t, driver(t, nil), webhook(string(body)))
		if len(events) == 0 || len(rejections) > 0 {
			t.Errorf("%s: %d events, rejected %s", file, len(events), asJSON(rejections))
		}
		for _, ev := range events {
			// They are years old: kept, but not believed.
			if !ev.TimeSuspect || ev.OccurredAt != ev.ReceivedAt || ev.ProviderTime == 0 || ev.Type == schemas.EventTypeUnknown || ev.Recipient == "" {
				t.Errorf("%s: %s", file, asJSON(ev))
			}
		}
	}
}

func TestTime(t *testing.T) {
	at := func(d time.Duration) string { return fmt.Sprint(received.Add(d).Unix()) }
	for _, c := range []struct {
		time    string
		suspect bool
		kept    bool
	}{
		{at(-time.Minute), false, false},
		{at(-400 * 24 * time.Hour), false, false},
		{at(-400*24*time.Hour - time.Second), true, true},
		{at(time.Hour), false, false},
		{at(time.Hour + time.Second), true, true},
		{`"` + at(-time.Minute) + `"`, false, false},
		{"0", true, false},
		{"null", true, false},
		{`"yesterday"`, true, false},
	} {
		events, _ := run(t, driver(t, nil), webhook(`{"event":"open","email":"a@b.example","time":`+c.time+`}`))
		ev := events[0]
		if ev.TimeSuspect != c.suspect || (ev.ProviderTime != 0) != c.kept || c.suspect && ev.OccurredAt != ev.ReceivedAt {
			t.Errorf("%s: %s", c.time, asJSON(ev))
		}
		if ev.ArrivedAt != schemas.FromTime(arrived) || ev.ReceivedAt != schemas.FromTime(received) {
			t.Errorf("%s: arrived %s, received %s", c.time, ev.ArrivedAt, ev.ReceivedAt)
		}
	}
}

func TestRecipient(t *testing.T) {
	events, _ := run(t, driver(t, nil),
		webhook(`[{"event":"open","MessageID":1,"email":" Ann@B.Example "},{"event":"open","MessageID":1,"email":"ann@b.example"},
			{"event":"bounce","MessageID":1},{"event":"open","MessageID":1},{"event":"bounce","MessageID":2}]`))
	want := schemas.RecipientID(secret, "ann@b.example")
	if events[0].RecipientID != want || events[1].RecipientID != want {
		t.Errorf("got %s and %s, want %s", events[0].RecipientID, events[1].RecipientID, want)
	}
	nobody := events[2].RecipientID
	if nobody == want || nobody.IsZero() || events[3].RecipientID != nobody || events[4].RecipientID == nobody {
		t.Errorf("without address: %s, %s and of another message %s", nobody, events[3].RecipientID, events[4].RecipientID)
	}
	other := webhook(`{"event":"bounce","MessageID":1}`)
	other.Tenant = "other"
	if events, _ = run(t, driver(t, nil), other); events[0].RecipientID == nobody {
		t.Error("two tenants share a recipient without address")
	}
}

func TestPoisonIsPermanent(t *testing.T) {
	d := driver(t, nil)
	for _, value := range [][]byte{nil, {0, 0, 0, 0, 1}, []byte("junk"), record(webhook("{}"), 0).Value[:30]} {
		if err := d.Process(&kgo.Record{Value: value, Timestamp: arrived}); !stream.IsPermanent(err) {
			t.Errorf("%x: got %v, want a permanent error", value, err)
		}
	}
}

func TestUnknownTenantStops(t *testing.T) {
	d, err := streamtest.New(Stage(Config{Serde: serde, Secret: func(string) ([]byte, bool) { return nil, false }}), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Process(record(webhook("{}"), 1)); err == nil || stream.IsPermanent(err) {
		t.Errorf("got %v, want an error that is tried again", err)
	}
}

func TestUnknownProvider(t *testing.T) {
	hook := webhook("{}")
	hook.Provider = "pigeon"
	_, rejections := run(t, driver(t, nil), hook)
	if len(rejections) != 1 || rejections[0].Reason != ReasonUnknownProvider || rejections[0].Index != -1 {
		t.Errorf("got %s", asJSON(rejections))
	}
}

// webhooks is a WebhookReader of records by offset.
type webhooks map[int64][]byte

func (w webhooks) ReadWebhook(_ context.Context, _ int32, offset int64) ([]byte, error) {
	if v, ok := w[offset]; ok {
		return v, nil
	}
	return nil, ErrWebhookGone
}

func TestReplay(t *testing.T) {
	hook := webhook(`[{"event":"open","time":1772366400,"MessageID":1,"email":"a@b.example"},7,{"event":"click","time":1772366401,"MessageID":1,"email":"a@b.example"}]`)
	first, rejected := run(t, driver(t, nil), hook)
	if len(first) != 2 || len(rejected) != 1 {
		t.Fatalf("%d events, %d rejections", len(first), len(rejected))
	}
	kept := webhooks{40: record(hook, 40).Value, 41: []byte("junk")}
	replay := func(offset int64, index int32, id schemas.ID) ([]schemas.Event, []schemas.Rejection) {
		r := &schemas.Webhook{ID: schemas.ID{9}, Tenant: "acme", Account: "shop", Source: "main", Provider: "mailjet", ReceivedAt: schemas.FromTime(received.Add(48 * time.Hour)),
			ReplayOf: &schemas.WebhookRef{WebhookID: id, Partition: 5, Offset: offset, Index: index}}
		d := driver(t, kept)
		rec := record(r, 900)
		rec.Timestamp = arrived.Add(48 * time.Hour)
		if err := d.Process(rec); err != nil {
			t.Fatal(err)
		}
		return run(t, d)
	}
	for i := range first { // Only the arrival is new.
		first[i].ArrivedAt = schemas.FromTime(arrived.Add(48 * time.Hour))
	}

	events, again := replay(40, -1, hook.ID)
	if asJSON(events) != asJSON(first) || len(again) != 1 {
		t.Errorf("whole body: %s\n%s", asJSON(events), asJSON(again))
	}
	events, again = replay(40, 2, hook.ID)
	if asJSON(events) != asJSON(first[1:]) || len(again) != 0 {
		t.Errorf("index 2: %s\n%s", asJSON(events), asJSON(again))
	}
	events, again = replay(40, 1, hook.ID)
	if len(events) != 0 || len(again) != 1 || again[0].Index != 1 || again[0].WebhookID != hook.ID || again[0].Offset != 40 {
		t.Errorf("index 1: %s\n%s", asJSON(events), asJSON(again))
	}
	for _, c := range []struct {
		offset int64
		index  int32
		id     schemas.ID
		reason string
	}{
		{39, -1, hook.ID, ReasonWebhookExpired},
		{40, 3, hook.ID, ReasonBadReplay},
		{40, -1, schemas.ID{8}, ReasonBadReplay},
		{41, 0, hook.ID, ReasonBadReplay},
	} {
		events, again := replay(c.offset, c.index, c.id)
		if len(events) != 0 || len(again) != 1 || again[0].Reason != c.reason || again[0].WebhookID != c.id || again[0].Offset != c.offset || again[0].Index != c.index {
			t.Errorf("%+v: %s\n%s", c, asJSON(events), asJSON(again))
		}
	}
}

// withoutPlace clears what a batch's cut and the URL may change.
func withoutPlace(events []schemas.Event) map[schemas.ID]string {
	m := map[schemas.ID]string{}
	for _, ev := range events {
		ev.RawRef, ev.Source = schemas.RawRef{}, ""
		m[ev.EventID] = asJSON(ev)
	}
	return m
}

func TestSplittingABatchChangesNothingElse(t *testing.T) {
	body, err := os.ReadFile("testdata/batch.json")
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := run(t, driver(t, nil), webhook(string(body)))
	var elements []json.RawMessage
	if err := json.Unmarshal(body, &elements); err != nil {
		t.Fatal(err)
	}
	for size := 1; size <= len(elements); size++ {
		var hooks []*schemas.Webhook
		for part := range slices.Chunk(elements, size) {
			b, err := json.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			if size == 1 {
				b = part[0] // An object alone, as without grouping.
			}
			hooks = append(hooks, webhook(string(b)))
		}
		split, _ := run(t, driver(t, nil), hooks...)
		if len(split) != len(whole) || !maps.Equal(withoutPlace(split), withoutPlace(whole)) {
			t.Errorf("split by %d: %s", size, asJSON(split))
		}
	}
}

func TestAnotherSourceOfTheAccountGivesTheSameEvents(t *testing.T) {
	body, err := os.ReadFile("testdata/batch.json")
	if err != nil {
		t.Fatal(err)
	}
	backup, elsewhere := webhook(string(body)), webhook(string(body))
	backup.Source, backup.ID = "backup", schemas.ID{77}
	elsewhere.Account = "another"
	first, _ := run(t, driver(t, nil), webhook(string(body)))
	second, _ := run(t, driver(t, nil), backup)
	third, _ := run(t, driver(t, nil), elsewhere)
	if !maps.Equal(withoutPlace(first), withoutPlace(second)) {
		t.Errorf("%s\n%s", asJSON(first), asJSON(second))
	}
	for i := range third {
		if third[i].EventID == first[i].EventID {
			t.Errorf("another account gives the same event id %s", third[i].EventID)
		}
	}
}

// FuzzBody: any body gives events or rejections and never stops the stage.
func FuzzBody(f *testing.F) {
	for _, s := range []string{``, `[]`, `{}`, `[7,{"event":"open","email":"a@b"}]`, `{"event":"x","MessageID":-1,"time":-1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, rejections := run(t, driver(t, nil), webhook(string(body)))
		n := 1
		var elements []json.RawMessage
		if json.Unmarshal(body, &elements) == nil && bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
			n = len(elements)
		}
		if len(events)+len(rejections) != n {
			t.Fatalf("%d events and %d rejections of %d elements", len(events), len(rejections), n)
		}
		for _, ev := range events {
			if ev.RecipientID.IsZero() || ev.EventID.IsZero() || ev.OccurredAt.IsZero() {
				t.Fatalf("incomplete: %s", asJSON(ev))
			}
		}
	})
}

// TestCompressedBody reads what a proxy compressed, and refuses a bomb with its
// reason.
func TestCompressedBody(t *testing.T) {
	packed := func(body string) *schemas.Webhook {
		var buf bytes.Buffer
		w := gzip.NewWriter(&buf)
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		hook := webhook(buf.String())
		hook.Headers = map[string]string{"content-encoding": "gzip"}
		return hook
	}
	events, refused := run(t, driver(t, nil), packed(string(batchOf(3).Body)), packed(strings.Repeat("[", 40<<20)))
	if len(events) != 3 {
		t.Errorf("%d events, want 3", len(events))
	}
	if len(refused) != 1 || refused[0].Reason != provider.ReasonBadEncoding || refused[0].Index != -1 || refused[0].Offset != 41 {
		t.Errorf("refused %+v", refused)
	}
}
