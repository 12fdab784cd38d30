package main

import (
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

var origin = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)

// What is made looks like what the benchmark says that it is.
func TestGenerator(t *testing.T) {
	const events, days = 300_000, 60
	g := newGenerator(1, events, days, origin)
	campaigns, types, webhooks := map[string]int{}, map[schemas.EventType]int{}, map[schemas.ID]int{}
	recipients, ids, domains := map[schemas.ID]int{}, map[schemas.ID]bool{}, map[string]bool{}
	var e schemas.Event
	var last schemas.Timestamp
	for g.next(&e) {
		campaigns[e.CampaignID]++
		types[e.Type]++
		webhooks[e.RawRef.WebhookID]++
		recipients[e.RecipientID]++
		ids[e.EventID] = true
		domains[e.RecipientDomain] = true
		if e.Provider == "mailjet" && (len(e.MessageID) < 17 || len(e.MessageID) > 19) {
			t.Fatalf("message id %s", e.MessageID)
		}
		last = max(last, e.ArrivedAt)
	}
	n := int(g.made)
	if len(ids) < n*9999/10_000 {
		t.Errorf("%d ids of %d events", len(ids), n)
	}
	per := float64(n) / float64(g.messages)
	if per < eventsPerMessage*.97 || per > eventsPerMessage*1.03 {
		t.Errorf("%.3f events a message, eventsPerMessage says %v", per, eventsPerMessage)
	}
	largest := 0
	for _, c := range campaigns {
		largest = max(largest, c)
	}
	if len(campaigns) < campaignCount || largest < n/9 {
		t.Errorf("%d campaigns, the largest of %d events", len(campaigns), largest)
	}
	if d := last.Time().Sub(origin).Hours() / 24; d < 58 || d > 68 {
		t.Errorf("%.1f days", d)
	}
	most := 0
	for _, w := range webhooks {
		most = max(most, w)
	}
	if most < 20 || most > 150 {
		t.Errorf("webhooks of up to %d events", most)
	}
	if len(recipients)*3 > n || len(domains) < 3000 {
		t.Errorf("%d recipients at %d domains", len(recipients), len(domains))
	}
	for _, typ := range []schemas.EventType{schemas.EventTypeDelivered, schemas.EventTypeOpened, schemas.EventTypeClicked, schemas.EventTypeBounced, schemas.EventTypeRejected, schemas.EventTypeDeferred, schemas.EventTypeUnsubscribed, schemas.EventTypeComplained} {
		if types[typ] == 0 {
			t.Errorf("no %s", typ)
		}
	}
	t.Logf("%d events, %d messages, %d webhooks, %d recipients, %d domains, largest campaign %d, %v", n, g.messages, len(webhooks), len(recipients), len(domains), largest, types)
}

// The same seed makes the same events.
func TestGeneratorIsDeterministic(t *testing.T) {
	a, b := newGenerator(7, 20_000, 60, origin), newGenerator(7, 20_000, 60, origin)
	var x, y schemas.Event
	for a.next(&x) {
		if !b.next(&y) || x.EventID != y.EventID || x.ArrivedAt != y.ArrivedAt || x.RawRef != y.RawRef {
			t.Fatalf("%v\n%v", x, y)
		}
	}
}

func BenchmarkGenerator(b *testing.B) {
	g := newGenerator(1, 20_000_000, 57, origin)
	var e schemas.Event
	b.ReportAllocs()
	for b.Loop() {
		g.next(&e)
	}
}
