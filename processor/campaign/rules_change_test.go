package campaign

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

func TestTriggerOfACampaign(t *testing.T) {
	r := newRuler(t, bounceRule+`    mode: shadow
    active: {from: "14:00", to: "15:00", time_zone: UTC}
`)
	r.counts("spring", "bounces", 0, 10, 100)
	r.to(time.Minute)
	boundary := at(time.Minute)
	occurrence := fmt.Sprintf("raised@%d", boundary)
	want := schemas.Trigger{
		TriggerID: trigger.ID("default", "bounces", "spring", occurrence), Tenant: "default", Rule: "bounces",
		RuleVersion: r.live.Load().Rule("bounces").Version, Kind: "rate", Status: schemas.TriggerStatusShadow, OncePer: "campaign",
		CampaignID: "spring", OccurredAt: boundary, ArrivedAt: boundary, Endpoint: "ops", Occurrence: occurrence, State: "raised",
		NotBefore: at(2 * time.Hour), WindowStart: at(-9 * time.Minute), WindowEnd: boundary, Hits: 10, Base: 100,
	}
	got := r.triggers()
	if len(got) != 1 || fmt.Sprintf("%+v", got[0]) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestCampaignsApart(t *testing.T) {
	r := newRuler(t, bounceRule+strings.TrimPrefix(complaintRule, "rules:\n"))
	r.counts("a", "bounces", 0, 60, 60)
	r.counts("b", "bounces", 0, 60, 60)
	r.counts("a/b", "complaints", 0, 3, 0)
	r.counts("", "complaints", 0, 2, 0)
	r.counts("b", "complaints", 0, 1, 0)
	r.to(time.Minute)
	r.expect("fired 1m0s 3/0")
	r.kept(2+2+1+2+2, 4)
	r.to(24 * time.Hour)
	r.expect("")
	r.kept(1, 0)
}

// What changes a decided step all the same is late, and changes nothing.
func TestLateForARule(t *testing.T) {
	r := newRuler(t, bounceRule)
	r.counts("spring", "bounces", 0, 10, 100)
	r.to(time.Minute)
	r.expect("raised 1m0s 10/100")
	r.counts("spring", "bounces", 0, -10, -10)
	r.counts("winter", "bounces", 0, 10, 100) // nothing is known of it but the frontier
	r.to(2 * time.Minute)
	r.restart() // the frontier is not known, but what was decided is
	r.counts("spring", "bounces", 0, -10, -10)
	r.to(3 * time.Minute)
	r.expect("")
	if r.Late != 3 {
		t.Errorf("%d late, want 3", r.Late)
	}
	r.kept(2, 1)
}

func TestRuleIsRemoved(t *testing.T) {
	both := bounceRule + strings.TrimPrefix(complaintRule, "rules:\n")
	r := newRuler(t, both)
	for i := range purgeChunk + 5 {
		r.counts(fmt.Sprint(i), "bounces", 0, 10, 100)
		r.counts(fmt.Sprint(i), "complaints", 0, 3, 0)
	}
	r.to(time.Minute)
	r.triggers()
	r.kept(3*(purgeChunk+5), purgeChunk+5)

	r.live.Store(mustRules(t, bounceRule))
	r.counts("new", "bounces", time.Minute, 1, 1)
	r.counts("new", "complaints", time.Minute, 3, 0)
	r.abort(2 * time.Minute)
	r.to(2 * time.Minute)
	r.expect("")
	r.kept(2*(purgeChunk+6), purgeChunk+6)

	// A rule that comes back knows nothing, not even that it has fired.
	r.live.Store(mustRules(t, both))
	r.counts("1", "complaints", 2*time.Minute, 3, 0)
	r.to(3 * time.Minute)
	r.expect("fired 3m0s 3/0")

	r.live.Store(mustRules(t, "rules: []"))
	for range 4 { // any change will do
		r.process(&schemas.CampaignDelta{Tenant: "default", CampaignID: "other"})
	}
	r.to(4 * time.Minute)
	r.expect("")
	r.kept(0, 0)
}

// With other steps a rule counts anew, but what it has said is still so.
func TestRuleIsChanged(t *testing.T) {
	r := newRuler(t, bounceRule)
	r.counts("spring", "bounces", 0, 10, 100)
	r.counts("spring", "bounces", time.Minute, 0, 10)
	r.to(time.Minute)
	r.expect("raised 1m0s 10/100")

	// Limits alone: counts stay.
	r.live.Store(mustRules(t, strings.Replace(bounceRule, "3%", "0.1%", 1)))
	r.counts("spring", "bounces", 2*time.Minute, 0, 1000)
	r.to(3 * time.Minute)
	r.expect("")
	r.kept(2, 1)

	r.live.Store(mustRules(t, strings.Replace(bounceRule, "duration: 10m, every: 1m", "duration: 10m, every: 2m", 1)))
	r.counts("spring", "bounces", 3*time.Minute, 50, 500)
	r.to(4 * time.Minute)
	r.restart()
	r.to(4 * time.Minute)
	r.expect("")
	r.kept(2, 1)
	r.to(time.Hour)
	r.expect("cleared 14m0s 0/0")
	r.kept(0, 0)

	// Without counts the next boundary clears.
	r = newRuler(t, bounceRule)
	r.counts("spring", "bounces", 0, 10, 100)
	r.to(time.Minute)
	r.restart()
	r.live.Store(mustRules(t, strings.Replace(bounceRule, "duration: 10m", "duration: 20m", 1)))
	r.to(2 * time.Minute)
	r.to(time.Hour)
	r.expect("raised 1m0s 10/100, cleared 2m0s 0/0")
}

// The least that a sparse campaign can cost: two looks.
func TestSparseCampaign(t *testing.T) {
	r := newRuler(t, bounceRule)
	r.counts("spring", "bounces", 0, 0, 1)
	r.to(time.Second)
	looks := 0
	for now := time.Second; now < time.Hour; now += time.Second {
		before := r.Timers()
		r.to(now)
		for key, due := range before {
			if key[0] != 0 && !r.Timers()[key].Equal(due) {
				looks++
			}
		}
	}
	if looks != 2 {
		t.Errorf("%d looks at one event, want 2", looks)
	}
	r.kept(0, 0)
}

// A window of the most steps: what is decided is not written with every
// transaction.
func TestLargeWindow(t *testing.T) {
	r := newRuler(t, strings.Replace(bounceRule, "duration: 10m, every: 1m", "duration: 24h, every: 1m", 1))
	for i := range 3000 {
		after := time.Duration(i) * time.Minute
		r.counts("spring", "bounces", after, 0, 100)
		r.to(after)
	}
	r.kept(2, 1)
	for key, value := range r.State(storeRules) {
		if head := key[len("bounces")] == keyHead; head && len(value) > 80 || len(value) > 1500*8 {
			t.Errorf("key %q has %d bytes", key, len(value))
		}
	}
	r.expect("")
}
