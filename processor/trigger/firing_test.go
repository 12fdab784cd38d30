package trigger

import (
	"testing"
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
