package trigger

import (
	"math/bits"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

const threeClicks = "count: {event: clicked, times: 3, duration: 10m, per: recipient}"

func TestJudgeCount(t *testing.T) {
	click := func(id byte, d time.Duration) Event { return ev(id, clicked, d) }
	for _, tt := range []struct {
		name, fields string
		events       []Event
		want         string
	}{
		{"none", "", nil, ""},
		{"two", "", []Event{click(1, 0), click(2, 0)}, ""},
		{"three", "", []Event{click(1, 0), click(2, 5*minute), click(3, 10*minute)}, "once[3] 10m0s 10m0s fired"},
		{"three, too slow", "", []Event{click(1, 0), click(2, 5*minute), click(3, 10*minute+time.Microsecond)}, ""},
		{"three of four", "", []Event{click(1, 0), click(2, 5*minute), click(3, 11*minute), click(4, 12*minute)}, "once[4] 12m0s 12m0s fired"},
		{"at once", "", []Event{click(3, 0), click(1, 0), click(2, 0)}, "once[3] 0s 0s fired"},
		{"the first late", "", []Event{arrived(click(1, 0), hour), click(2, minute), click(3, 2*minute)}, "once[3] 2m0s 1h0m0s fired"},
		{"the first late, but a fourth", "", []Event{arrived(click(1, 0), hour), click(2, minute), click(3, 2*minute), click(4, 3*minute)}, "once[4] 3m0s 3m0s fired"},
		{"every hour", "\ncooldown: 1h", []Event{click(1, 0), click(2, 0), click(3, 0), click(4, 58*minute), click(5, 59*minute), click(6, hour)},
			"1772366400000000[3] 0s 0s fired; 1772370000000000[6] 1h0m0s 1h0m0s fired"},
		{"shadow", "\nmode: shadow", []Event{click(1, 0), click(2, 0), click(3, 0)}, "once[3] 0s 0s shadow"},
		{"skip", "\nactive: {from: \"12:05\", to: \"13:00\", outside: skip}", []Event{click(1, 0), click(2, minute), click(3, 2*minute), click(4, 5*minute)}, "once[4] 5m0s 5m0s fired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := mustRule(t, threeClicks+tt.fields)
			var counted []Counted
			for i := range tt.events {
				counted = append(counted, CountedOf(&tt.events[i]))
			}
			slices.Reverse(counted)
			if got := outline(r.JudgeCount(counted)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestJudgeCountOnceKeys counts events of several once-per keys together.
func TestJudgeCountOnceKeys(t *testing.T) {
	r := mustRule(t, "count: {event: clicked, times: 2, duration: 1h, per: message}\nonce_per: campaign")
	of := func(id byte, key string) Counted {
		e := ev(id, clicked, time.Duration(id)*minute)
		c := CountedOf(&e)
		c.OnceKey, c.NoKey = key, key == ""
		return c
	}
	for _, tt := range []struct {
		name    string
		counted []Counted
		want    string
	}{
		{"each key", []Counted{of(1, "a"), of(2, "b"), of(3, "a"), of(4, "b")}, "once[2] 2m0s 2m0s fired; once[3] 3m0s 3m0s fired"},
		{"without a key it counts and completes nothing", []Counted{of(1, "a"), of(2, ""), of(3, "a")}, "once[3] 3m0s 3m0s fired"},
		{"no key", []Counted{of(1, ""), of(2, "")}, ""},
	} {
		if got := outline(r.JudgeCount(tt.counted)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestJudgeCountOracle tries all sets of events.
func TestJudgeCountOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := mustRule(t, "count: {event: clicked, times: 3, duration: 2m}")
		events := drawEvents(t, 8)
		var counted []Counted
		for i := range events {
			counted = append(counted, CountedOf(&events[i]))
		}
		type window struct{ arrived, at schemas.Timestamp }
		best, found := window{}, false
		for set := range 1 << len(events) {
			if bits.OnesCount(uint(set)) != r.Times {
				continue
			}
			var chosen []Event
			for i, e := range events {
				if set&(1<<i) != 0 {
					chosen = append(chosen, e)
				}
			}
			w, first := window{}, chosen[0].At()
			for i := range chosen {
				w.arrived, w.at, first = max(w.arrived, chosen[i].ArrivedAt), max(w.at, chosen[i].At()), min(first, chosen[i].At())
			}
			if w.at-first <= micros(r.Duration) && (!found || w.arrived < best.arrived || w.arrived == best.arrived && w.at < best.at) {
				best, found = w, true
			}
		}
		firings := r.JudgeCount(counted)
		if len(firings) == 1 != found || found && (firings[0].At != best.at || firings[0].ArrivedAt != best.arrived) {
			t.Fatalf("got %s, want %v", outline(firings), best)
		}
	})
}

func TestCountsEvent(t *testing.T) {
	const bounces = "rate: {event: bounced, of: [delivered, bounced], above: 5%, duration: 10m}"
	bounced := schemas.EventTypeBounced
	for _, tt := range []struct {
		name, rule string
		event      Event
		hit, base  bool
	}{
		{"hit", bounces, ev(1, bounced, 0), true, true},
		{"base", bounces, ev(1, delivered, 0), false, true},
		{"neither", bounces, ev(1, opened, 0), false, false},
		{"old", bounces, arrived(ev(1, bounced, 0), 49*hour), false, false},
		{"just not old", bounces, arrived(ev(1, bounced, 0), 48*hour), true, true},
		{"condition", bounces + "\nwhen: event.bounce_class == \"hard\"", ev(1, bounced, 0), false, false},
		{"click", threeClicks, ev(1, clicked, 0), true, false},
		{"a machine's", threeClicks, machine(ev(1, clicked, 0)), false, false},
		{"a machine's too", threeClicks + "\nhuman_only: false", machine(ev(1, clicked, 0)), true, false},
	} {
		if hit, base := mustRule(t, tt.rule).CountsEvent(message(), &tt.event); hit != tt.hit || base != tt.base {
			t.Errorf("%s: hit %t, base %t", tt.name, hit, base)
		}
	}
}

func TestJudgeWindow(t *testing.T) {
	const rate = "rate: {event: bounced, of: [delivered, bounced], above: 5%, clear_below: 3%, duration: 10m, minimum: 200}"
	const count = "count: {event: complained, times: 100, duration: 1h, per: campaign}"
	for _, tt := range []struct {
		rule       string
		raised     bool
		hits, base int64
		now, fires bool
	}{
		{rate, false, 11, 200, true, true},
		{rate, false, 10, 200, false, false}, // just 5%
		{rate, false, 199, 199, false, false},
		{rate, false, 0, 0, false, false},
		{rate, true, 11, 200, true, false},
		{rate, true, 7, 200, true, false},
		{rate, true, 6, 200, false, true}, // just 3%
		{rate, true, 1, 10, true, false},
		{rate, true, 0, 0, false, true},
		{count, false, 99, 0, false, false},
		{count, false, 100, 0, true, true},
		{count, true, 100, 0, true, true},
	} {
		if now, fires := mustRule(t, tt.rule).JudgeWindow(tt.raised, tt.hits, tt.base); now != tt.now || fires != tt.fires {
			t.Errorf("%s, raised %t, %d of %d: %t, fires %t", tt.rule, tt.raised, tt.hits, tt.base, now, fires)
		}
	}
}

func TestWindowFiring(t *testing.T) {
	r := mustRule(t, "rate: {event: bounced, of: delivered, above: 5%, duration: 10m}\nactive: {from: \"13:00\", to: \"14:00\"}\ncall: ops")
	f := r.WindowFiring(base, true, 7, 100)
	got := f.Record(&Message{Tenant: "default", CampaignID: "spring", MessageID: "m", Recipient: "a@example.org", RecipientID: schemas.ID{1}}, "spring")
	want := &schemas.Trigger{
		TriggerID: ID("default", "r", "spring", "raised@1772366400000000"), Tenant: "default", Rule: "r", RuleVersion: r.Version, Kind: "rate",
		OncePer: "campaign", CampaignID: "spring", OccurredAt: base, ArrivedAt: base, Occurrence: "raised@1772366400000000", State: "raised",
		NotBefore: at(hour), WindowStart: at(-10 * minute), WindowEnd: base, Hits: 7, Base: 100, Endpoint: "ops",
	}
	if string(got.AppendAvro(nil)) != string(want.AppendAvro(nil)) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if f := r.WindowFiring(base, false, 0, 0); f.Occurrence != "cleared@1772366400000000" || f.State != StateCleared {
		t.Errorf("cleared: %+v", f)
	}
	count := mustRule(t, "count: {event: complained, times: 100, duration: 1h, per: campaign}\ncooldown: 1d")
	if f := count.WindowFiring(base, true, 100, 0); f.Occurrence != "1772323200000000" || f.State != "" {
		t.Errorf("count: %+v", f)
	}
}
