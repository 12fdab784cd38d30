package trigger

import (
	"strings"
	"testing"
)

func TestLint(t *testing.T) {
	const (
		bounced = "immediate: {event: bounced}\ncall: shop\n"
		click   = "immediate: {event: clicked}\ncall: shop\n"
		rate    = "call: ops\nrate: {event: bounced, of: [delivered, bounced], above: 5%, duration: 1h, minimum: 200"
	)
	for _, tt := range []struct{ fields, want string }{ // want is the start; empty: no warning
		{bounced, ""},
		{click + `when: message.campaign_id == "spring" && message.custom_id in ["a"] && event.url != ""`, ""},
		{"within: {event: opened, of: send, duration: 24h}\nmode: shadow", ""},
		{rate + "}", ""},
		{"count: {event: clicked, times: 3, duration: 10m}\ncall: shop", ""},
		{"sequence: {events: [send, opened, clicked], duration: 10m}\ncall: shop\nactive: {days: [mon]}", ""},
		{"absence: {event: opened, of: send, duration: 48h, wait: 10m}\ncall: shop", ""},

		{"immediate: {event: bounced}", "call: is missing"},
		{bounced + "sample: 0%", "sample: is 0%"},
		{click + "human_only: false", "human_only: is false, so mail filters"},
		{"absence: {event: opened, of: send, duration: 48h}\ncall: shop\nhuman_only: false", "human_only: is false, so an open or click of a mail filter"},
		{"immediate: {event: opened}\ncall: shop\nsettle: 5s", "settle: delays the rule"},
		{click + "settle: 10m", "settle: delays every firing by 10m0s"},
		{bounced + "max_age: 30d", "max_age: is 720h0m0s"},
		{bounced + "cooldown: 1s", "cooldown: is 1s"},
		{"absence: {event: opened, of: send, duration: 48h, wait: 3d}\ncall: shop", "absence.wait: is more than max_age"},
		{rate + ", every: 10s}", "rate.every: makes 360 steps of each window, all of them kept for every campaign; 1m0s makes 60"},
		{"rate: {event: bounced, of: [delivered, bounced], above: 5%, duration: 1h}\ncall: ops", "rate.minimum: is 1"},
		{"rate: {event: bounced, of: [delivered, bounced], above: 100%, duration: 1h, minimum: 9}\ncall: ops", "rate.above: is 100%"},
		{"count: {event: clicked, times: 1, duration: 10m}\ncall: shop", "count.times: is 1"},
		{"absence: {event: delivered, of: send, duration: 48h}\ncall: shop", "absence.event: delivered may itself be the send"},
		{"sequence: {events: [send, send], duration: 10m}\ncall: shop", "sequence.events: has send twice"},
		{"sequence: {events: [bounced, send], duration: 10m}\ncall: shop", "sequence.events: has send after"},

		{bounced + `when: message.campaign_id == ""`, `when: never holds: a fact of the message that is not known is unknown, not empty; remove message.campaign_id == ""`},
		{bounced + `when: event.country == "" && "" == message.custom_id`, "when: never holds: a fact"},
		{bounced + `when: message.metadata["x"] == "" || true`, ""},
		{bounced + `when: message.metadata["x"] == ""`, ""},
		{bounced + `when: message.campaign_id == "a" && message.campaign_id == "b"`, "when: never holds: message.campaign_id cannot be several things at once"},
		{bounced + `when: message.campaign_id in ["a", "b"] && message.campaign_id == "b"`, ""},
		{bounced + `when: message.campaign_id in []`, "when: never holds: the list is empty"},
		{bounced + `when: event.type == "opened"`, "when: never holds: the condition is judged with bounced"},
		{bounced + `when: event.machine == "robot"`, "when: never holds: event.machine is one of [unknown human proxy machine]"},
		{click + `when: event.machine == "machine"`, "when: never holds: human_only ignores machines"},
		{bounced + `when: event.url.startsWith("/")`, "when: event.url is always empty here: the condition is judged with bounced"},
		{"absence: {event: clicked, of: send, duration: 48h}\ncall: shop\nwhen: event.url == \"/\"", "when: event.url is always empty here: the condition is judged with queued, sent, delivered"},
		{"sequence: {events: [{event: opened, when: event.url == \"/\"}, clicked], duration: 10m}\ncall: shop", "sequence.events.when: event.url is always empty here"},
		{"count: {event: clicked, times: 3, duration: 10m}\ncall: shop\nwhen: event.occurred_at - message.sent_at > duration(\"1h\")", "when: message.sent_at is never known here"},
		{bounced + "when: false", "when: is false whatever happens"},
	} {
		warnings := Lint(mustSet(t, tt.fields))
		if len(warnings) > 1 || len(warnings) == 1 != (tt.want != "") {
			t.Errorf("%q: got %v, want %s", tt.fields, warnings, tt.want)
		}
		for _, w := range warnings {
			if text := w.String(); !strings.HasPrefix(text, `r.yaml:2: rule "r0": `+tt.want) {
				t.Errorf("%q: got %s, want %s", tt.fields, text, tt.want)
			}
		}
	}
}

func TestLintSameMeaning(t *testing.T) {
	warnings := Lint(mustSet(t,
		"immediate: {event: bounced}\ncall: shop",
		"immediate: {event: bounced}\ncall: ops",
		"immediate: {event: bounced}\nmax_age: 2d\ncall: shop"))
	if len(warnings) != 1 || warnings[0].String() != `r.yaml:8: rule "r2": name: the rule means what r0 at r.yaml:2 does: both fire; remove one` {
		t.Errorf("got %v", warnings)
	}
	if warnings := Lint(nil); warnings != nil {
		t.Errorf("no rules: %v", warnings)
	}
}
