package engagement

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// A robot opens a message a thousand times and a human late: everything counts,
// in any order, and repetitions of folded events still do not.
func TestFolding(t *testing.T) {
	s := &story{}
	events := []schemas.Event{s.event(delivered, 0), s.event(bounced, 5000*time.Minute, bounce("hard"))}
	for i := range 1000 {
		e := s.event(opened, time.Duration(i+1)*time.Minute, byMachine)
		e.EventID = schemas.ID{1, byte(i >> 8), byte(i)}
		events = append(events, e)
	}
	for i := range 100 {
		e := s.event(clicked, time.Duration(2000+i)*time.Minute)
		e.EventID = schemas.ID{2, byte(i)}
		events = append(events, e)
	}
	events = append(events, s.event(opened, 3000*time.Minute), s.event(schemas.EventTypeUnsubscribed, 4000*time.Minute))
	want := model(events)
	var state map[string][]byte
	for round := range uint64(4) {
		r := rand.New(rand.NewPCG(1, round))
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		h := newHarness(t, nil)
		for chunk := range slices.Chunk(events, 100+int(round)*200) {
			h.process(chunk...)
			h.process(chunk[:min(10, len(chunk))]...)
			h.commit()
		}
		h.process(events...)
		h.commit()
		if !maps.Equal(h.out.events, want.events) || !maps.Equal(h.out.messages, want.messages) || !maps.Equal(h.out.counters, want.counters) {
			t.Fatalf("round %d\n got %+v\nwant %+v", round, h.out.messages, want.messages)
		}
		got := h.driver.State(storeMessages)
		for k, v := range got {
			if k[0] == keyMessage && len(v) > 30_000 {
				t.Errorf("state of %d bytes", len(v))
			}
		}
		if state != nil && !maps.EqualFunc(state, got, bytes.Equal) {
			t.Error("the state depends on the order")
		}
		state = got
	}
}
