package trigger

import (
	"testing"
	"time"
)

// BenchmarkJudgeMany judges a message with as many events as are kept, which a
// robot makes, for rules that they nearly satisfy.
func BenchmarkJudgeMany(b *testing.B) {
	events := make([]Event, 512)
	for i := range events {
		events[i] = visits(ev(0, clicked, time.Duration(i/8)*time.Second), "/a")
		events[i].ID[0], events[i].ID[1] = byte(i), byte(i>>8)
	}
	events[511].Type = opened
	for _, tt := range []struct{ name, fields string }{
		{"immediate", "immediate: {event: clicked}\nwhen: event.url.size() > 9"},
		{"within", "within: {event: clicked, of: opened, duration: 1h}"},
		{"within itself", "within: {event: clicked, of: clicked, duration: 1h}\nwhen: event.url.size() > 9"},
		{"absence", "absence: {event: clicked, of: clicked, duration: 1s}\nwhen: event.url.size() > 9"},
		{"sequence", "sequence: {events: [opened, clicked, clicked, clicked], duration: 1h}"},
		{"sequence of one kind", "sequence: {events: [clicked, clicked, clicked, opened, clicked], duration: 1h}"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			r := mustRule(b, tt.fields)
			for b.Loop() {
				r.Judge(message(), events, at(hour))
			}
		})
	}
	b.Run("count", func(b *testing.B) {
		r := mustRule(b, "count: {event: clicked, times: 1000, duration: 1h}\ncooldown: 1m")
		counted := make([]Counted, 1000)
		for b.Loop() {
			for i := range counted {
				counted[i] = CountedOf(&events[i%512])
			}
			r.JudgeCount(counted)
		}
	})
}
