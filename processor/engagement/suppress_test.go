package engagement

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

// collectSuppression checks a record against the one of its key before it.
func (h *harness) collectSuppression(rec *kgo.Record) {
	h.Helper()
	var s schemas.Suppression
	h.decode(rec, &s)
	key := fmt.Sprintf("%s/%s/%s", s.Tenant, s.RecipientID, s.Scope)
	if string(rec.Key) != key {
		h.Errorf("suppression with key %s, want %s", rec.Key, key)
	}
	before := h.suppressions[key]
	if s.Revision != before.Revision+1 {
		h.Errorf("%s: revision %d after %d", key, s.Revision, before.Revision)
	}
	if before.Revision = s.Revision; s == before {
		h.Errorf("%s: written again without a change", key)
	}
	if h.suppressions == nil {
		h.suppressions = map[string]schemas.Suppression{}
	}
	h.suppressions[key] = s
}

func drawSuppressing(t *rapid.T) schemas.Event {
	recipient := rapid.SampledFrom([]byte{1, 1, 1, 2}).Draw(t, "recipient")
	e := schemas.Event{
		EventID: schemas.ID{rapid.Byte().Draw(t, "id"), recipient}, Tenant: "default",
		Account: rapid.SampledFrom([]string{"main", "other"}).Draw(t, "account"), Provider: "mailjet",
		Type: rapid.SampledFrom([]schemas.EventType{schemas.EventTypeBounced, schemas.EventTypeComplained, schemas.EventTypeUnsubscribed, schemas.EventTypeUnsubscribed,
			schemas.EventTypeSubscribed, schemas.EventTypeUnsuppressed, schemas.EventTypeOpened, schemas.EventTypeRejected}).Draw(t, "type"),
		OccurredAt:  at(time.Duration(rapid.IntRange(0, 12).Draw(t, "occurred")) * time.Hour),
		MessageID:   rapid.SampledFrom([]string{"", "m1"}).Draw(t, "message"),
		CampaignID:  rapid.SampledFrom([]string{"", "spring"}).Draw(t, "campaign"),
		ListID:      rapid.SampledFrom([]string{"", "", "7", "77"}).Draw(t, "list"),
		RecipientID: schemas.ID{recipient},
		Recipient:   rapid.SampledFrom([]string{" Ann@Example.org", "ann@example.org", ""}).Draw(t, "address"),
		BounceClass: rapid.SampledFrom([]string{"hard", "hard", "soft"}).Draw(t, "class"),
	}
	e.ArrivedAt = e.OccurredAt + at(time.Duration(rapid.IntRange(0, 30).Draw(t, "lag"))*time.Minute) - base
	return e
}

// drawRepetitions adds repetitions that arrive at other times, and with them
// occur at other times where a time is suspect.
func drawRepetitions(t *rapid.T, events []schemas.Event) []schemas.Event {
	for range rapid.IntRange(0, 6).Draw(t, "repetitions") {
		e := rapid.SampledFrom(events).Draw(t, "again")
		move := schemas.Timestamp(rapid.Int64Range(-3, 10).Draw(t, "later") * int64(time.Hour/time.Microsecond))
		e.ArrivedAt += move
		if rapid.Bool().Draw(t, "suspect") {
			e.OccurredAt += move
		}
		events = append(events, e)
	}
	return events
}

// TestSuppressions: in whatever order events come, cut into whatever
// transactions, the records end with what all events make, and each tells a
// change.
func TestSuppressions(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := rapid.SliceOfNDistinct(rapid.Custom(drawSuppressing), 1, 14, func(e schemas.Event) schemas.ID { return e.EventID }).Draw(rt, "events")
		events = drawRepetitions(rt, events)
		h := newHarness(t, nil)
		run(t, rt, h, events)
		checkSuppressions(rt, h, modelSuppressions(events))

		// After a restart repetitions change nothing.
		if err := h.driver.Restart(); err != nil {
			rt.Fatal(err)
		}
		run(t, rt, h, events)
		checkSuppressions(rt, h, modelSuppressions(events))
	})
}

func checkSuppressions(rt *rapid.T, h *harness, want map[string]schemas.Suppression) {
	rt.Helper()
	got := maps.Clone(h.suppressions)
	for key, s := range got {
		s.Revision = 0
		got[key] = s
	}
	if len(got) != len(want) {
		rt.Fatalf("records\n got %+v\nwant %+v", got, want)
	}
	for key := range want {
		if got[key] != want[key] {
			rt.Fatalf("%s\n got %+v\nwant %+v", key, got[key], want[key])
		}
	}
}

func suppressionEvent(id byte, kind schemas.EventType, after time.Duration) schemas.Event {
	return schemas.Event{EventID: schemas.ID{id}, Tenant: "default", Account: "main", Type: kind, BounceClass: "hard",
		OccurredAt: at(after), ArrivedAt: at(after), RecipientID: schemas.ID{1}, Recipient: "ann@example.org", MessageID: "m"}
}

// TestSuppressionOutlivesItsMessage: when a message is forgotten, what it told of
// its recipient is not, and a repetition does not suppress again what was lifted.
func TestSuppressionOutlivesItsMessage(t *testing.T) {
	h := newHarnessOf(t, Config{Horizon: 24 * time.Hour})
	complaint := suppressionEvent(1, schemas.EventTypeComplained, 0)
	h.process(complaint)
	h.commit()
	h.advance(at(100 * 24 * time.Hour))
	key := "default/" + complaint.RecipientID.String() + "/all"
	if s := h.suppressions[key]; !s.Active || s.Revision != 1 {
		t.Fatalf("after the complaint %+v", s)
	}
	h.process(suppressionEvent(2, schemas.EventTypeUnsuppressed, 101*24*time.Hour))
	h.commit()
	again := complaint
	again.ArrivedAt = at(102 * 24 * time.Hour)
	h.process(again)
	h.commit()
	if s := h.suppressions[key]; s.Active || s.Revision != 2 || s.LiftedAt != at(101*24*time.Hour) {
		t.Errorf("after it was lifted %+v", s)
	}
	h.process(suppressionEvent(3, schemas.EventTypeBounced, 103*24*time.Hour))
	h.commit()
	if s := h.suppressions[key]; !s.Active || s.Revision != 3 || s.Reason != schemas.SuppressionReasonHardBounce || s.Since != at(103*24*time.Hour) {
		t.Errorf("after another bounce %+v", s)
	}
}

// TestSuppressionOnce: one transaction writes one record of a scope, whatever
// went to and fro in it, and none where nothing came of it.
func TestSuppressionOnce(t *testing.T) {
	h := newHarness(t, nil)
	h.process(suppressionEvent(1, schemas.EventTypeComplained, 0), suppressionEvent(2, schemas.EventTypeUnsuppressed, time.Hour), suppressionEvent(3, schemas.EventTypeComplained, 2*time.Hour))
	h.commit()
	h.process(suppressionEvent(4, schemas.EventTypeComplained, 3*time.Hour), suppressionEvent(5, schemas.EventTypeBounced, 4*time.Hour))
	h.commit()
	for _, s := range h.suppressions {
		if s.Revision != 1 || !s.Active || s.Since != at(2*time.Hour) {
			t.Errorf("got %+v", s)
		}
	}
	if len(h.suppressions) != 1 {
		t.Errorf("%d records", len(h.suppressions))
	}
}

// TestSuppressionBounded: of many marks the latest are kept, in whatever order
// they come.
func TestSuppressionBounded(t *testing.T) {
	const n = 3 * maxMarks
	for _, backwards := range []bool{false, true} {
		var m marks
		for i := range n {
			if backwards {
				i = n - 1 - i
			}
			m.add(kindMark{kind: markComplaint, at: schemas.Timestamp(i), id: schemas.ID{byte(i), byte(i >> 8)}})
		}
		var again marks
		if err := again.decode(m.append(nil)); err != nil {
			t.Fatal(err)
		}
		if s, ok := again.derive(&again); !ok || !s.Active || s.Since != n-maxMarks || len(again.marks) != maxMarks {
			t.Errorf("backwards %v: since %d with %d marks", backwards, s.Since, len(again.marks))
		}
	}
}

// FuzzSuppressionState: no input makes the decoder fail otherwise than by
// an error.
func FuzzSuppressionState(f *testing.F) {
	var m marks
	m.add(kindMark{kind: markComplaint, at: 5, arrived: 7, account: "main", campaign: "spring"})
	m.add(kindMark{kind: markSubscribed, at: 9, arrived: 9, id: schemas.ID{1}})
	f.Add(m.append(nil))
	f.Add([]byte{marksVersion})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m marks
		if m.decode(b) == nil {
			m.derive(&m)
		}
	})
}
