package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
)

// checkGoldenStatistics asks for what golden-statistics.json has. What it wants of
// an answer is all that is looked at: of an object those fields, of a list all
// elements, or those of an object with their numbers as names.
func checkGoldenStatistics(t *testing.T, api string) {
	t.Helper()
	var cases []struct {
		Get, Why string
		Want     any
	}
	text, err := os.ReadFile("testdata/golden-statistics.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		var got any
		getJSON(t, api+c.Get, &got)
		for _, problem := range lacks("", c.Want, got) {
			t.Errorf("%s: %s\n\t%s", c.Get, problem, c.Why)
		}
	}
}

// lacks says in what got is not what is wanted.
func lacks(at string, want, got any) (problems []string) {
	differ := func() []string { return []string{fmt.Sprintf("%s is %v, want %v", at, got, want)} }
	switch want := want.(type) {
	case map[string]any:
		if near, ok := want["near"].(float64); ok {
			n, ok := got.(float64)
			if within := want["within"].(float64); !ok || math.Abs(n-near) > within*near {
				return differ()
			}
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			var element any
			switch got := got.(type) {
			case map[string]any:
				var ok bool
				if element, ok = got[name]; !ok {
					problems = append(problems, at+"."+name+" is not there")
					continue
				}
			case []any:
				i, err := strconv.Atoi(name)
				if err != nil || i >= len(got) {
					return differ()
				}
				element = got[i]
			default:
				return differ()
			}
			problems = append(problems, lacks(at+"."+name, want[name], element)...)
		}
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return differ()
		}
		for i := range want {
			problems = append(problems, lacks(fmt.Sprintf("%s[%d]", at, i), want[i], list[i])...)
		}
	case float64:
		if n, ok := got.(float64); !ok || math.Abs(n-want) > 1e-6 {
			return differ()
		}
	default:
		if got != want {
			return differ()
		}
	}
	return problems
}

// checkGoldenRecipient looks up the recipient of messages 31 and 32, who clicked
// in both and opened neither.
func checkGoldenRecipient(t *testing.T, api string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/v1/recipients/lookup", bytes.NewReader([]byte(`{"address": " R31@example.org"}`)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var found struct{ ID string }
	if err := json.NewDecoder(resp.Body).Decode(&found); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("looking up a recipient: %s, %v", resp.Status, err)
	}
	var got any
	getJSON(t, api+"/v1/recipients/"+found.ID, &got)
	want := map[string]any{"summary": map[string]any{
		"domain": "example.org", "last_opened_at": nil,
		"counters": map[string]any{"messages": 2.0, "delivered": 2.0, "opened": 0.0, "opens": 0.0, "clicked": 2.0, "human_clicked": 2.0, "clicks": 2.0, "human_clicks": 2.0},
	}}
	for _, problem := range lacks("", want, got) {
		t.Errorf("recipient 31: %s", problem)
	}
	if messages, ok := got.(map[string]any)["messages"].([]any); !ok || len(messages) != 2 {
		t.Errorf("recipient 31 has the messages %v", got.(map[string]any)["messages"])
	}
}

func TestLacks(t *testing.T) {
	var got any
	if err := json.Unmarshal([]byte(`{"a": [{"b": 1, "c": null}, {"b": 600.5}], "d": "x"}`), &got); err != nil {
		t.Fatal(err)
	}
	for want, problems := range map[string]int{
		`{"a": [{"b": 1}, {}], "d": "x"}`:                     0,
		`{"a": {"1": {"b": {"near": 600, "within": 0.032}}}}`: 0,
		`{"a": [{"c": null}, {"b": 600}]}`:                    1,
		`{"a": [{"b": 1}]}`:                                   1,
		`{"a": {"2": {}}, "d": "y", "e": 1}`:                  3,
		`{"a": {"1": {"b": {"near": 700, "within": 0.032}}}}`: 1,
		`{"a": [{"c": 0}, {}]}`:                               1,
	} {
		var w any
		if err := json.Unmarshal([]byte(want), &w); err != nil {
			t.Fatal(err)
		}
		if found := lacks("", w, got); len(found) != problems {
			t.Errorf("%s: %q", want, found)
		}
	}
}
