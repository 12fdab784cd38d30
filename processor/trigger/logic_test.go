package trigger

import (
	"testing"

	"cel.dev/cel-go/common/types"
	"pgregory.net/rapid"
)

// TestLogicSaysWhatCELSays compares with CEL's evaluation.
func TestLogicSaysWhatCELSays(t *testing.T) {
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
	var draw func(t *rapid.T, depth int) string
	draw = func(t *rapid.T, depth int) string {
		text := rapid.SampledFrom(atoms).Draw(t, "atom")
		if depth > 0 && rapid.Bool().Draw(t, "joined") {
			text = draw(t, depth-1) + rapid.SampledFrom([]string{" && ", " || "}).Draw(t, "and") + draw(t, depth-1)
		}
		if rapid.IntRange(0, 2).Draw(t, "not") == 0 {
			text = "!(" + text + ")"
		}
		return "(" + text + ")"
	}
	rapid.Check(t, func(t *rapid.T) {
		text := draw(t, 3)
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
		out, _, _ := program.Eval(&activation{get: c.get, message: m, event: e})
		want := out == types.True // an error is false
		got, _ := guarded.holds(m, e)
		if got != want {
			t.Fatalf("%s: %t, CEL says %t", text, got, want)
		}
	})
}
