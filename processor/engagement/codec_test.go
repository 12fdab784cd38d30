package engagement

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

func sampleState() *state {
	s := &state{}
	st := &story{}
	for _, e := range []schemas.Event{
		st.event(delivered, 0),
		st.event(opened, 5, func(e *schemas.Event) { e.Country, e.TimeSuspect, e.ContactID = "FR", true, "k1" }),
		st.event(bounced, 9, bounce("hard"), arrives(20)),
		st.event(clicked, 7, func(e *schemas.Event) {
			e.URL, e.ListID, e.Tags, e.Metadata = "https://shop.example/", "7", []string{"vip"}, map[string]string{"a": "1", "b": "2"}
		}),
	} {
		s.add(&e, factsOf(&e))
	}
	s.setFired("discount", true)
	s.folded = folded{events: 3, lastEventAt: base, lastArrivedAt: base + 1, timeSuspect: true,
		windows: []foldedWindow{{start: base, opens: 3, humanOpens: 2, other: 1}}}
	return s
}

func TestStateRoundTrip(t *testing.T) {
	want := sampleState()
	var got state
	if err := got.decode(want.append(nil)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// A state of other messages leaves nothing behind in reused memory.
	if err := got.decode((&state{}).append(nil)); err != nil || len(got.facts)+len(got.events)+len(got.fired) != 0 {
		t.Errorf("empty state: %+v, %v", got, err)
	}
}

func TestStateCutOff(t *testing.T) {
	b := sampleState().append(nil)
	for i := range b {
		if err := new(state).decode(b[:i]); err == nil {
			t.Errorf("no error at %d of %d bytes", i, len(b))
		}
	}
	if err := new(state).decode(append(b, 0)); err == nil {
		t.Error("no error with a byte left over")
	}
}

func FuzzState(f *testing.F) {
	f.Add(sampleState().append(nil))
	f.Add((&state{}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, again state
		if s.decode(b) != nil {
			return
		}
		if err := again.decode(s.append(nil)); err != nil {
			t.Errorf("decoding what was encoded: %v", err)
		}
	})
}

func TestBounds(t *testing.T) {
	if got := boundText(strings.Repeat("ä", 600) + "x"); got != strings.Repeat("ä", 512) {
		t.Errorf("%d bytes", len(got))
	}
	if got := boundText("x" + strings.Repeat("ä", 600)); len(got) != 1023 {
		t.Errorf("%d bytes, want no half character", len(got))
	}
	if got := boundTags([]string{strings.Repeat("x", 4000), "y", strings.Repeat("z", 100)}); len(got) != 2 {
		t.Errorf("%d tags", len(got))
	}
	got := boundMetadata(map[string]string{"a": strings.Repeat("x", 3000), "b": strings.Repeat("x", 3000), "c": ""})
	if len(got) != 1 || got["a"] == "" {
		t.Errorf("%d entries", len(got))
	}
}

func TestWindowStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := schemas.Timestamp(rapid.Int64Range(-1e15, 1e15).Draw(t, "at"))
		if s := windowStart(at); s > at || at-s >= 300_000_000 || s%300_000_000 != 0 {
			t.Fatalf("window of %d starts at %d", at, s)
		}
	})
}
