package trigger

import (
	"fmt"
	"slices"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

func TestOnceKeyAndID(t *testing.T) {
	anonymous, other := message(), message()
	anonymous.Recipient = ""
	other.CampaignID = ""
	for _, tt := range []struct {
		once                       string
		known, anonymous, campaign bool
	}{
		{"message", true, true, true},
		{"recipient", true, false, true},
		{"campaign", true, false, false},
	} {
		r := mustRule(t, "within: {event: opened, of: send, duration: 1h}\nonce_per: "+tt.once)
		_, a := r.OnceKey(message())
		_, b := r.OnceKey(anonymous)
		_, c := r.OnceKey(other)
		if a != tt.known || b != tt.anonymous || c != tt.campaign {
			t.Errorf("%s: %t %t %t", tt.once, a, b, c)
		}
	}
	if ID("a", "bc", "k", "once") == ID("ab", "c", "k", "once") {
		t.Error("ids do not tell tenant and rule apart")
	}
	// An id is for ever: it is what keeps a call from being made twice.
	if got, want := ID("default", "discount-24h", "key", "once").String(), "4f516205-ac15-92b1-74a5-ba86a7155753"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}

func TestBucket(t *testing.T) {
	r := mustRule(t, "immediate: {event: bounced}\ncooldown: 7d")
	const week = 7 * 24 * hour
	for at, want := range map[schemas.Timestamp]string{0: "0", 1: "0", micros(week) - 1: "0", micros(week): "604800000000", -1: "-604800000000", -micros(week): "-604800000000"} {
		if got := r.Bucket(at); got != want {
			t.Errorf("%d: %s, want %s", at, got, want)
		}
	}
	if got := mustRule(t, "immediate: {event: bounced}").Bucket(1); got != "once" {
		t.Errorf("without cooldown: %s", got)
	}
	if ID("t", "r", "k", "once") == ID("t", "r", "k", "0") {
		t.Error("ids do not tell occurrences apart")
	}
}

// TestSample: the choice is for ever, near to the share, and grows with it.
func TestSample(t *testing.T) {
	const n = 20_000
	chosen := map[string][]int{}
	for _, share := range []string{"0%", "10%", "50%", "100%"} {
		r := mustRule(t, "immediate: {event: bounced}\nsample: "+share)
		for i := range n {
			m := message()
			m.MessageID = fmt.Sprint(i)
			if _, ok := r.OnceKey(m); ok {
				chosen[share] = append(chosen[share], i)
			}
		}
	}
	for share, want := range map[string]int{"0%": 0, "10%": n / 10, "50%": n / 2, "100%": n} {
		if got := len(chosen[share]); got < want-n/100 || got > want+n/100 {
			t.Errorf("%s of %d is %d", share, n, got)
		}
	}
	for _, i := range chosen["10%"] {
		if _, ok := slices.BinarySearch(chosen["50%"], i); !ok {
			t.Errorf("%d is in 10%% but not in 50%%", i)
		}
	}
	if got := chosen["10%"][:5]; !slices.Equal(got, []int{0, 19, 21, 25, 26}) {
		t.Errorf("the first are %v", got)
	}
}

func TestLive(t *testing.T) {
	var none *Live
	if none.Load() != nil || new(Live).Load().Rules() != nil {
		t.Error("nothing holds rules")
	}
	first, second := mustSet(t, "immediate: {event: bounced}"), &Set{}
	live := NewLive(first)
	if live.Load() != first || first.Rule("r0") != first.Rules()[0] || first.Rule("r1") != nil {
		t.Error("the first set is not in force")
	}
	if live.Store(second); live.Load() != second || live.Load().Rule("r0") != nil {
		t.Error("the second set is not in force")
	}
}
