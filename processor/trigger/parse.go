package trigger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/posthorn/posthorn/schemas"
)

// Load reads the rules of files; a path may be a glob. It returns all errors
// that it finds, joined.
func Load(paths ...string) (*Set, error) {
	l, err := newLoader()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, pattern := range paths {
		files, err := filepath.Glob(pattern)
		if err == nil && len(files) == 0 {
			err = errors.New("no such file; check the path")
		}
		if err != nil {
			l.errs = append(l.errs, fmt.Errorf("rules %q: %w", pattern, err))
			continue
		}
		for _, file := range files {
			if seen[file] {
				continue
			}
			seen[file] = true
			text, err := os.ReadFile(file)
			if err != nil {
				l.errs = append(l.errs, fmt.Errorf("reading rules: %w", err))
				continue
			}
			l.file(file, text)
		}
	}
	return l.result()
}

// Parse reads the rules in text; name stands for the file in errors.
func Parse(name string, text []byte) (*Set, error) {
	l, err := newLoader()
	if err != nil {
		return nil, err
	}
	l.file(name, text)
	return l.result()
}

type loader struct {
	compiler *compiler
	rules    []*Rule
	byName   map[string]*Rule
	errs     []error
}

func newLoader() (*loader, error) {
	c, err := newCompiler()
	if err != nil {
		return nil, fmt.Errorf("preparing conditions: %w", err)
	}
	return &loader{compiler: c, byName: map[string]*Rule{}}, nil
}

func (l *loader) result() (*Set, error) {
	if err := errors.Join(l.errs...); err != nil {
		return nil, err
	}
	return &Set{rules: l.rules}, nil
}

func (l *loader) file(name string, text []byte) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		l.errs = append(l.errs, fmt.Errorf("%s: %w", name, err))
		return
	}
	if len(doc.Content) == 0 {
		return
	}
	w := &walk{file: name, errs: &l.errs}
	w.fields(doc.Content[0], "", []field{{name: "rules", set: func(n *yaml.Node) {
		if n.Kind != yaml.SequenceNode {
			w.fail(n, "rules", "want a list of rules, each starting with - name: ...")
			return
		}
		for _, item := range n.Content {
			l.rule(w, item)
		}
	}}})
}

func (l *loader) rule(w *walk, n *yaml.Node) {
	r := &Rule{OncePer: OncePerMessage, MaxAge: 48 * time.Hour, Position: fmt.Sprintf("%s:%d", w.file, n.Line)}
	w = &walk{file: w.file, rule: nameOf(n), errs: w.errs}
	before := len(*w.errs)
	humanSet := false
	w.fields(n, "", []field{
		{name: "name", required: true, set: func(n *yaml.Node) {
			r.Name = n.Value
			if !validName(r.Name) {
				w.fail(n, "name", "want 1 to 64 of a-z A-Z 0-9 . _ -, as discount-24h")
			} else if first := l.byName[r.Name]; first != nil {
				w.fail(n, "name", fmt.Sprintf("the rule at %s has it too; a name identifies a rule for ever", first.Position))
			}
		}},
		{name: KindWithin, required: true, set: func(n *yaml.Node) { r.within(w, n) }},
		{name: "when", set: func(n *yaml.Node) {
			var err error
			r.When = strings.TrimSpace(n.Value)
			if r.condition, err = l.compiler.compile(r.When); err != nil {
				w.fail(n, "when", err.Error())
			}
		}},
		{name: "once_per", set: func(n *yaml.Node) {
			r.OncePer = Once(w.oneOf(n, "once_per", "message", "recipient", "campaign"))
		}},
		{name: "max_age", set: func(n *yaml.Node) { r.MaxAge = w.duration(n, "max_age") }},
		{name: "human_only", set: func(n *yaml.Node) {
			humanSet = true
			r.HumanOnly = w.oneOf(n, "human_only", "true", "false") == "true"
		}},
		{name: "mode", set: func(n *yaml.Node) { r.Shadow = w.oneOf(n, "mode", "live", "shadow") == "shadow" }},
		{name: "call", set: func(n *yaml.Node) { r.Call = n.Value }},
	})
	if len(*w.errs) > before {
		return
	}
	if !humanSet {
		r.HumanOnly = r.Event == schemas.EventTypeOpened || r.Event == schemas.EventTypeClicked ||
			r.Of == AnchorOpened || r.Of == AnchorClicked
	}
	r.Version = r.version()
	l.rules = append(l.rules, r)
	l.byName[r.Name] = r
}

func (r *Rule) within(w *walk, n *yaml.Node) {
	r.Kind = KindWithin
	w.fields(n, "within.", []field{
		{name: "event", required: true, set: func(n *yaml.Node) {
			t, ok := schemas.ParseEventType(n.Value)
			if !ok || t == schemas.EventTypeUnknown {
				w.fail(n, "within.event", fmt.Sprintf("%q is no type of event; want one of %s", n.Value, strings.Join(eventTypes(), ", ")))
			}
			r.Event = t
		}},
		{name: "of", required: true, set: func(n *yaml.Node) {
			r.Of = Anchor(w.oneOf(n, "within.of", "send", "delivered", "opened", "clicked"))
		}},
		{name: "duration", required: true, set: func(n *yaml.Node) { r.Within = w.duration(n, "within.duration") }},
	})
}

// version is a hash of what the rule means: formatting and comments do not
// count.
func (r *Rule) version() string {
	text := fmt.Sprintf("%q %s %s of %s in %s when %q once per %s max age %s human %t shadow %t call %q",
		r.Name, r.Kind, r.Event, r.Of, r.Within, r.When, r.OncePer, r.MaxAge, r.HumanOnly, r.Shadow, r.Call)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

func eventTypes() []string {
	var names []string
	for t := schemas.EventTypeUnknown + 1; t <= schemas.EventTypeUnsuppressed; t++ {
		names = append(names, t.String())
	}
	slices.Sort(names)
	return names
}

func validName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}
