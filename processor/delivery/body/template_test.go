package body

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

// document reads YAML as the configuration does.
func document(t testing.TB, text string) (v any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTemplates(t *testing.T) {
	for _, tt := range []struct{ name, template, trigger, want string }{
		{"nothing is a template", `{code: SALE, n: 3, x: 0.5, yes: true, none: null, list: [1, two]}`, "within",
			`{"code":"SALE","list":[1,"two"],"n":3,"none":null,"x":0.5,"yes":true}`},
		{"texts", `{email: "{{.recipient.address}}", about: "{{.rule}} of {{.campaign.name}}"}`, "within",
			`{"about":"discount of Spring <sale>","email":"anna@gmail.example"}`},
		{"a number stays a number", `{hits: "{{.hits | json}}", ratio: "{{json .ratio}}", text: "{{.hits}}"}`, "rate", `{"hits":12,"ratio":0.06,"text":"12"}`},
		{"a list", `["{{.evidence | json}}"]`, "within",
			`[[{"id":"07000000-0000-0000-0000-000000000000","machine":"human","occurred_at":"2026-11-23T10:00:01Z","type":"opened"}]]`},
		{"json within a text is text", `{t: "hits={{.hits | json}}"}`, "count", `{"t":"hits=3"}`},
		{"default, lower, upper, replace, trim", `{a: "{{.custom_or | default \"x\"}}"}`, "", ""},
		{"functions", `{a: "{{.campaign.name | default \"none\"}}", b: "{{upper .kind}}{{lower \"ABC\"}}{{trim \" x \"}}", c: "{{replace \"-\" \"_\" .message.id}}"}`, "rate",
			`{"a":"none","b":"RATEabcx","c":""}`},
		{"times", `{at: '{{.occurred_at | date "2006-01-02 15:04" "Europe/Paris"}}', none: '{{date "2006" "UTC" .anchor_at}}'}`, "rate", `{"at":"2026-11-23 11:00","none":""}`},
		{"conditions", `{t: '{{if eq .state "raised"}}too many{{else}}fine again{{end}}'}`, "rate", `{"t":"too many"}`},
		{"a document that is one text", `"{{.rule}}"`, "within", `"discount"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tmpl, err := New(document(t, tt.template))
			if tt.want == "" {
				if err == nil {
					t.Error("is taken")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := tmpl.Body(triggers()[tt.trigger])
			if err != nil || string(got) != tt.want {
				t.Errorf("\n got %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestBadTemplates(t *testing.T) {
	for _, tt := range []struct{ name, template, path, problem string }{
		{"unknown name", `{a: {b: ["{{.recipient.adress}}"]}}`, "a.b[0]", "adress"},
		{"no template", `{a: "{{.rule"}`, "a", "unclosed action"},
		{"unknown function", `{a: "{{exec .rule}}"}`, "a", `"exec" not defined`},
		{"call", `{a: "{{call .rule}}"}`, "a", "call"},
		{"template in a name", `{"{{.rule}}": 1}`, "", "only values"},
		{"definition", `{a: '{{define "x"}}y{{end}}{{template "x"}}'}`, "a", "defines a template"},
		{"another template", `{a: '{{template "x"}}'}`, "a", `"x" not defined`},
		{"a time", `{at: 2026-11-23T10:00:00Z}`, "at", "in quotes"},
		{"no number of JSON", `{x: .inf}`, "x", "in quotes"},
		{"bad zone", `{x: '{{date "2006" "Nowhere/None" .occurred_at}}'}`, "x", "time zone"},
		{"no time", `{x: '{{date "2006" "UTC" .rule}}'}`, "x", "no time"},
		{"endless", `{x: '{{range 100000000}}xxxxxxxxxxxxxxxxxxxxxxxxxxx{{end}}'}`, "x", "longer than"},
		{"only for campaigns", `{x: '{{index .evidence 0}}'}`, "x", "out of range"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(document(t, tt.template))
			var at *Error
			if !errors.As(err, &at) || at.Path != tt.path || !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("%v (path %+v)", err, at)
			}
		})
	}
	deep := any("x")
	for range 40 {
		deep = []any{deep}
	}
	if _, err := New(deep); err == nil || !strings.Contains(err.Error(), "deep") {
		t.Errorf("%v", err)
	}
	// All problems at once.
	if _, err := New(document(t, `{a: "{{", b: "{{"}`)); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v", err)
	}
}

// Whatever stands in a trigger, what comes out is JSON, and the text is what it
// was: nothing breaks out of it.
func TestNothingBreaksOut(t *testing.T) {
	tmpl, err := New(document(t, `{email: "{{.recipient.address}}", both: "{{.campaign.name}}-{{.message.custom_id}}", raw: "{{.campaign.name | json}}", n: 1}`))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		tr := &schemas.Trigger{
			Recipient: rapid.String().Draw(t, "recipient"), CampaignName: rapid.String().Draw(t, "campaign"), CustomID: rapid.String().Draw(t, "custom"),
			OccurredAt: schemas.FromTime(time.Unix(1, 0)),
		}
		b, err := tmpl.Body(tr)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		want := map[string]any{"email": tr.Recipient, "both": tr.CampaignName + "-" + tr.CustomID, "raw": tr.CampaignName, "n": 1.0}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// The same trigger makes the same bytes: every attempt sends the same.
func TestSameBytes(t *testing.T) {
	tmpl, err := New(document(t, `{z: 1, a: "{{.rule}}", m: {y: 2, b: [1, {d: 1, c: "{{.id}}"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	first, err := tmpl.Body(triggers()["within"])
	for range 20 {
		again, err2 := tmpl.Body(triggers()["within"])
		if err != nil || err2 != nil || string(again) != string(first) {
			t.Fatalf("%s, then %s", first, again)
		}
	}
}

// Every name of the reference is there for every kind of trigger.
func TestNames(t *testing.T) {
	for _, name := range []string{
		"type", "id", "timestamp", "tenant", "account", "rule", "rule_version", "kind", "occurrence", "recipient.id", "recipient.address", "recipient.domain",
		"campaign.id", "campaign.name", "message.id", "message.custom_id", "anchor_at", "occurred_at", "arrived_at", "not_before",
		"window.start", "window.end", "hits", "base", "ratio", "state", "evidence",
	} {
		if _, err := New("{{." + name + "}}"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("{{.rule}}")
	f.Add("{{json .evidence}}")
	f.Add(`{{range .evidence}}{{.id}}{{end}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "range") || strings.Contains(text, "printf") {
			return // may take long, as its author wants it
		}
		tmpl, err := New(map[string]any{"x": text})
		if err != nil {
			return
		}
		if b, err := tmpl.Body(triggers()["within"]); err == nil && !json.Valid(b) {
			t.Errorf("%q makes %s", text, b)
		}
	})
}
