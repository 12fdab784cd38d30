package main

import (
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// What the stages derive here is what they derive: each event once, and
// statistics that count what the messages tell.
func TestPipeline(t *testing.T) {
	const events = 30_000
	g := newGenerator(3, events, 60, origin)
	p, err := newPipeline()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[schemas.ID]bool{}
	messages := map[string]schemas.Message{}
	lifetimes := map[string]schemas.Counters{}
	err = p.batches(t.Context(), g, func(int64) int64 { return 500 }, 20_000, func(b *batch) error {
		for _, rec := range b.out {
			switch rec.Topic {
			case schemas.TopicEvents:
				var e schemas.Event
				if err := serde.Decode(rec.Value, &e); err != nil {
					return err
				}
				if seen[e.EventID] {
					t.Errorf("event %s twice", e.EventID)
				}
				seen[e.EventID] = true
			case schemas.TopicMessages:
				var m schemas.Message
				if err := serde.Decode(rec.Value, &m); err != nil {
					return err
				}
				messages[string(rec.Key)] = m
			case schemas.TopicStatistics:
				var s schemas.CampaignStatistics
				if err := serde.Decode(rec.Value, &s); err != nil {
					return err
				}
				if s.Basis == schemas.BasisLifetime {
					lifetimes[s.CampaignID] = s.Counters
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) < 19_990 {
		t.Errorf("%d events", len(seen))
	}
	var want, got schemas.Counters
	for _, m := range messages {
		want.Messages++
		want.Opens += m.Opens
		want.Clicks += m.Clicks
		if m.FirstOpenedAt != 0 {
			want.Opened++
		}
	}
	for _, c := range lifetimes {
		got.Messages, got.Opens, got.Clicks, got.Opened = got.Messages+c.Messages, got.Opens+c.Opens, got.Clicks+c.Clicks, got.Opened+c.Opened
	}
	if got != want {
		t.Errorf("campaigns count %+v, messages %+v", got, want)
	}
}

func BenchmarkPipeline(b *testing.B) {
	g := newGenerator(1, 20_000_000, 57, origin)
	p, err := newPipeline()
	if err != nil {
		b.Fatal(err)
	}
	var out, bytes int
	b.ResetTimer()
	err = p.batches(b.Context(), g, func(int64) int64 { return 20_000 }, int64(b.N), func(x *batch) error {
		for _, rec := range x.out {
			out++
			bytes += len(rec.Value)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(out)/float64(b.N), "records/event")
	b.ReportMetric(float64(bytes)/float64(b.N), "B/event")
}
