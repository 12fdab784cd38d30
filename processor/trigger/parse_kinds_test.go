package trigger

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// TestParseKinds compares all that is exported of rules.
func TestParseKinds(t *testing.T) {
	const (
		bounced    = schemas.EventTypeBounced
		complained = schemas.EventTypeComplained
	)
	day := 24 * time.Hour
	base := func(r *Rule) *Rule {
		r.Name, r.MaxAge, r.Sample, r.Limit = "r", 2*day, Million, 10_000
		if r.OncePer == "" {
			r.OncePer = OncePerMessage
		}
		return r
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		fields string
		want   *Rule
	}{
		{"immediate: {event: bounced}", base(&Rule{Kind: KindImmediate, Event: bounced})},
		{"immediate: {event: opened}", base(&Rule{Kind: KindImmediate, Event: opened, HumanOnly: true})},
		{"immediate: {event: clicked}", base(&Rule{Kind: KindImmediate, Event: clicked, HumanOnly: true, Settle: 5 * time.Second})},
		{"immediate: {event: clicked}\nhuman_only: false", base(&Rule{Kind: KindImmediate, Event: clicked})},
		{"immediate: {event: clicked}\nsettle: 0s", base(&Rule{Kind: KindImmediate, Event: clicked, HumanOnly: true})},
		{"immediate: {event: clicked}\nsettle: 0", base(&Rule{Kind: KindImmediate, Event: clicked, HumanOnly: true})},
		{"within: {event: bounced, of: clicked, duration: 1h}", base(&Rule{Kind: KindWithin, Event: bounced, Of: AnchorClicked, Duration: time.Hour, HumanOnly: true, Settle: 5 * time.Second})},
		{"absence: {event: clicked, of: send, duration: 2d, wait: 10m}", base(&Rule{Kind: KindAbsence, Event: clicked, Of: AnchorSend, Duration: 2 * day, Wait: 10 * time.Minute, HumanOnly: true})},
		{"absence: {event: opened, of: delivered, duration: 2d, wait: 0s}", base(&Rule{Kind: KindAbsence, Event: opened, Of: AnchorDelivered, Duration: 2 * day, HumanOnly: true})},
		{"sequence: {events: [send, opened, {event: clicked, when: event.url == \"/\"}], duration: 3d}", base(&Rule{Kind: KindSequence, Duration: 3 * day, HumanOnly: true, Settle: 5 * time.Second,
			Steps: []Step{{Send: true}, {Event: opened}, {Event: clicked, When: `event.url == "/"`}}})},
		{"sequence: {events: [{event: send}, bounced], duration: 3d}", base(&Rule{Kind: KindSequence, Duration: 3 * day, Steps: []Step{{Send: true}, {Event: bounced}}})},
		{"count: {event: clicked, times: 3, duration: 10m}", base(&Rule{Kind: KindCount, Events: []schemas.EventType{clicked}, Times: 3, Duration: 10 * time.Minute, Per: OncePerMessage, HumanOnly: true})},
		{"count: {event: [clicked, opened, clicked], times: 1000, duration: 10m, per: recipient}", base(&Rule{Kind: KindCount, Events: []schemas.EventType{opened, clicked}, Times: 1000,
			Duration: 10 * time.Minute, Per: OncePerRecipient, OncePer: OncePerRecipient, HumanOnly: true})},
		{"count: {event: clicked, times: 3, duration: 10m}\nonce_per: campaign", base(&Rule{Kind: KindCount, Events: []schemas.EventType{clicked}, Times: 3, Duration: 10 * time.Minute, Per: OncePerMessage, OncePer: OncePerCampaign, HumanOnly: true})},
		{"count: {event: complained, times: 5000, duration: 1h, per: campaign}", base(&Rule{Kind: KindCount, Events: []schemas.EventType{complained}, Times: 5000, Duration: time.Hour,
			Every: 6 * time.Minute, Per: OncePerCampaign, OncePer: OncePerCampaign})},
		{"count: {event: complained, times: 5, duration: 5s, per: campaign}", base(&Rule{Kind: KindCount, Events: []schemas.EventType{complained}, Times: 5, Duration: 5 * time.Second,
			Every: time.Second, Per: OncePerCampaign, OncePer: OncePerCampaign})},
		{"rate: {event: bounced, of: [delivered, bounced], above: 5%, clear_below: 0.5%, duration: 1d, every: 1m, minimum: 200}", base(&Rule{Kind: KindRate, Events: []schemas.EventType{bounced},
			Base: []schemas.EventType{delivered, bounced}, Above: 50_000, ClearBelow: 5_000, Duration: day, Every: time.Minute, Minimum: 200, Per: OncePerCampaign, OncePer: OncePerCampaign})},
		{"rate: {event: clicked, of: delivered, above: 0.0001, duration: 10m}", base(&Rule{Kind: KindRate, Events: []schemas.EventType{clicked}, Base: []schemas.EventType{delivered},
			Above: 100, ClearBelow: 100, Duration: 10 * time.Minute, Every: time.Minute, Minimum: 1, Per: OncePerCampaign, OncePer: OncePerCampaign, HumanOnly: true})},
		{"immediate: {event: bounced}\ncooldown: 7d\nsample: 12.5%\nlimit: 1\nactive: {days: [mon, Fri], from: 08:00, to: \"20:30\", time_zone: Europe/Paris, outside: skip}", func() *Rule {
			r := base(&Rule{Kind: KindImmediate, Event: bounced, Cooldown: 7 * day})
			r.Sample, r.Limit = 125_000, 1
			r.Active = &Active{Days: [7]bool{time.Monday: true, time.Friday: true}, From: 480, To: 1230, Zone: paris, Skip: true}
			return r
		}()},
	} {
		got := mustRule(t, tt.fields)
		want := reflect.ValueOf(tt.want).Elem()
		for i := range want.NumField() {
			f := want.Type().Field(i)
			if !f.IsExported() || f.Name == "Version" || f.Name == "Position" {
				continue
			}
			g, w := reflect.ValueOf(got).Elem().Field(i).Interface(), want.Field(i).Interface()
			if steps, ok := g.([]Step); ok {
				for k := range steps {
					steps[k].condition = nil
				}
			}
			if !reflect.DeepEqual(g, w) {
				t.Errorf("%s: %s is %v, want %v", tt.fields, f.Name, g, w)
			}
		}
	}
}

// TestParseKindErrors shows rules from their fields but the name, which is on
// line 2.
func TestParseKindErrors(t *testing.T) {
	const (
		rate  = "rate: {event: bounced, of: delivered, above: 5%, duration: 10m"
		count = "count: {event: clicked, times: 3, duration: 10m"
	)
	immediate := func(fields string) string { return "immediate: {event: bounced}\n" + fields }
	for _, tt := range []struct{ fields, want string }{
		{"when: \"true\"", `f.yaml:2: rule "r": has no kind; give it one of immediate, within, absence, count, sequence, rate`},
		{immediate("within: {event: opened, of: send, duration: 1h}"), `f.yaml:2: rule "r": has immediate and within; give it one kind, and make a rule of each`},
		{"immediate: {event: click}", `f.yaml:3: rule "r": immediate.event: "click" is no type of event; did you mean clicked? want one of autoresponded, bounced,`},
		{"immediate: {event: send}", `immediate.event: "send" is no type of event; did you mean sent? want`},
		{"immediate: {event: [opened]}", `immediate.event: want a single value`},
		{"imediate: {event: opened}", `f.yaml:3: rule "r": imediate: no such field; did you mean immediate? the fields are name,`},
		{immediate("cool_down: 1d"), `f.yaml:4: rule "r": cool_down: no such field; did you mean cooldown? the fields`},
		{immediate("mode: shadwo"), `mode: "shadwo" is not possible; did you mean shadow? want one of live, shadow`},
		{"absence: {event: opened, of: send, duration: 1h, wait: -1s}", `absence.wait: "-1s" is no duration from 0s`},
		{immediate("settle: 2h"), `f.yaml:4: rule "r": settle: "2h" is no duration from 0s to 1h0m0s`},
		{immediate("settle: 5s"), `settle: waits for what tells that a machine acted, but human_only is false; remove one of them`},
		{count + "}\nsettle: 5s", `f.yaml:4: rule "r": settle: a rule of kind count does not settle; remove it`},
		{"absence: {event: opened, of: send, duration: 1h}\nsettle: 5s", `settle: a rule of kind absence does not settle`},
		{"within: {event: opened, of: send, duration: 5ns}", `within.duration: "5ns" is no duration`},
		{count + "1ns}", `count.duration: "10m1ns" is no duration`},

		{"sequence: {events: [opened], duration: 1h}", `sequence.events: want a list of 2 to 8 events`},
		{"sequence: {events: opened, duration: 1h}", `sequence.events: want a list of 2 to 8 events`},
		{"sequence: {events: [a, a, a, a, a, a, a, a, a], duration: 1h}", `sequence.events: want a list of 2 to 8 events`},
		{"sequence: {events: [opened, [clicked]], duration: 1h}", `sequence.events: "" is no type of event`},
		{"sequence: {events: [opened, clickd], duration: 1h}", `sequence.events: "clickd" is no type of event; did you mean clicked?`},
		{"sequence: {events: [opened, {event: clicked, if: x}], duration: 1h}", `sequence.events.if: no such field; the fields are event, when`},
		{"sequence: {events: [opened, {when: \"true\"}], duration: 1h}", `sequence.events.event: is missing`},
		{"sequence: {events: [opened, {event: clicked, when: event.colour == \"\"}], duration: 1h}", `f.yaml:3: rule "r": sequence.events.when: column 6: undeclared reference`},

		{"count: {event: clicked, times: 0, duration: 1h}", `count.times: "0" is no whole number from 1 to 1000`},
		{"count: {event: clicked, times: 1001, duration: 1h}", `count.times: "1001" is no whole number from 1 to 1000`},
		{"count: {event: clicked, times: 2.5, duration: 1h}", `count.times: "2.5" is no whole number`},
		{"count: {event: [], times: 3, duration: 1h}", `count.event: is empty; name a type`},
		{"count: {event: {a: b}, times: 3, duration: 1h}", `count.event: "" is no type of event`},
		{count + ", every: 1m}", `f.yaml:3: rule "r": count.every: is for counts per campaign, and this one is per message; remove it`},
		{count + ", per: recipient}\nonce_per: message", `f.yaml:4: rule "r": once_per: is message, but the rule counts per recipient; want recipient`},
		{count + ", per: recipient}\nonce_per: campaign", `once_per: is campaign, but the rule counts per recipient; want recipient`},
		{count + ", per: campaign}\nonce_per: campaign", `once_per: the rule is of campaigns and fires for each; remove it`},
		{count + ", per: day}", `count.per: "day" is not possible; want one of message, recipient, campaign`},

		{rate + "}\nonce_per: message", `once_per: the rule is of campaigns`},
		{rate + "}\ncooldown: 1d", `f.yaml:4: rule "r": cooldown: a rate fires whenever it is raised or cleared; remove it`},
		{rate + ", every: 3m}", `f.yaml:3: rule "r": rate.every: duration 10m0s is no multiple of every 3m0s; change one of them`},
		{rate + ", every: 500ms}", `rate.every: "500ms" is too short; want at least 1s`},
		{"rate: {event: bounced, of: delivered, above: 5%, duration: 1d, every: 1s}", `rate.every: duration 24h0m0s has 86400 steps of 1s; want at most 1440, so every of at least 1m0s`},
		{"rate: {event: bounced, of: delivered, above: 5%, duration: 2500ms}", `rate.every: duration 2.5s is no multiple of every 1s`},
		{rate + ", clear_below: 5.5%}", `f.yaml:3: rule "r": rate.clear_below: is more than above; want at most 5%`},
		{rate + ", minimum: 0}", `rate.minimum: "0" is no whole number from 1`},
		{"rate: {event: bounced, above: 5%, duration: 1h}", `f.yaml:3: rule "r": rate.of: is missing; every rate has event, of, above, duration`},
		{"rate: {event: bounced, of: delivered, above: 5, duration: 1h}", `rate.above: "5" is no share from 0% to 100% in steps of 0.0001%; write it as 5% or 0.05`},
		{"rate: {event: bounced, of: delivered, above: 101%, duration: 1h}", `rate.above: "101%" is no share`},
		{"rate: {event: bounced, of: delivered, above: 0.00001%, duration: 1h}", `rate.above: "0.00001%" is no share`},
		{"rate: {event: bounced, of: delivered, above: -1%, duration: 1h}", `rate.above: "-1%" is no share`},
		{"rate: {event: bounced, of: delivered, above: 1/3, duration: 1h}", `rate.above: "1/3" is no share`},
		{"rate: {event: bounced, of: delivered, above: '%', duration: 1h}", `rate.above: "%" is no share`},

		{immediate("limit: 0"), `limit: "0" is no whole number from 1`},
		{immediate("sample: lots"), `sample: "lots" is no share`},
		{immediate("cooldown: 0s"), `cooldown: "0s" is no duration from 1us to 400d`},
		{immediate("active: always"), `f.yaml:4: rule "r": active: want keys with values: days, from, to, time_zone, outside`},
		{immediate("active: {days: mon}"), `active.days: want a list of days, as [mon, tue`},
		{immediate("active: {days: [monday]}"), `active.days: "monday" is no day; want some of mon, tue`},
		{immediate("active: {from: 8:00}"), `active.from: "8:00" is no time of the day; write it as "08:00"`},
		{immediate("active: {from: 24:00}"), `active.from: "24:00" is no time of the day`},
		{immediate("active: {to: 24:01}"), `active.to: "24:01" is no time of the day`},
		{immediate("active: {to: 12:60}"), `active.to: "12:60" is no time of the day`},
		{immediate("active: {from: \"12:00\", to: \"12:00\"}"), `active: from and to are the same; leave both out for whole days`},
		{immediate("active: {time_zone: Mars/Olympus}"), `active.time_zone: "Mars/Olympus" is no time zone; write it as Europe/Paris`},
		{immediate("active: {time_zone: Local}"), `active.time_zone: "Local" is no time zone`},
		{immediate("active: {outside: later}"), `active.outside: "later" is not possible; want one of wait, skip`},
	} {
		text := "rules:\n  - name: r\n    " + strings.ReplaceAll(tt.fields, "\n", "\n    ") + "\n"
		_, err := Parse("f.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q:\n got %v\nwant %s", tt.fields, err, tt.want)
		}
	}
}

func TestParseShare(t *testing.T) {
	for text, want := range map[string]int64{"5%": 50_000, "0.0001%": 1, "100%": Million, "0%": 0, "0": 0, "1": Million, "0.05": 50_000, ".5": 500_000, "0.000001": 1, "33.3333 %": 333_333} {
		if ppm, ok := parseShare(text); !ok || ppm != want {
			t.Errorf("%s: %d, %t, want %d", text, ppm, ok, want)
		}
	}
	for ppm, want := range map[int64]string{50_000: "5%", 1: "0.0001%", 12_500: "1.25%", Million: "100%"} {
		if got := percent(ppm); got != want {
			t.Errorf("%d: %s, want %s", ppm, got, want)
		}
	}
}

// TestVersionIsOfTheMeaning: every field changes it, writing a default does not.
func TestVersionIsOfTheMeaning(t *testing.T) {
	const click = "immediate: {event: clicked}\n"
	plain := mustRule(t, click).Version
	if got, want := plain, mustRule(t, click+"once_per: message\nsample: 100%\nhuman_only: true\nmax_age: 2d\nsettle: 5000ms\nmode: live\nlimit: 10000").Version; got != want {
		t.Error("written defaults change the version")
	}
	const bounces = "rate: {event: bounced, of: [delivered, bounced], above: 5%, duration: 10m"
	if mustRule(t, bounces+"}").Version != mustRule(t, "rate: {of: [bounced, delivered], event: [bounced], above: 0.05, clear_below: 5%, duration: 600s, every: 60s, minimum: 1}").Version {
		t.Error("written defaults change the version of a rate")
	}
	seen := map[string]string{}
	for _, fields := range []string{
		click, click + "when: \"true\"", click + "once_per: recipient", click + "cooldown: 1d", click + "sample: 1%", click + "human_only: false",
		click + "settle: 0s", click + "max_age: 1d", click + "mode: shadow", click + "limit: 1", click + "call: shop", click + "active: {from: 08:00}",
		click + "active: {from: 08:00, outside: skip}", click + "active: {to: 08:00}", click + "active: {days: [mon]}", click + "active: {time_zone: Europe/Paris}",
		bounces + "}", bounces + ", clear_below: 4%}", bounces + ", minimum: 2}", bounces + ", every: 30s}",
		"absence: {event: clicked, of: opened, duration: 1h}", "absence: {event: clicked, of: opened, duration: 1h, wait: 1s}", "within: {event: clicked, of: opened, duration: 1h}",
		"sequence: {events: [send, clicked], duration: 1h}", "sequence: {events: [sent, clicked], duration: 1h}", "sequence: {events: [send, {event: clicked, when: \"true\"}], duration: 1h}",
		"count: {event: clicked, times: 3, duration: 1h}", "count: {event: clicked, times: 4, duration: 1h}", "count: {event: clicked, times: 3, duration: 1h, per: recipient}",
	} {
		v := mustRule(t, fields).Version
		if other, ok := seen[v]; ok {
			t.Errorf("%q and %q have the same version", fields, other)
		}
		seen[v] = fields
	}
}
