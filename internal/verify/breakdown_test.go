package verify

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/internal/links"
	"github.com/posthorn/posthorn/schemas"
)

// What is worked out here on its own says the same as what the processor uses.
func TestOwnRulesAgreeWithTheSchemas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ms := rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, 1<<45)).Draw(rt, "ms")
		if got, want := delayBucket(ms), schemas.DelayValue(ms); got != want {
			rt.Errorf("a delay of %d ms: %s, want %s", ms, got, want)
		}
		age := rapid.OneOf(rapid.Int64Range(-7200e6, 7200e6), rapid.Int64Range(0, 4000*3600e6)).Draw(rt, "age")
		if got, want := ageBucket(schemas.Timestamp(age)), schemas.AgeValue(time.Duration(age)*time.Microsecond); got != want {
			rt.Errorf("an age of %d µs: %s, want %s", age, got, want)
		}
		link := rapid.OneOf(
			rapid.StringOfN(rapid.SampledFrom([]rune("ab:/?#&=@%40é\n")), 0, 60, -1),
			rapid.StringMatching(`https?://([a-z]{1,3}(:[a-z])?@){0,2}[a-z]{1,4}\.ex(/[a-z@:/]{0,8})?(\?[a-z]=([a-f0-9]{0,40}|x%40y|x@y)(&[a-z]=?){0,3})?(#[a-z?]{0,4})?`),
		).Draw(rt, "link")
		if got, want := impersonal(link), links.Redact(link); got != want {
			rt.Errorf("the link %q: %q, want %q", link, got, want)
		}
	})
	for _, hours := range schemas.AgeHours() {
		for _, off := range []int64{-1, 0, 1} {
			age := hours*3600e6 + off
			if got, want := ageBucket(schemas.Timestamp(age)), schemas.AgeValue(time.Duration(age)*time.Microsecond); got != want {
				t.Errorf("%d hours and %d µs: %s, want %s", hours, off, got, want)
			}
		}
	}
}

// A message worked by hand: its cells, and what of it is of people.
func TestCellsOfAMessage(t *testing.T) {
	noon := schemas.FromTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	n := byte(0)
	event := func(kind schemas.EventType, after time.Duration, change func(*schemas.Event)) *schemas.Event {
		n++
		at := noon + micros(after)
		e := &schemas.Event{
			EventID: schemas.ID{n}, Tenant: "t", Account: "a", Source: "s2", Type: kind, MessageID: "m", CampaignID: "c",
			Recipient: "Ada@Example.org", RecipientID: schemas.ID{9}, RecipientDomain: "example.org", OccurredAt: at, ArrivedAt: at,
		}
		if change != nil {
			change(e)
		}
		return e
	}
	click := func(link string, index int32) func(*schemas.Event) {
		return func(e *schemas.Event) {
			e.URL, e.LinkIndex, e.Country, e.ClientName, e.ClientOS, e.DeviceType = link, index, "FR", "Chrome", "Windows", "desktop"
			e.Machine = schemas.MachineHuman
		}
	}
	events := []*schemas.Event{
		event(schemas.EventTypeDelivered, 0, func(e *schemas.Event) { e.Source = "s1" }),
		event(schemas.EventTypeOpened, time.Second, func(e *schemas.Event) { e.Machine = schemas.MachineMachine }),
		event(schemas.EventTypeClicked, 2*time.Second, click("https://shop.example/a?u=x@y#f", 1)), // sooner than a person
		event(schemas.EventTypeOpened, 61*time.Minute, func(e *schemas.Event) {
			e.Machine, e.Country, e.ClientName = schemas.MachineProxy, "DE", "Gmail image proxy"
		}),
		event(schemas.EventTypeClicked, 62*time.Minute, click("https://shop.example/a?u=z@y", 1)),
		event(schemas.EventTypeClicked, 63*time.Minute, click("https://shop.example/a?u=z@y", 2)),
		event(schemas.EventTypeUnsubscribed, 13*time.Hour, func(e *schemas.Event) { e.ListID = "7" }),
		event(schemas.EventTypeBounced, 49*time.Hour, func(e *schemas.Event) { e.BounceClass, e.RejectReason = "soft", "timed_out" }),
	}
	v := &verifier{cfg: Config{Retention: 90 * 24 * time.Hour}}
	m := derive(keyOf(events[0]), events, nil)
	all := &bucketSums{campaigns: map[windowKey]*schemas.Counters{}, cells: cellSums{}}
	lifetime := v.contribute(all, m, events, nil)
	all.cells.countDays(m, events, nil, lifetime)

	type c = schemas.Counters
	life := c{Messages: 1, SoftBounced: 1, LateBounces: 1, Opened: 1, HumanOpened: 1, Opens: 2, HumanOpens: 1, Clicked: 1, HumanClicked: 1,
		Clicks: 3, HumanClicks: 2, Unsubscribed: 1, Unsubscribes: 1, OpenDelays: 1, OpenDelayMS: 1000, ClickDelays: 1, ClickDelayMS: 1000}
	both := c{Opens: 0, Clicks: 3, HumanClicks: 2, Clicked: 1, HumanClicked: 1}
	want := map[string]c{
		"domain c example.org":                        life,
		"domain  example.org":                         life,
		"reason c example.org bounced/soft/timed_out": {Messages: 1, SoftBounced: 1, LateBounces: 1},
		"link c https://shop.example/a?u=- 1":         {Clicks: 2, HumanClicks: 1, Clicked: 1, HumanClicked: 1},
		"link c https://shop.example/a?u=- 2":         {Clicks: 1, HumanClicks: 1, Clicked: 1, HumanClicked: 1},
		"country c FR":                                both,
		"country c DE":                                {Opens: 1, HumanOpens: 1, Opened: 1, HumanOpened: 1},
		"country c ":                                  {Opens: 1, Opened: 1},
		"client c Chrome":                             both,
		"client c Gmail image proxy":                  {Opens: 1, HumanOpens: 1, Opened: 1, HumanOpened: 1},
		"client c ":                                   {Opens: 1, Opened: 1},
		"os c Windows":                                both,
		"os c ":                                       {Opens: 2, HumanOpens: 1, Opened: 1, HumanOpened: 1},
		"device c desktop":                            both,
		"device c ":                                   {Opens: 2, HumanOpens: 1, Opened: 1, HumanOpened: 1},
		"machine c machine":                           {Opens: 1, Opened: 1, Clicks: 1, Clicked: 1},
		"machine c proxy":                             {Opens: 1, Opened: 1},
		"machine c human":                             {Clicks: 2, Clicked: 1},
		"open_delay c 992":                            {Opened: 1},      // 1000 ms: 62 buckets of 16 ms
		"open_delay c 3604480":                        {HumanOpened: 1}, // 3660000 ms: 55 of 65536
		"click_delay c 992":                           {Clicked: 1},
		"click_delay c 59392":                         {HumanClicked: 1}, // 60000 ms: 58 of 1024
		"age c sent":                                  {Messages: 1, SoftBounced: 1, LateBounces: 1},
		"age c 0":                                     {Opens: 1, Opened: 1, Clicks: 1, Clicked: 1},
		"age c 1":                                     {Opens: 1, HumanOpens: 1, HumanOpened: 1, Clicks: 2, HumanClicks: 2, HumanClicked: 1},
		"age c 12":                                    {Unsubscribed: 1, Unsubscribes: 1},
		"path c delivered+opened+human_opened+clicked+human_clicked+unsubscribed": {Messages: 1},
	}
	got := map[string]c{}
	for k, n := range all.cells {
		switch {
		case !ofWindows(k.dimension):
			name := fmt.Sprintf("%s %s %s", k.dimension, k.campaign, k.value)
			if k.detail != "" {
				name += " " + k.detail
			}
			got[name] = *n
			if k.start != noon-12*3600*1e6 || k.basis != "send_time" || k.tenant != "t" {
				t.Errorf("%s: cell %+v", name, k)
			}
		case k.basis == "lifetime" && *n != life:
			t.Errorf("%+v: %+v", k, *n)
		}
	}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s: %+v, want %+v", name, got[name], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("cells %q", slices.Sorted(maps.Keys(got)))
	}
	// What is above campaigns counts what the campaign does.
	for _, scope := range []cellKey{{dimension: "tenant"}, {dimension: "account", value: "a"}, {dimension: "source", value: "s1"}, {dimension: "list", value: "7"}} {
		for k, n := range all.campaigns {
			scope.tenant, scope.basis, scope.start = "t", k.basis.String(), k.start
			if c := all.cells[scope]; c == nil || *c != *n {
				t.Errorf("%+v: %+v, want %+v", scope, c, *n)
			}
		}
	}
	var p = people{}
	p.add(&derived{message: m, events: events}, events, lifetime)
	who := p[recipientKey{"t", schemas.ID{9}}]
	wantPerson := schemas.RecipientDelta{RecipientID: schemas.ID{9}, RecipientDomain: "example.org", Counters: life,
		FirstEventAt: noon, LastEventAt: noon + micros(49*time.Hour), LastSentAt: noon,
		LastOpenedAt: noon + micros(61*time.Minute), LastClickedAt: noon + micros(63*time.Minute)}
	if who == nil || who.wanted != wantPerson {
		t.Errorf("%+v", who)
	}
	for _, e := range events {
		e.Recipient = ""
	}
	if p := (people{}); len(p) == 0 {
		p.add(&derived{message: m, events: events}, events, lifetime)
		if len(p) != 0 {
			t.Error("a message without an address is of somebody")
		}
	}
}
