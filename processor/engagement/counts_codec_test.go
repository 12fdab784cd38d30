package engagement

import (
	"reflect"
	"testing"
	"time"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

func sampleCounting() *counting {
	c := &counting{rule: &trigger.Rule{Duration: time.Hour, MaxAge: time.Hour}}
	m1, m2 := countedFacts{account: "main", messageID: "m1", recipient: "ada@example.org"}, countedFacts{account: "main", messageID: "m2", campaignID: "spring", campaignName: "Spring", customID: "c"}
	for i, f := range []countedFacts{m2, m1, m2, m1} {
		c.add(trigger.Counted{ID: schemas.ID{byte(i)}, Type: clicked, Machine: schemas.MachineHuman,
			OccurredAt: at(time.Duration(4-i) * time.Minute), ArrivedAt: at(10 * time.Minute)}, f)
	}
	return c
}

func TestCountedRoundTrip(t *testing.T) {
	want := sampleCounting()
	b := want.append(nil)
	got := &counting{rule: want.rule}
	if err := got.decode(b); err != nil {
		t.Fatal(err)
	}
	for i := range want.events {
		g, w := &got.events[i], &want.events[i]
		if g.Counted != w.Counted || got.facts[g.facts] != want.facts[w.facts] {
			t.Errorf("event %d: %+v of %+v, want %+v of %+v", i, g.Counted, got.facts[g.facts], w.Counted, want.facts[w.facts])
		}
	}
	if until, err := countedUntil(b); err != nil || until != at(4*time.Minute+2*time.Hour) {
		t.Errorf("of use until %s, %v", until, err)
	}
	// Facts that no event refers to are not written.
	got.remove(schemas.ID{0})
	got.remove(schemas.ID{2})
	var again counting
	if err := again.decode(got.append(nil)); err != nil || len(again.facts) != 1 || len(again.events) != 2 {
		t.Errorf("%+v, %v", again, err)
	}
}

func FuzzCounted(f *testing.F) {
	c := sampleCounting()
	f.Add(c.append(nil))
	f.Add([]byte{countsVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = countedUntil(b)
		got := &counting{rule: c.rule}
		if got.decode(b) != nil || len(got.events) == 0 {
			return
		}
		if err := new(counting).decode(got.append(nil)); err != nil {
			t.Errorf("decoding what was encoded: %v", err)
		}
	})
}

func TestCountedCutOff(t *testing.T) {
	b := sampleCounting().append(nil)
	for i := range b {
		if err := new(counting).decode(b[:i]); err == nil {
			t.Errorf("no error at %d of %d bytes", i, len(b))
		}
	}
}

// What fired is kept by stretches; two of a block share a value, others don't.
func TestFiredBlocks(t *testing.T) {
	const day = schemas.Timestamp(24 * 3600 * 1_000_000)
	h := &memory{stores: map[string]memoryStore{storeRules: {}}}
	set := func(of occurrence, m mark) bool {
		t.Helper()
		fires, err := setFired(h, "default", "r", "key", of, m)
		if err != nil {
			t.Fatal(err)
		}
		return fires
	}
	start := base / day * day
	for _, tt := range []struct {
		of    occurrence
		m     mark
		fires bool
	}{
		{occurrence{start: start}, markExpired, true}, {occurrence{start: start}, markExpired, false},
		{occurrence{start: start}, markFired, true}, {occurrence{start: start}, markExpired, false}, {occurrence{start: start}, markFired, false},
		{occurrence{start: start - day}, markFired, true}, {occurrence{start: start + day}, markExpired, true},
		{occurrence{start: start + 60*day}, markFired, true}, {occurrence{start: -day}, markFired, true}, {occurrence{start: -day}, markFired, false},
		{occurrence{once: true}, markExpired, true}, {occurrence{once: true}, markFired, true}, {occurrence{once: true}, markFired, false},
	} {
		if got := set(tt.of, tt.m); got != tt.fires {
			t.Errorf("%+v as %d fires: %t", tt.of, tt.m, got)
		}
	}
	if got := len(h.stores[storeRules]); got < 4 || got > 5 {
		t.Errorf("%d keys", got)
	}
	if v := h.stores[storeRules][string(ruleKey("default", "r", "key"))]; !reflect.DeepEqual(v, []byte{ruleFired}) {
		t.Errorf("once: %q", v)
	}
}

// A rule that fired before there were occurrences has fired once for ever.
func TestFiredOfOldStore(t *testing.T) {
	h := &memory{stores: map[string]memoryStore{storeRules: {
		string(ruleKey("default", "live", "key")): {ruleFired}, string(ruleKey("default", "old", "key")): {ruleExpired},
	}}}
	for _, tt := range []struct {
		rule  string
		m     mark
		fires bool
	}{{"live", markFired, false}, {"old", markExpired, false}, {"old", markFired, true}, {"new", markExpired, true}} {
		if fires, err := setFired(h, "default", tt.rule, "key", occurrence{once: true}, tt.m); err != nil || fires != tt.fires {
			t.Errorf("rule %s as %d: %t, %v", tt.rule, tt.m, fires, err)
		}
	}
}
