package body

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Default bodies are as the schema says, and it knows every field of them.
func TestSchema(t *testing.T) {
	text, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, tr := range triggers() {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(Default(tr)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		known(t, document, value, name)
	}
	if schema.Validate(map[string]any{"type": "trigger.fired"}) == nil {
		t.Error("a body without data is taken")
	}
}

// known checks that every field of a value is described.
func known(t *testing.T, schema, value any, at string) {
	t.Helper()
	described, _ := schema.(map[string]any)
	switch v := value.(type) {
	case map[string]any:
		fields, _ := described["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if fields[name] == nil {
				t.Errorf("%s.%s is not described", at, name)
			}
			known(t, fields[name], v[name], at+"."+name)
		}
	case []any:
		for _, item := range v {
			known(t, described["items"], item, at+"[]")
		}
	case json.Number, string, bool, nil:
	}
}
