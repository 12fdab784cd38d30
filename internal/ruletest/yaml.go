package ruletest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/posthorn/posthorn/internal/suggest"
)

// reader reads YAML nodes strictly and collects errors that name file, line and
// field.
type reader struct {
	file string
	errs []mistake
}

// mistake is an error and the line that it is shown by.
type mistake struct {
	line int
	err  error
}

// err joins the errors, in the order of the file.
func (r *reader) err() error {
	slices.SortStableFunc(r.errs, func(a, b mistake) int { return cmp.Compare(a.line, b.line) })
	list := make([]error, len(r.errs))
	for i, m := range r.errs {
		list[i] = m.err
	}
	return errors.Join(list...)
}

func (r *reader) fail(n *yaml.Node, path, format string, args ...any) {
	place := fmt.Sprintf("%s:%d: ", r.file, n.Line)
	if path != "" {
		place += path + ": "
	}
	r.errs = append(r.errs, mistake{n.Line, errors.New(place + fmt.Sprintf(format, args...))})
}

// field is a key that a mapping may have.
type field struct {
	name     string
	required bool
	set      func(n *yaml.Node, path string)
}

// mapping reads a mapping into its fields. Unknown, repeated and missing keys are
// errors.
func (r *reader) mapping(n *yaml.Node, path string, fields []field) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		r.fail(n, path, "want keys with values: %s", strings.Join(names(fields), ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		at := join(path, key.Value)
		j := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		switch {
		case j < 0:
			r.fail(key, at, "%s", noSuch("field", key.Value, names(fields)))
		case seen[key.Value]:
			r.fail(key, at, "is given twice; remove one")
		default:
			seen[key.Value] = true
			fields[j].set(value, at)
		}
	}
	for _, f := range fields {
		if f.required && !seen[f.name] {
			r.fail(n, join(path, f.name), "is missing")
		}
	}
}

// list reads each item of a list.
func (r *reader) list(n *yaml.Node, path string, each func(n *yaml.Node, path string)) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, path, "want a list, each item starting with a dash")
		return
	}
	for i, item := range n.Content {
		each(resolve(item), fmt.Sprintf("%s[%d]", path, i))
	}
}

// text reads a single value that is not empty.
func (r *reader) text(n *yaml.Node, path string) string {
	if n.Kind != yaml.ScalarNode {
		r.fail(n, path, "want a single value")
		return ""
	}
	if n.Value == "" || n.Tag == "!!null" {
		r.fail(n, path, "is empty; give a value or remove it")
		return ""
	}
	return n.Value
}

// texts reads one value or a list of them.
func (r *reader) texts(n *yaml.Node, path string) (list []string) {
	if n.Kind == yaml.ScalarNode {
		return []string{r.text(n, path)}
	}
	r.list(n, path, func(n *yaml.Node, path string) { list = append(list, r.text(n, path)) })
	return list
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func names(fields []field) (list []string) {
	for _, f := range fields {
		list = append(list, f.name)
	}
	return list
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// noSuch says that there is no such thing, what may have been meant, and what
// there is.
func noSuch(what, name string, known []string) string {
	return fmt.Sprintf("%q is no %s; %swant one of %s", name, what, suggest.DidYouMean(name, known), strings.Join(known, ", "))
}
