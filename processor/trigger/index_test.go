package trigger

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func mustSet(t interface {
	Helper()
	Fatal(...any)
}, rules ...string) *Set {
	t.Helper()
	var text strings.Builder
	text.WriteString("rules:\n")
	for i, fields := range rules {
		fmt.Fprintf(&text, "  - name: r%d\n    %s\n", i, strings.ReplaceAll(strings.Replace(fields, "\nwhen: ", "\nwhen: >-\n  ", 1), "\n", "\n    "))
	}
	set, err := Parse("r.yaml", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func names(rules []*Rule) string {
	var all []string
	for _, r := range rules {
		all = append(all, r.Name)
	}
	return strings.Join(all, " ")
}

func typesOf(events []Event) (s TypeSet) {
	for i := range events {
		s.Add(events[i].Type)
	}
	return s
}

func TestForMessage(t *testing.T) {
	const click = "immediate: {event: clicked}\nwhen: "
	set := mustSet(t,
		"immediate: {event: clicked}",
		"within: {event: opened, of: send, duration: 1h}",
		"absence: {event: opened, of: delivered, duration: 1h}",
		"sequence: {events: [send, opened, complained], duration: 1h}",
		"count: {event: clicked, times: 3, duration: 1h}",
		click+`message.campaign_id == "spring"`,
		click+`"autumn" == message.campaign_id && event.url != ""`,
		click+`message.campaign_id in ["summer", "spring", "spring"]`,
		click+`message.campaign_id == "spring" || event.url == "/a"`,
		click+`event.url == "/a" && message.metadata.tier == "gold"`,
		click+`event.url == "/b" && event.country.startsWith("F")`,
		click+`message.metadata["tier"] == "silver"`,
		click+`!(message.campaign_id == "autumn")`,
		click+`(message.campaign_id == "autumn" || message.campaign_id in ["winter"]) && event.url.startsWith("/")`,
	)
	full := message()
	full.Metadata = map[string]string{"tier": "gold"}
	for _, tt := range []struct {
		name   string
		m      *Message
		events []Event
		want   string
	}{
		{"nothing", message(), nil, ""},
		{"a delivery", message(), []Event{ev(1, delivered, 0)}, "r2"},
		{"an open alone", message(), []Event{ev(1, opened, 0)}, ""},
		{"an open", message(), []Event{ev(1, queued, 0), ev(1, opened, 0)}, "r1"},
		{"a click of the spring", message(), []Event{visits(ev(1, clicked, 0), "/")}, "r0 r5 r7 r8 r12"},
		{"a click of nothing", &Message{}, []Event{visits(ev(1, clicked, 0), "/")}, "r0 r8 r12"},
		{"clicks on two links", full, []Event{visits(ev(1, clicked, 0), "/a"), visits(ev(1, clicked, 0), "/b")}, "r0 r5 r7 r8 r9 r10 r12"},
	} {
		if got := names(set.ForMessage(nil, tt.m, typesOf(tt.events), tt.events)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := names(set.ForEvent(nil, message(), &Event{Type: clicked})); got != "r4" {
		t.Errorf("counting: %s", got)
	}
	if got := (*Set)(nil).ForMessage(nil, full, typesOf(nil), nil); got != nil {
		t.Errorf("nil: %v", got)
	}
	kept := []*Rule{set.Rules()[9]}
	if got := names(set.ForMessage(kept, message(), TypesOf(delivered), []Event{ev(1, delivered, 0)})); got != "r9 r2" {
		t.Errorf("appended: %s", got)
	}
}

// TestForMessageMissesNothing: what fires is among what the index finds.
func TestForMessageMissesNothing(t *testing.T) {
	conditions := []string{
		`true`, `event.url == "/a"`, `event.url != "/a"`, `event.url in ["/a", "/b"]`, `message.campaign_id == "spring" && event.url == "/b"`,
		`message.campaign_id == "autumn"`, `message.metadata.tier == "gold"`, `message.metadata["tier"] != "gold" && event.country == ""`,
		`!event.url.contains("a") && event.url.endsWith("b")`, `!(event.url != "/a")`, `!message.custom_id.startsWith("d")`,
		`message.custom_id == "c" || message.custom_id == "d"`, `!(message.custom_id == "c" || message.custom_id == "d")`,
		`event.type == "clicked" && message.custom_id == "c" && event.url.size() > 1`, `message.custom_id == "" || event.url == "/a"`,
	}
	rapid.Check(t, func(t *rapid.T) {
		var rules []string
		for _, c := range conditions {
			kind := rapid.SampledFrom([]string{"immediate: {event: clicked}", "within: {event: clicked, of: opened, duration: 1h}", "absence: {event: clicked, of: send, duration: 1h}",
				"sequence: {events: [opened, clicked], duration: 1h}", "count: {event: clicked, times: 1, duration: 1h}"}).Draw(t, "kind")
			rules = append(rules, kind+"\nwhen: "+c)
		}
		set := mustSet(t, rules...)
		m := &Message{
			CampaignID: rapid.SampledFrom([]string{"", "spring", "autumn"}).Draw(t, "campaign"),
			CustomID:   rapid.SampledFrom([]string{"", "c"}).Draw(t, "custom"),
			Metadata:   rapid.SampledFrom([]map[string]string{nil, {"tier": "gold"}, {"tier": ""}}).Draw(t, "metadata"),
		}
		events := drawEvents(t, 6)
		found := set.ForMessage(nil, m, typesOf(events), events)
		for _, r := range set.Rules() {
			if firings, next := r.Judge(m, events, at(9*hour)); (len(firings) > 0 || next != 0) && !slices.Contains(found, r) {
				t.Fatalf("%s fires but is not found: %s", rules[r.index], names(found))
			}
			for i := range events {
				if hit, base := r.CountsEvent(m, &events[i]); (hit || base) && !slices.Contains(set.ForEvent(nil, m, &events[i]), r) {
					t.Fatalf("%s counts but is not found", rules[r.index])
				}
			}
		}
	})
}

// BenchmarkRules judges an open of a message that no rule is for: of rules that
// name a campaign, that compare a text otherwise, and that need CEL.
func BenchmarkRules(b *testing.B) {
	for _, shape := range []struct{ name, when string }{
		{"campaign", `message.campaign_id == "c%d" && event.country != "US"`},
		{"prefix", `event.url.startsWith("https://shop.example/%d/")`},
		{"alternatives", `event.url.size() > 9 && (message.campaign_id == "c%d" || message.custom_id == "d%[1]d")`},
		{"cel", `event.url.size() == 100 + %d`},
	} {
		for _, n := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				var rules []string
				for i := range n {
					rules = append(rules, "within: {event: opened, of: send, duration: 24h}\nwhen: "+fmt.Sprintf(shape.when, i))
				}
				set := mustSet(b, rules...)
				m, events := message(), []Event{ev(1, delivered, 0), ev(2, opened, hour)}
				events[1].URL = "https://other.example/"
				types := typesOf(events)
				var found []*Rule
				b.ReportAllocs()
				for b.Loop() {
					found = set.ForMessage(found[:0], m, types, events)
					for _, r := range found {
						if firings, _ := r.Judge(m, events, at(hour)); len(firings) != 0 {
							b.Fatal("fired")
						}
					}
				}
			})
		}
	}
}

// BenchmarkJudge judges an open that fires.
func BenchmarkJudge(b *testing.B) {
	r := mustRule(b, "within: {event: opened, of: send, duration: 24h}\nwhen: event.machine != \"machine\" && message.campaign_id == \"spring\"")
	m := message()
	events := []Event{ev(1, delivered, 0), ev(2, opened, hour)}
	b.ReportAllocs()
	for b.Loop() {
		if firings, _ := r.Judge(m, events, at(hour)); len(firings) != 1 {
			b.Fatal("did not fire")
		}
	}
}
