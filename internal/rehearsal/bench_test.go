package rehearsal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/rehearsal"
	"github.com/posthorn/posthorn/schemas"
)

// A bucket of a backtest: messages that are sent, opened and clicked.
func BenchmarkBucket(b *testing.B) {
	rules := mustRules(b, `
rules:
  - {name: within, within: {event: opened, of: send, duration: 1h}, once_per: recipient}
  - {name: absent, absence: {event: clicked, of: send, duration: 30m}, once_per: message}
  - {name: count, count: {event: clicked, times: 2, duration: 20m, per: recipient}}
  - {name: rate, rate: {event: bounced, of: [delivered, bounced], above: 5%, duration: 10m}}
`)
	types := []schemas.EventType{schemas.EventTypeDelivered, schemas.EventTypeOpened, schemas.EventTypeClicked}
	var events []schemas.Event
	for i := range 20_000 {
		who := fmt.Sprintf("r%d@example.org", i/30*10+i%10)
		when := time.Duration(i) * time.Second
		events = append(events, event(i+1, types[i/10%3], who, "m", when, when))
	}
	end := at(time.Duration(len(events)) * time.Second)
	b.ReportAllocs()
	for b.Loop() {
		if err := rehearsal.Run(rehearsal.Config{Rules: rules}, events, end, func(*schemas.Trigger) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(events))/b.Elapsed().Seconds(), "events/s")
}
