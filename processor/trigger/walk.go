package trigger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// walk reads YAML nodes strictly and collects errors that name file, line, rule
// and field.
type walk struct {
	file string
	rule string
	errs *[]error
}

// field is a key that a mapping may have.
type field struct {
	name     string
	required bool
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
			w.fail(key, prefix+key.Value, "no such field; the fields are "+strings.Join(names, ", "))
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
		if value.Kind != yaml.ScalarNode && scalar(key.Value) {
			w.fail(value, prefix+key.Value, "want a single value")
			continue
		}
		fields[at].set(value)
	}
	for _, f := range fields {
		if f.required && !seen[f.name] {
			w.fail(n, prefix+f.name, "is missing; every rule has "+required(fields))
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

// scalar tells whether a field takes a single value.
func scalar(name string) bool { return name != "rules" && name != KindWithin }

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

func (w *walk) oneOf(n *yaml.Node, field string, values ...string) string {
	if !slices.Contains(values, n.Value) {
		w.fail(n, field, fmt.Sprintf("%q is not possible; want one of %s", n.Value, strings.Join(values, ", ")))
		return values[0]
	}
	return n.Value
}

// maxDuration bounds durations: facts of messages are kept for 400 days.
const maxDuration = 400 * 24 * time.Hour

func (w *walk) duration(n *yaml.Node, field string) time.Duration {
	d, err := parseDuration(n.Value)
	if err != nil || d <= 0 || d > maxDuration {
		w.fail(n, field, fmt.Sprintf("%q is no duration from 1us to 400d; write it as 90m, 24h or 7d", n.Value))
	}
	return d
}

// parseDuration parses a Go duration or whole days, as 7d.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}
