package engagement

import (
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// Two lives of a message count twice, also where an event makes them one and they
// are taken back.
func TestBreakdownLives(t *testing.T) {
	s := &story{}
	h := newHarnessOf(t, shortTimes)
	sent, click := s.event(delivered, 0), s.event(clicked, time.Hour, linkTo("u", 1))
	h.process(sent, click, again(sent, 7*day), again(click, 7*day))
	h.commit()
	linked := dayCell{"link", "u", "1"}
	if n := h.dayCellsOf("spring", midnight)[linked]; n.Clicked != 2 || n.Clicks != 2 {
		t.Errorf("two lives: %+v", n)
	}
	h.process(again(sent, 4*day)) // it lies between them
	h.commit()
	if n := h.dayCellsOf("spring", midnight)[linked]; n.Clicked != 1 || n.Clicks != 1 {
		t.Errorf("one life: %+v", n)
	}
	if n := h.out.recipients[recipientKey{"default", schemas.ID{7}}].counters; n.Messages != 1 || n.Clicks != 1 {
		t.Errorf("recipient: %+v", n)
	}
}

// Folded events count, but nobody knows any more by what: the same in any order.
func TestBreakdownFolded(t *testing.T) {
	type c = schemas.Counters
	s := &story{}
	events := []schemas.Event{s.event(delivered, 0, from("main", ""))}
	add := func(n int, kind schemas.EventType, after time.Duration, change ...func(*schemas.Event)) {
		for i := range n {
			e := s.event(kind, after+time.Duration(i)*time.Minute, append(change, by("FR", "Chrome", "Windows", "desktop"), from("main", "7"))...)
			e.EventID = schemas.ID{byte(kind), byte(after / time.Hour), byte(i >> 8), byte(i)}
			events = append(events, e)
		}
	}
	add(500, opened, time.Hour, byMachine)
	add(100, opened, 20*time.Hour)
	add(30, clicked, 30*time.Hour, linkTo("https://shop.example/", 1))
	var first map[cellKey]schemas.Counters
	for round := range uint64(3) {
		h := newHarness(t, nil)
		r := rand.New(rand.NewPCG(7, round))
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for i := range events {
			h.process(events[i])
			if r.IntN(100) == 0 {
				h.commit()
			}
		}
		h.process(events...)
		h.commit()
		if first == nil {
			first = h.out.cells
		}
		if !maps.Equal(first, h.out.cells) {
			t.Fatal("the cells depend on the order")
		}
		// Of the clicks the first is kept, because it is the first.
		got := h.dayCellsOf("spring", midnight)
		known, folded := got[dayCell{"country", "FR", ""}], got[dayCell{"country", "", ""}]
		if known.Opens+folded.Opens != 600 || known.HumanOpens+folded.HumanOpens != 100 || known.Clicks+folded.Clicks != 30 ||
			folded.Opens == 0 || folded.HumanOpens == 0 || folded.Clicks != 29 || folded.Opened != 1 || folded.HumanOpened != 1 || folded.Clicked != 1 {
			t.Errorf("country: known %+v, folded %+v", known, folded)
		}
		for k, want := range map[dayCell]c{
			{"country", "", ""}:                    folded,
			{"client", "", ""}:                     folded,
			{"os", "", ""}:                         folded,
			{"device", "", ""}:                     folded,
			{"link", "https://shop.example/", "1"}: {Clicks: 1, HumanClicks: 1, Clicked: 1, HumanClicked: 1},
			{"link", "", ""}:                       {Clicks: 29, HumanClicks: 29, Clicked: 1, HumanClicked: 1},
			{"machine", "unknown", ""}:             {Opens: 100, Opened: 1, Clicks: 30, Clicked: 1},
			{"machine", "machine", ""}:             {Opens: 500, Opened: 1},
			{"age", "24", ""}:                      {Clicks: 30, HumanClicks: 30, Clicked: 1, HumanClicked: 1},
		} {
			if got[k] != want {
				t.Errorf("%v\n got %+v\nwant %+v", k, got[k], want)
			}
		}
		for _, k := range []cellKey{{dimension: schemas.DimensionSource, value: "main"}, {dimension: schemas.DimensionList, value: "7"}} {
			k.tenant = "default"
			if n := h.out.cells[k]; n.Opens != 600 || n.Clicks != 30 || n.Messages != 1 {
				t.Errorf("%s: %+v", k.dimension, n)
			}
		}
	}
}

// Who alone names the source or the list is never folded.
func TestBreakdownFoldedNames(t *testing.T) {
	s := &story{}
	events := []schemas.Event{s.event(delivered, 0)}
	for i := range maxKept + 100 {
		e := s.event(opened, time.Duration(i)*time.Minute)
		e.EventID = schemas.ID{200, byte(i >> 8), byte(i)}
		events = append(events, e)
	}
	events = append(events, s.event(opened, 24*time.Hour, from("main", "")), s.event(opened, 25*time.Hour, from("", "7")))
	h := newHarness(t, nil)
	h.process(events...)
	h.commit()
	for _, k := range []cellKey{{dimension: schemas.DimensionSource, value: "main"}, {dimension: schemas.DimensionList, value: "7"}} {
		k.tenant = "default"
		if n := h.out.cells[k]; n.Messages != 1 || n.Opens != maxKept+102 {
			t.Errorf("%s: %+v", k.dimension, n)
		}
	}
}

// A state of before there were breakdowns contributed to campaigns alone: that is
// what is taken back when it changes, and from then on it counts in all.
func TestBreakdownOfOldState(t *testing.T) {
	st := &story{}
	sent, click := st.event(delivered, 0, from("main", "")), st.event(clicked, time.Hour, linkTo("u", 1))
	m := message{identity: identityOf(&sent)}
	m.state.add(&sent, factsOf(&sent))
	m.state.uncounted = true
	m.state.derive(&m.identity, &m.derived)
	var task task
	task.changes.retention = at(100*day) - base
	campaign := map[schemas.Basis]schemas.Counters{}
	above := map[schemas.Basis]schemas.Counters{}
	var cells []schemas.BreakdownCell
	task.touch(&m)
	m.state.add(&click, factsOf(&click))
	m.state.derive(&m.identity, &m.derived)
	task.changes.add(&m.derived, &m.state)
	task.changes.drain(func(d *schemas.CampaignDelta) {
		for _, w := range d.Windows {
			sum := campaign[w.Basis]
			sum.Add(&w.Counters)
			campaign[w.Basis] = sum
		}
	}, func(d *schemas.BreakdownDelta, _ int) {
		cells = append(cells, d.Cells...)
		for _, c := range d.Cells {
			if c.Dimension == schemas.DimensionTenant {
				sum := above[c.Basis]
				sum.Add(&c.Counters)
				above[c.Basis] = sum
			}
		}
		for _, r := range d.Recipients {
			if r.Counters.Messages != 1 || r.Counters.Clicks != 1 {
				t.Errorf("recipient %+v", r)
			}
		}
	})
	clicked := schemas.Counters{Clicks: 1, HumanClicks: 1, Clicked: 1, HumanClicked: 1}
	all := clicked
	all.Messages, all.Delivered = 1, 1
	for _, basis := range []schemas.Basis{schemas.BasisLifetime, schemas.BasisEventTime, schemas.BasisSendTime} {
		if campaign[basis] != clicked || above[basis] != all {
			t.Errorf("%s: campaign %+v, tenant %+v", basis, campaign[basis], above[basis])
		}
	}
	for _, c := range cells {
		if c.Counters.Messages < 0 || c.Counters.Delivered < 0 {
			t.Errorf("taken back, though never counted: %+v", c)
		}
	}
}
