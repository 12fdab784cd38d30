package campaign

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

func mustRules(t testing.TB, text string) *trigger.Set {
	t.Helper()
	set, err := trigger.Parse("rules.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func at(d time.Duration) schemas.Timestamp { return base + schemas.Timestamp(d.Microseconds()) }

const bounceRule = `rules:
  - name: bounces
    rate: {event: bounced, of: [delivered, bounced], above: 5%, clear_below: 3%, duration: 10m, every: 1m, minimum: 100}
    call: ops
`

const complaintRule = `rules:
  - name: complaints
    count: {event: complained, times: 3, duration: 1h, per: campaign, every: 1m}
    call: ops
`

// ruler drives the stage with rules.
type ruler struct {
	testing.TB
	*streamtest.Driver
	live *trigger.Live
	open []*kgo.Record // of the transaction
}

func newRuler(t testing.TB, rules string) *ruler {
	r := &ruler{TB: t, live: trigger.NewLive(mustRules(t, rules))}
	d, err := streamtest.New(Stage(Config{Serde: serde, Rules: r.live}), 3)
	if err != nil {
		t.Fatal(err)
	}
	r.Driver = d
	return r
}

// counts hands the stage what a rule has counted in a step.
func (r *ruler) counts(campaign, rule string, after time.Duration, hits, base int64) {
	r.Helper()
	r.process(&schemas.CampaignDelta{Tenant: "default", CampaignID: campaign,
		Rules: []schemas.RuleDelta{{Rule: rule, StepAt: at(after), Hits: hits, Base: base}}})
}

func (r *ruler) process(d *schemas.CampaignDelta) {
	r.Helper()
	rec := &kgo.Record{Value: serde.Append(nil, schemas.TopicCampaignDeltas, d), Timestamp: base.Time()}
	r.open = append(r.open, rec)
	if err := r.Process(rec); err != nil {
		r.Fatal(err)
	}
}

// to moves the frontier and commits.
func (r *ruler) to(after time.Duration) {
	r.Helper()
	if err := r.Advance(at(after).Time()); err != nil {
		r.Fatal(err)
	}
	r.open = nil
}

// abort does the open transaction again, after one that failed at its end.
func (r *ruler) abort(after time.Duration) {
	r.Helper()
	r.FailNext()
	if err := r.Advance(at(after).Time()); !errors.Is(err, streamtest.ErrAborted) {
		r.Fatalf("got %v, want an aborted transaction", err)
	}
	for _, rec := range r.open {
		if err := r.Process(rec); err != nil {
			r.Fatal(err)
		}
	}
}

func (r *ruler) restart() {
	r.Helper()
	if err := r.Restart(); err != nil {
		r.Fatal(err)
	}
}

// said returns the triggers that were emitted since the last call, in short.
func (r *ruler) said() string {
	r.Helper()
	var all []string
	for _, tr := range r.triggers() {
		what := tr.State
		if what == "" {
			what = "fired"
		}
		all = append(all, fmt.Sprintf("%s %s %d/%d", what, tr.WindowEnd.Time().Sub(base.Time()), tr.Hits, tr.Base))
	}
	return strings.Join(all, ", ")
}

func (r *ruler) triggers() []schemas.Trigger {
	r.Helper()
	var all []schemas.Trigger
	for _, rec := range r.Take(schemas.TopicTriggers) {
		var tr schemas.Trigger
		if err := serde.Decode(rec.Value, &tr); err != nil {
			r.Fatal(err)
		}
		if want := tr.Tenant + "/" + tr.CampaignID; string(rec.Key) != want || rec.Partition != -1 {
			r.Errorf("trigger with key %s to partition %d, want %s by key", rec.Key, rec.Partition, want)
		}
		all = append(all, tr)
	}
	return all
}

func (r *ruler) expect(want string) {
	r.Helper()
	if got := r.said(); got != want {
		r.Errorf("said %q, want %q", got, want)
	}
}

// kept checks what is left in the store, and of timers beside the sweep's.
func (r *ruler) kept(keys, timers int) {
	r.Helper()
	if got := len(r.State(storeRules)); got != keys {
		r.Errorf("%d keys are kept, want %d", got, keys)
	}
	set := r.Timers()
	maps.DeleteFunc(set, func(key string, _ time.Time) bool { return key[0] == 0 })
	if len(set) != timers {
		r.Errorf("timers %v are set, want %d", set, timers)
	}
}

// Counts in steps of a minute, then what the rule says as the frontier moves.
func TestRulesOfCampaigns(t *testing.T) {
	const m = time.Minute
	type counted struct {
		after      time.Duration
		hits, base int64
	}
	for _, tt := range []struct {
		name   string
		rule   string
		counts []counted
		until  time.Duration
		want   string
		keys   int // kept in the end
	}{
		{name: "raised above, not at the limit", rule: bounceRule, until: 2 * m,
			counts: []counted{{0, 5, 100}, {1 * m, 1, 10}}, want: "raised 2m0s 6/110", keys: 2},
		{name: "at the limit", rule: bounceRule, until: time.Hour, counts: []counted{{0, 5, 100}}, want: ""},
		{name: "less than the minimum", rule: bounceRule, until: time.Hour, counts: []counted{{0, 50, 99}}, want: ""},
		{name: "the minimum, over steps", rule: bounceRule, until: 5 * m,
			counts: []counted{{0, 50, 99}, {4 * m, 0, 1}}, want: "raised 5m0s 50/100", keys: 2},
		{name: "stays raised between the limits", rule: bounceRule, until: 3 * m,
			counts: []counted{{0, 10, 100}, {1 * m, 0, 200}}, want: "raised 1m0s 10/100", keys: 2},
		{name: "cleared at the lower limit", rule: bounceRule, until: 3 * m,
			counts: []counted{{0, 9, 100}, {1 * m, 0, 200}}, want: "raised 1m0s 9/100, cleared 2m0s 9/300", keys: 2},
		{name: "an empty window clears", rule: bounceRule, until: time.Hour,
			counts: []counted{{0, 10, 100}}, want: "raised 1m0s 10/100, cleared 11m0s 0/0"},
		{name: "raised by what leaves", rule: bounceRule, until: time.Hour,
			counts: []counted{{0, 0, 100}, {5 * m, 6, 100}}, want: "raised 11m0s 6/100, cleared 16m0s 0/0"},
		{name: "raised again", rule: bounceRule, until: 40 * m,
			counts: []counted{{0, 10, 100}, {20 * m, 10, 100}},
			want:   "raised 1m0s 10/100, cleared 11m0s 0/0, raised 21m0s 10/100, cleared 31m0s 0/0"},
		{name: "undecided steps are corrected", rule: bounceRule, until: time.Hour,
			counts: []counted{{2 * m, 10, 100}, {2 * m, -1, -1}, {1 * m, 1, 1}, {2 * m, -9, -99}}, want: ""},
		{name: "nothing is decided before its boundary", rule: bounceRule, until: 2*m - 1, counts: []counted{{1 * m, 10, 100}}, want: "", keys: 1},
		{name: "clears where it was raised, by default", rule: strings.Replace(bounceRule, " clear_below: 3%,", "", 1), until: 3 * m,
			counts: []counted{{0, 6, 100}, {1 * m, 0, 20}}, want: "raised 1m0s 6/100, cleared 2m0s 6/120", keys: 2},
		{name: "a share in thousandths of a percent", rule: strings.Replace(bounceRule, "above: 5%, clear_below: 3%", "above: 0.001%", 1), until: 1 * m,
			counts: []counted{{0, 1, 100_000}}, want: "", keys: 2},
		{name: "a share just above", rule: strings.Replace(bounceRule, "above: 5%, clear_below: 3%", "above: 0.001%", 1), until: 1 * m,
			counts: []counted{{0, 1, 99_999}}, want: "raised 1m0s 1/99999", keys: 2},

		{name: "a count fires once", rule: complaintRule, until: 3 * time.Hour,
			counts: []counted{{0, 2, 0}, {30 * m, 1, 0}, {31 * m, 7, 0}, {100 * m, 9, 0}}, want: "fired 31m0s 3/0", keys: 1},
		{name: "a count within the window", rule: complaintRule, until: 3 * time.Hour,
			counts: []counted{{0, 2, 0}, {59 * m, 1, 0}}, want: "fired 1h0m0s 3/0", keys: 1},
		{name: "a count beyond the window", rule: complaintRule, until: 3 * time.Hour,
			counts: []counted{{0, 2, 0}, {60 * m, 1, 0}}, want: ""},
		{name: "a count with a cooldown", rule: complaintRule + "    cooldown: 2h\n", until: 8 * time.Hour,
			counts: []counted{{0, 3, 0}, {30 * m, 3, 0}, {100 * m, 3, 0}, {5 * time.Hour, 3, 0}},
			// Stretches begin two, four and six hours after noon, two of them with a
			// window that still has three of before.
			want: "fired 1m0s 3/0, fired 2h0m0s 3/0, fired 5h1m0s 3/0, fired 6h0m0s 3/0"},
		{name: "a count in hours that end before it", rule: complaintRule + "    active: {from: \"10:00\", to: \"12:00\", time_zone: UTC, outside: skip}\n",
			until: 24 * time.Hour, counts: []counted{{0, 3, 0}, {22*time.Hour + 10*m, 3, 0}}, want: "fired 22h11m0s 3/0", keys: 1},
		{name: "a rate outside its hours", rule: bounceRule + "    active: {from: \"12:00\", to: \"12:05\", time_zone: UTC, outside: skip}\n",
			until: 48 * time.Hour, counts: []counted{{0, 10, 100}}, want: "raised 1m0s 10/100, cleared 24h0m0s 0/0"},
		{name: "a rate before its hours", rule: bounceRule + "    active: {from: \"12:05\", to: \"13:00\", time_zone: UTC, outside: skip}\n",
			until: 48 * time.Hour, counts: []counted{{0, 10, 100}}, want: "raised 5m0s 10/100, cleared 11m0s 0/0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rule := "bounces"
			if strings.Contains(tt.rule, "complaints") {
				rule = "complaints"
			}
			// Minute by minute with restarts and aborts; all at once after a silence.
			slow, fast := newRuler(t, tt.rule), newRuler(t, tt.rule)
			left := tt.counts
			for now := time.Duration(0); now <= tt.until; now += m {
				for len(left) > 0 && left[0].after <= now {
					slow.counts("spring", rule, left[0].after, left[0].hits, left[0].base)
					left = left[1:]
				}
				if now%(3*m) == 0 {
					slow.abort(now)
				}
				slow.to(now)
				if now%(2*m) == 0 {
					slow.restart()
				}
			}
			for _, c := range tt.counts {
				fast.counts("spring", rule, c.after, c.hits, c.base)
			}
			fast.to(tt.until)
			for _, r := range []*ruler{slow, fast} {
				r.expect(tt.want)
				if len(r.State(storeRules)) != tt.keys {
					t.Errorf("%d keys are kept, want %d: %q", len(r.State(storeRules)), tt.keys, r.State(storeRules))
				}
				if r.Late != 0 {
					t.Errorf("%d late", r.Late)
				}
			}
		})
	}
}
