package trigger

import (
	"testing"

	"pgregory.net/rapid"
)

// TestGuardsSayWhatConditionsSay compares guards with CEL's evaluation.
func TestGuardsSayWhatConditionsSay(t *testing.T) {
	atoms := []string{
		`event.url == "/a"`, `"/a" != event.url`, `event.country == ""`, `event.url.startsWith("/")`, `event.url.endsWith("b")`, `event.url.contains("a")`,
		`event.url in ["/a", "/c"]`, `event.url in []`, `message.campaign_id == "spring"`, `message.campaign_id != ""`, `message.custom_id == ""`,
		`message.custom_id.contains("")`, `message.metadata.tier == "gold"`, `message.metadata["tier"] != "gold"`, `message.metadata["tier"].startsWith("g")`,
		`(event.url == "/a" || event.url == "/b")`, `(message.custom_id == "c" || message.custom_id in ["d"])`, `event.url.size() > 1`, `event.type == "clicked"`,
	}
	c, err := newCompiler()
	if err != nil {
		t.Fatal(err)
	}
	atom := func(t *rapid.T) string {
		a := rapid.SampledFrom(atoms).Draw(t, "atom")
		if rapid.Bool().Draw(t, "not") {
			return "!(" + a + ")"
		}
		return a
	}
	rapid.Check(t, func(t *rapid.T) {
		text := atom(t)
		for range rapid.IntRange(0, 2).Draw(t, "more") {
			text += rapid.SampledFrom([]string{" && ", " && ", " || "}).Draw(t, "and") + atom(t)
		}
		guarded, err := c.compile(text)
		if err != nil {
			t.Fatal(err)
		}
		m := &Message{
			CampaignID: rapid.SampledFrom([]string{"", "spring", "autumn"}).Draw(t, "campaign"),
			CustomID:   rapid.SampledFrom([]string{"", "c", "e"}).Draw(t, "custom"),
			Metadata:   rapid.SampledFrom([]map[string]string{nil, {"tier": "gold"}, {"tier": ""}, {"x": "y"}}).Draw(t, "metadata"),
		}
		e := &Event{Type: clicked, URL: rapid.SampledFrom([]string{"", "/a", "/b"}).Draw(t, "url")}
		checked, issues := c.env.Compile(text)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		program, err := c.env.Program(checked)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := (&condition{program: program, get: c.get}).holds(m, e) // an error is false
		got, _ := guarded.holds(m, e)
		if got != want {
			t.Fatalf("%s: %t, CEL says %t", text, got, want)
		}
	})
}
