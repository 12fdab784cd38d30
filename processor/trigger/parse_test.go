package trigger

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

const sample = `# the shop's rules
rules:
  - name: discount-24h
    within: {event: opened, of: send, duration: 24h}
    when: event.machine != "machine" && message.campaign_id == "spring"
    once_per: recipient
    max_age: 7d
    human_only: false
    mode: shadow
    call: shop
  - name: quick-click
    within:
      event: clicked
      of: opened
      duration: 90m
`

func TestParse(t *testing.T) {
	set, err := Parse("rules.yaml", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	rules := set.Rules()
	if len(rules) != 2 {
		t.Fatalf("got %d rules, want 2", len(rules))
	}
	r := rules[0]
	if r.Name != "discount-24h" || r.Kind != KindWithin || r.Event != schemas.EventTypeOpened || r.Of != AnchorSend ||
		r.Duration != 24*time.Hour || r.OncePer != OncePerRecipient || r.MaxAge != 7*24*time.Hour || r.HumanOnly ||
		!r.Shadow || r.Call != "shop" || r.Position != "rules.yaml:3" {
		t.Errorf("first rule: %+v", r)
	}
	r = rules[1]
	if r.OncePer != OncePerMessage || r.MaxAge != 48*time.Hour || !r.HumanOnly || r.Shadow || r.Call != "" || r.When != "" {
		t.Errorf("defaults: %+v", r)
	}
}

func TestParseEmpty(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "rules: []\n"} {
		set, err := Parse("rules.yaml", []byte(text))
		if err != nil || len(set.Rules()) != 0 {
			t.Errorf("%q: %v, %v", text, set.Rules(), err)
		}
	}
	if rules := (*Set)(nil).Rules(); rules != nil {
		t.Errorf("rules of nil: %v", rules)
	}
}

func TestHumanOnlyDefault(t *testing.T) {
	for within, want := range map[string]bool{
		"{event: opened, of: send, duration: 1h}":       true,
		"{event: clicked, of: send, duration: 1h}":      true,
		"{event: bounced, of: send, duration: 1h}":      false,
		"{event: complained, of: opened, duration: 1h}": true,
	} {
		if r := mustRule(t, "within: "+within); r.HumanOnly != want {
			t.Errorf("%s: human_only %t, want %t", within, r.HumanOnly, want)
		}
	}
}

// mustRule parses one rule from its fields but the name.
func mustRule(t interface {
	Helper()
	Fatal(...any)
}, fields string) *Rule {
	t.Helper()
	text := "rules:\n  - name: r\n"
	for line := range strings.SplitSeq(fields, "\n") {
		text += "    " + line + "\n"
	}
	set, err := Parse("r.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set.Rules()[0]
}

func TestParseErrors(t *testing.T) {
	rule := func(fields string) string {
		return "rules:\n  - name: r\n    within: {event: opened, of: send, duration: 24h}\n    " + fields + "\n"
	}
	for _, tt := range []struct{ text, want string }{
		{"rules: 7\n", `f.yaml:1: rules: want a list`},
		{"- 7\n", `f.yaml:1: want keys with values: rules`},
		{"rule: []\n", `f.yaml:1: rule: no such field; did you mean rules? the fields are rules`},
		{"rules:\n  - 7\n", `f.yaml:2: rule "?": want keys`},
		{"rules: [\n", `f.yaml: `},
		{"rules:\n  - name: r\n", `f.yaml:2: rule "r": has no kind; give it one of immediate, within`},
		{"rules:\n  - within: {event: opened, of: send, duration: 24h}\n", `f.yaml:2: rule "?": name: is missing`},
		{"rules:\n  - name: a b\n    within: {event: opened, of: send, duration: 24h}\n", `f.yaml:2: rule "a b": name: want 1 to 64`},
		{"rules:\n  - name: r\n    within: {event: read, of: send, duration: 24h}\n", `f.yaml:3: rule "r": within.event: "read" is no type`},
		{"rules:\n  - name: r\n    within: {event: unknown, of: send, duration: 24h}\n", `within.event: "unknown"`},
		{"rules:\n  - name: r\n    within: {event: opened, of: bounced, duration: 24h}\n", `within.of: "bounced" is not possible; want one of send`},
		{"rules:\n  - name: r\n    within: {event: opened, of: send, duration: a day}\n", `within.duration: "a day" is no duration`},
		{"rules:\n  - name: r\n    within: {event: opened, of: send, duration: 0s}\n", `within.duration: "0s" is no duration`},
		{"rules:\n  - name: r\n    within: {event: opened, of: send, duration: 9999d}\n", `within.duration: "9999d" is no duration`},
		{"rules:\n  - name: r\n    within: {event: opened, of: send}\n", `within.duration: is missing; every within has event, of, duration`},
		{"rules:\n  - name: r\n    within: opened\n", `f.yaml:3: rule "r": within: want keys with values: event, of, duration`},
		{rule("colour: red"), `f.yaml:4: rule "r": colour: no such field; the fields are name, immediate, within`},
		{rule("name: again"), `f.yaml:4: rule "r": name: is given twice`},
		{rule("when:"), `f.yaml:4: rule "r": when: is empty`},
		{rule("when: {a: b}"), `f.yaml:4: rule "r": when: want a single value`},
		{rule("when: event.colour == \"red\""), `undeclared reference`},
		{rule("when: event.url == 7"), `f.yaml:4: rule "r": when: column 11: found no matching overload`},
		{rule("when: event.url"), `is of type string; write a condition`},
		{rule("when: event.url =="), `Syntax error`},
		{rule("once_per: year"), `once_per: "year" is not possible; want one of message, recipient, campaign`},
		{rule("max_age: soon"), `max_age: "soon" is no duration`},
		{rule("human_only: perhaps"), `human_only: "perhaps" is not possible; want one of true, false`},
		{rule("mode: loud"), `mode: "loud" is not possible; want one of live, shadow`},
	} {
		_, err := Parse("f.yaml", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q:\n got %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

func TestParseReportsAllErrors(t *testing.T) {
	_, err := Parse("f.yaml", []byte("rules:\n  - name: a\n    colour: red\n  - name: b\n    within: {event: x, of: y, duration: z}\n"))
	if err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("want 5 errors, got %v", err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, rule string) {
		text := "rules:\n  - name: " + rule + "\n    within: {event: opened, of: send, duration: 24h}\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1.yaml", "first")
	write("2.yaml", "second")
	set, err := Load(filepath.Join(dir, "*.yaml"), filepath.Join(dir, "1.yaml"))
	if err != nil || len(set.Rules()) != 2 || set.Rules()[1].Name != "second" {
		t.Fatalf("got %v, %v", set.Rules(), err)
	}
	write("3.yaml", "first")
	_, err = Load(filepath.Join(dir, "*.yaml"), filepath.Join(dir, "none.yaml"))
	if err == nil || !strings.Contains(err.Error(), "1.yaml:2 has it too") || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}

func TestVersion(t *testing.T) {
	a := mustRule(t, "within: {event: opened, of: send, duration: 24h}")
	b := mustRule(t, "within:\n  event: opened # comment\n  duration: 1d\n  of: send\nmode: live")
	c := mustRule(t, "within: {event: opened, of: send, duration: 25h}")
	if a.Version != b.Version || a.Version == c.Version || len(a.Version) != 16 {
		t.Errorf("versions %s %s %s", a.Version, b.Version, c.Version)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("rules: &a [*a]\n"))
	f.Add([]byte("rules:\n  - &x {name: a, within: *x}\n"))
	f.Add([]byte("rules:\n  - {name: a, rate: {event: bounced, of: [delivered, bounced], above: 5%, duration: 10m}, active: {days: [mon], from: 22:00, to: 06:00}}\n"))
	f.Add([]byte("rules:\n  - {name: a, sequence: {events: [send, {event: clicked, when: event.url == \"/\"}], duration: 3d}, cooldown: 1d, sample: 10%}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := Parse("f.yaml", text)
		if err != nil {
			return
		}
		events := []Event{ev(1, sent, 0), ev(2, opened, 0), ev(3, clicked, 0)}
		for _, r := range set.Rules() {
			if r.Name == "" || r.Kind == "" || r.OncePer == "" || r.MaxAge <= 0 || r.Version == "" || r.Kind != KindImmediate && r.Duration <= 0 {
				t.Errorf("incomplete rule %+v", r)
			}
			if r.OfCampaign() && (r.Every <= 0 || r.Duration%r.Every != 0) {
				t.Errorf("rule with wrong steps %+v", r)
			}
			r.Judge(message(), events, at(hour))
			r.CountsEvent(message(), &events[0])
		}
	})
}
