package trigger

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// walk reads YAML nodes strictly and collects errors that name file, line, rule
// and field.
type walk struct {
	file string
	rule string
	errs *[]error
}

// field is a key that a mapping may have. Its value is a scalar, unless nested.
type field struct {
	name     string
	required bool
	nested   bool
	set      func(*yaml.Node)
}

func (w *walk) fail(n *yaml.Node, field, problem string) {
	place := fmt.Sprintf("%s:%d: ", w.file, n.Line)
	if w.rule != "" {
		place += fmt.Sprintf("rule %q: ", w.rule)
	}
	if field != "" {
		place += field + ": "
	}
	*w.errs = append(*w.errs, fmt.Errorf("%s%s", place, problem))
}

// fields reads a mapping. Unknown and repeated keys are errors, and so are
// required keys that are missing and scalars that are empty.
func (w *walk) fields(n *yaml.Node, prefix string, fields []field) {
	n = resolve(n)
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	if n.Kind != yaml.MappingNode {
		w.fail(n, strings.TrimSuffix(prefix, "."), "want keys with values: "+strings.Join(names, ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		at := slices.Index(names, key.Value)
		switch {
		case at < 0:
			w.fail(key, prefix+key.Value, "no such field; "+suggestion(key.Value, names)+"the fields are "+strings.Join(names, ", "))
			continue
		case seen[key.Value]:
			w.fail(key, prefix+key.Value, "is given twice; remove one")
			continue
		}
		seen[key.Value] = true
		if value.Kind == yaml.ScalarNode && (value.Value == "" || value.Tag == "!!null") {
			w.fail(value, prefix+key.Value, "is empty; give a value or remove it")
			continue
		}
		if value.Kind != yaml.ScalarNode && !fields[at].nested {
			w.fail(value, prefix+key.Value, "want a single value")
			continue
		}
		fields[at].set(value)
	}
	for _, f := range fields {
		if f.required && !seen[f.name] {
			w.fail(n, prefix+f.name, "is missing; "+owner(prefix)+" has "+required(fields))
		}
	}
}

func required(fields []field) string {
	var names []string
	for _, f := range fields {
		if f.required {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}

// owner names what the fields with a prefix belong to.
func owner(prefix string) string {
	if prefix == "" {
		return "every rule"
	}
	return "every " + strings.TrimSuffix(prefix, ".")
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func nameOf(n *yaml.Node) string {
	n = resolve(n)
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == "name" {
				return n.Content[i+1].Value
			}
		}
	}
	return "?"
}
