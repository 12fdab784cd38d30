package engagement

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// by has an event tell who acted, and with what.
func by(country, client, os, device string) func(*schemas.Event) {
	return func(e *schemas.Event) {
		e.Country, e.ClientName, e.ClientOS, e.DeviceType = country, client, os, device
	}
}

func linkTo(url string, index int32) func(*schemas.Event) {
	return func(e *schemas.Event) { e.URL, e.LinkIndex = url, index }
}

func from(source, list string) func(*schemas.Event) {
	return func(e *schemas.Event) { e.Source, e.ListID = source, list }
}

// noon is when stories begin; midnight, where their day does.
var midnight = base - schemas.Timestamp((12 * time.Hour).Microseconds())

// cell is a cell by day of the campaign spring, as text: dimension, value and
// detail.
type dayCell struct{ dimension, value, detail string }

// dayCellsOf are the cells of a day of a campaign; zero: of no known send.
func (h *harness) dayCellsOf(campaign string, day schemas.Timestamp) map[dayCell]schemas.Counters {
	cells := map[dayCell]schemas.Counters{}
	for k, c := range h.out.cells {
		if k.campaign == campaign && k.start == day && k.basis == schemas.BasisSendTime && k.dimension >= schemas.DimensionDomain {
			cells[dayCell{k.dimension.String(), k.value, k.detail}] = c
		}
	}
	return cells
}

func compareCells(t *testing.T, got, want map[dayCell]schemas.Counters) {
	t.Helper()
	for k, c := range want {
		if got[k] != c {
			t.Errorf("%v\n got %+v\nwant %+v", k, got[k], c)
		}
	}
	for k, c := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%v: %+v, want none", k, c)
		}
	}
}

// Every dimension by hand, of one message that is opened by a proxy, clicked twice
// and complained about days later.
func TestBreakdownGolden(t *testing.T) {
	type c = schemas.Counters
	const m, h = time.Minute, time.Hour
	s := &story{}
	hs := newHarness(t, nil)
	shop := "https://shop.example/sale?mail=ada%40example.org"
	for _, e := range []schemas.Event{
		s.event(schemas.EventTypeSent, 0, from("main", "")),
		s.event(delivered, m, from("main", "newsletter")),
		s.event(opened, 3*m, by("FR", "Gmail image proxy", "", "webmail"), func(e *schemas.Event) { e.Machine = schemas.MachineProxy }),
		s.event(opened, 90*m, byMachine),
		s.event(clicked, 2*h, by("FR", "Chrome", "Android", "mobile"), linkTo(shop, 2), func(e *schemas.Event) { e.Machine = schemas.MachineHuman }),
		s.event(clicked, 30*h, by("DE", "Chrome", "Windows", "desktop"), linkTo(shop+"#top", 2)),
		s.event(clicked, 31*h, byMachine, linkTo("https://shop.example/", 0)),
		s.event(schemas.EventTypeUnsubscribed, 49*h),
		s.event(schemas.EventTypeComplained, 8*24*h),
	} {
		hs.process(e)
		hs.commit()
	}
	all := c{Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 2, HumanOpens: 1, Clicked: 1, HumanClicked: 1, Clicks: 3, HumanClicks: 2,
		Unsubscribed: 1, Unsubscribes: 1, Complained: 1, Complaints: 1, OpenDelays: 1, OpenDelayMS: 120_000, ClickDelays: 1, ClickDelayMS: 7_020_000}
	compareCells(t, hs.dayCellsOf("spring", midnight), map[dayCell]c{
		{"domain", "example.org", ""}:                     all,
		{"link", "https://shop.example/sale?mail=-", "2"}: {Clicks: 2, HumanClicks: 2, Clicked: 1, HumanClicked: 1},
		{"link", "https://shop.example/", ""}:             {Clicks: 1, Clicked: 1},
		{"country", "FR", ""}:                             {Opens: 1, HumanOpens: 1, Clicks: 1, HumanClicks: 1, Opened: 1, HumanOpened: 1, Clicked: 1, HumanClicked: 1},
		{"country", "DE", ""}:                             {Clicks: 1, HumanClicks: 1, Clicked: 1, HumanClicked: 1},
		{"country", "", ""}:                               {Opens: 1, Opened: 1, Clicks: 1, Clicked: 1},
		{"client", "Gmail image proxy", ""}:               {Opens: 1, HumanOpens: 1, Opened: 1, HumanOpened: 1},
		{"client", "Chrome", ""}:                          {Clicks: 2, HumanClicks: 2, Clicked: 1, HumanClicked: 1},
		{"client", "", ""}:                                {Opens: 1, Opened: 1, Clicks: 1, Clicked: 1},
		{"os", "Android", ""}:                             {Clicks: 1, HumanClicks: 1, Clicked: 1, HumanClicked: 1},
		{"os", "Windows", ""}:                             {Clicks: 1, HumanClicks: 1, Clicked: 1, HumanClicked: 1},
		{"os", "", ""}:                                    {Opens: 2, HumanOpens: 1, Opened: 1, HumanOpened: 1, Clicks: 1, Clicked: 1},
		{"device", "webmail", ""}:                         {Opens: 1, HumanOpens: 1, Opened: 1, HumanOpened: 1},
		{"device", "mobile", ""}:                          {Clicks: 1, HumanClicks: 1, Clicked: 1, HumanClicked: 1},
		{"device", "desktop", ""}:                         {Clicks: 1, HumanClicks: 1, Clicked: 1, HumanClicked: 1},
		{"device", "", ""}:                                {Opens: 1, Opened: 1, Clicks: 1, Clicked: 1},
		{"machine", "proxy", ""}:                          {Opens: 1, Opened: 1},
		{"machine", "human", ""}:                          {Clicks: 1, Clicked: 1},
		{"machine", "unknown", ""}:                        {Clicks: 1, Clicked: 1},
		{"machine", "machine", ""}:                        {Opens: 1, Opened: 1, Clicks: 1, Clicked: 1},
		// Two minutes, and 1 h 57 min: where buckets begin that are at most a 32nd wide.
		{"open_delay", "118784", ""}:   {Opened: 1, HumanOpened: 1},
		{"click_delay", "6946816", ""}: {Clicked: 1, HumanClicked: 1},
		{"age", "sent", ""}:            {Messages: 1, Delivered: 1},
		{"age", "0", ""}:               {Opens: 1, HumanOpens: 1, Opened: 1, HumanOpened: 1},
		{"age", "1", ""}:               {Opens: 1},
		{"age", "2", ""}:               {Clicks: 1, HumanClicks: 1, Clicked: 1, HumanClicked: 1},
		{"age", "24", ""}:              {Clicks: 2, HumanClicks: 1},
		{"age", "48", ""}:              {Unsubscribes: 1, Unsubscribed: 1},
		{"age", "168", ""}:             {Complaints: 1, Complained: 1},
		{"path", "delivered+opened+human_opened+clicked+human_clicked+unsubscribed+complained", ""}: {Messages: 1},
	})
	compareCells(t, hs.dayCellsOf("", midnight), map[dayCell]c{{"domain", "example.org", ""}: all})
	// The list became known with the delivery, and all the message counted before
	// moved there.
	for _, k := range []cellKey{
		{dimension: schemas.DimensionTenant}, {dimension: schemas.DimensionAccount, value: "main"},
		{dimension: schemas.DimensionSource, value: "main"}, {dimension: schemas.DimensionList, value: "newsletter"},
	} {
		k.tenant = "default"
		if hs.out.cells[k] != all {
			t.Errorf("%s %q: lifetime %+v", k.dimension, k.value, hs.out.cells[k])
		}
		k.basis, k.start = schemas.BasisEventTime, at(2*h)
		if want := (c{Clicks: 1, HumanClicks: 1, Clicked: 1, HumanClicked: 1, ClickDelays: 1, ClickDelayMS: 7_020_000}); hs.out.cells[k] != want {
			t.Errorf("%s %q: by event %+v, want %+v", k.dimension, k.value, hs.out.cells[k], want)
		}
		k.basis, k.start = schemas.BasisSendTime, at(0)
		if hs.out.cells[k] != all {
			t.Errorf("%s %q: by send %+v", k.dimension, k.value, hs.out.cells[k])
		}
	}
	want := map[recipientKey]recipientSum{{"default", schemas.ID{7}}: {domain: "example.org", counters: all,
		firstEvent: at(0), lastEvent: at(8 * 24 * h), lastSent: at(0), lastOpen: at(90 * m), lastClick: at(31 * h)}}
	if !maps.Equal(hs.out.recipients, want) {
		t.Errorf("recipients\n got %+v\nwant %+v", hs.out.recipients, want)
	}
}

// What becomes of messages that are not delivered. One whose send is unknown is of
// the day of its first event.
func TestBreakdownOutcomes(t *testing.T) {
	type c = schemas.Counters
	for _, tt := range []struct {
		name   string
		events func(*story) []schemas.Event
		day    schemas.Timestamp
		want   map[dayCell]c
	}{
		{"hard bounce without send", func(s *story) []schemas.Event { return []schemas.Event{s.event(bounced, 0, bounce("hard"))} }, midnight, map[dayCell]c{
			{"age", "sent", ""}:                               {Messages: 1, HardBounced: 1},
			{"domain", "example.org", ""}:                     {Messages: 1, HardBounced: 1},
			{"reason", "example.org", "bounced/hard/bounced"}: {Messages: 1, HardBounced: 1},
			{"path", "none", ""}:                              {Messages: 1},
		}},
		{"late soft bounce", func(s *story) []schemas.Event {
			return []schemas.Event{s.event(delivered, 0), s.event(bounced, time.Hour, bounce("block"))}
		}, midnight, map[dayCell]c{
			{"domain", "example.org", ""}:                      {Messages: 1, SoftBounced: 1, LateBounces: 1},
			{"reason", "example.org", "bounced/block/bounced"}: {Messages: 1, SoftBounced: 1, LateBounces: 1},
			{"age", "sent", ""}:                                {Messages: 1, SoftBounced: 1, LateBounces: 1},
			{"path", "delivered", ""}:                          {Messages: 1},
		}},
		{"rejected, without domain", func(s *story) []schemas.Event {
			return []schemas.Event{
				s.event(schemas.EventTypeQueued, 0, func(e *schemas.Event) { e.RecipientDomain = "" }),
				s.event(schemas.EventTypeRejected, time.Minute, bounce(""), func(e *schemas.Event) { e.RecipientDomain = "" }),
			}
		}, midnight, map[dayCell]c{
			{"domain", "", ""}:                  {Messages: 1, Rejected: 1},
			{"reason", "", "rejected//bounced"}: {Messages: 1, Rejected: 1},
			{"age", "sent", ""}:                 {Messages: 1, Rejected: 1},
			{"path", "none", ""}:                {Messages: 1},
		}},
		{"domain with capitals, deferred", func(s *story) []schemas.Event {
			return []schemas.Event{s.event(schemas.EventTypeDeferred, 0, func(e *schemas.Event) { e.RecipientDomain = "Example.ORG" })}
		}, midnight, map[dayCell]c{
			{"age", "sent", ""}:           {Messages: 1, Deferred: 1},
			{"domain", "example.org", ""}: {Messages: 1, Deferred: 1},
			{"path", "none", ""}:          {Messages: 1},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, nil)
			for _, e := range tt.events(&story{}) {
				h.process(e)
				h.commit()
			}
			compareCells(t, h.dayCellsOf("spring", tt.day), tt.want)
			for k := range h.out.cells {
				if k.dimension >= schemas.DimensionDomain && k.start != tt.day {
					t.Errorf("a cell on another day: %v", k)
				}
			}
		})
	}
}

// A delivery that comes late makes the click before it a machine's, and names its
// campaign: what was counted of the click is taken back where it was.
func TestBreakdownRevised(t *testing.T) {
	type c = schemas.Counters
	s := &story{}
	h := newHarness(t, nil)
	h.process(s.event(clicked, 14*time.Hour, linkTo("https://shop.example/", 1), by("FR", "Chrome", "Windows", "desktop"), noCampaign, arrives(15*time.Hour)))
	h.commit()
	human := c{Clicks: 1, HumanClicks: 1, Clicked: 1, HumanClicked: 1}
	before := h.dayCellsOf("-", midnight+dayLength)
	if before[dayCell{"link", "https://shop.example/", "1"}] != human || before[dayCell{"machine", "unknown", ""}] != (c{Clicks: 1, Clicked: 1}) {
		t.Fatalf("before: %+v", before)
	}
	h.process(s.event(delivered, 14*time.Hour-time.Second, arrives(16*time.Hour)))
	h.commit()
	machine := c{Clicks: 1, Clicked: 1}
	compareCells(t, h.dayCellsOf("-", midnight+dayLength), nil)
	compareCells(t, h.dayCellsOf("spring", midnight+dayLength), map[dayCell]c{
		{"domain", "example.org", ""}:          {Messages: 1, Delivered: 1, Clicks: 1, Clicked: 1},
		{"link", "https://shop.example/", "1"}: machine,
		{"country", "FR", ""}:                  machine,
		{"client", "Chrome", ""}:               machine,
		{"os", "Windows", ""}:                  machine,
		{"device", "desktop", ""}:              machine,
		{"machine", "machine", ""}:             machine,
		{"age", "sent", ""}:                    {Messages: 1, Delivered: 1},
		{"age", "0", ""}:                       machine,
		{"path", "delivered+clicked", ""}:      {Messages: 1},
	})
	// Of versions of an event the one that arrived first counts: it was by another
	// client, and came by another source.
	e := s.event(clicked, 14*time.Hour, linkTo("https://shop.example/", 1), by("DE", "Firefox", "Windows", "desktop"), from("backup", ""), arrives(14*time.Hour+time.Minute))
	e.EventID = schemas.ID{1}
	h.process(e)
	h.commit()
	got := h.dayCellsOf("spring", midnight+dayLength)
	if got[dayCell{"country", "DE", ""}] != machine || got[dayCell{"client", "Firefox", ""}] != machine || got[dayCell{"country", "FR", ""}] != (c{}) {
		t.Errorf("after an earlier version: %+v", got)
	}
	if n := h.out.cells[cellKey{tenant: "default", dimension: schemas.DimensionSource, value: "backup"}]; n.Messages != 1 {
		t.Errorf("the source counts %+v", n)
	}
}

// Nobody is known without an address: no recipient, but all the rest.
func TestBreakdownWithoutAddress(t *testing.T) {
	s := &story{}
	h := newHarness(t, nil)
	h.process(s.event(delivered, 0, func(e *schemas.Event) { e.Recipient, e.RecipientDomain = "", "" }))
	h.commit()
	if len(h.out.recipients) != 0 || h.dayCellsOf("spring", midnight)[dayCell{"domain", "", ""}].Messages != 1 {
		t.Errorf("recipients %+v, cells %+v", h.out.recipients, h.out.cells)
	}
	h.process(s.event(opened, time.Minute))
	h.commit()
	if got := h.out.recipients[recipientKey{"default", schemas.ID{7}}].counters; got.Messages != 1 || got.Opens != 1 {
		t.Errorf("once the address is known: %+v", got)
	}
}

// Many cells and recipients are cut into records of bounded size, of which each
// says all of its cells once.
func TestBreakdownRecords(t *testing.T) {
	h := newHarness(t, nil)
	const n = 2*maxRecipients + 5
	for i := range n {
		e := (&story{}).event(clicked, 0, linkTo(fmt.Sprintf("https://shop.example/%d/%s", i, strings.Repeat("x", i%700)), 1))
		e.EventID, e.RecipientID = schemas.ID{1, byte(i), byte(i >> 8)}, schemas.ID{byte(i), byte(i >> 8), 1}
		h.process(e)
	}
	if err := h.driver.Commit(); err != nil {
		t.Fatal(err)
	}
	records, cells, recipients := 0, map[string]bool{}, map[schemas.ID]bool{}
	h.driver.Out = take(h.driver.Out, schemas.TopicBreakdownDeltas)
	for _, rec := range h.driver.Out {
		var d schemas.BreakdownDelta
		h.decode(rec, &d)
		records++
		if len(rec.Value) > 2<<20 || len(d.Cells) > maxCells || len(d.Recipients) > maxRecipients {
			t.Errorf("a record of %d bytes, %d cells and %d recipients", len(rec.Value), len(d.Cells), len(d.Recipients))
		}
		for _, c := range d.Cells {
			if c.Dimension == schemas.DimensionLink {
				cells[c.Value] = true
			}
		}
		for _, r := range d.Recipients {
			recipients[r.RecipientID] = true
		}
	}
	if len(cells) != n || len(recipients) != n || records < n/maxCells+2 {
		t.Errorf("%d records, %d links, %d recipients of %d", records, len(cells), len(recipients), n)
	}
}

func take(records []*kgo.Record, topic string) (of []*kgo.Record) {
	for _, rec := range records {
		if rec.Topic == topic {
			of = append(of, rec)
		}
	}
	return of
}

// The same transaction is the same records, in the same order.
func TestBreakdownOrder(t *testing.T) {
	events := acts(3, 20)
	var first []string
	for range 5 {
		h := newHarness(t, nil)
		h.process(events...)
		if err := h.driver.Commit(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, rec := range take(h.driver.Out, schemas.TopicBreakdownDeltas) {
			got = append(got, string(rec.Value))
		}
		if first == nil {
			first = got
		}
		if len(got) == 0 || strings.Join(got, "|") != strings.Join(first, "|") {
			t.Fatal("the records differ")
		}
	}
}
