//go:build linux

package main

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

// What is said of a message must not depend on the order of its events, since
// the check takes them in another order than the stage.
func TestAbsenceDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) schemas.Event {
			return schemas.Event{
				ArrivedAt: schemas.Timestamp(rapid.Int64Range(1, 2*absenceAfter.Microseconds()).Draw(t, "arrived")),
				Type:      rapid.SampledFrom([]schemas.EventType{schemas.EventTypeDelivered, schemas.EventTypeOpened}).Draw(t, "type"),
			}
		}), 1, 6).Draw(t, "events")
		var a, b absence
		for i := range events {
			a.take(&events[i])
			b.take(&events[len(events)-1-i])
		}
		if a != b {
			t.Fatalf("%+v in order, %+v in reverse", a, b)
		}
		if back, err := decodeAbsence(a.encode()); err != nil || back != a {
			t.Fatalf("%+v became %+v: %v", a, back, err)
		}
	})
}
