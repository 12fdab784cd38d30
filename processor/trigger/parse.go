package trigger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v4"
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
	return newSet(l.rules), nil
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
	w.fields(doc.Content[0], "", []field{{name: "rules", nested: true, set: func(n *yaml.Node) {
		if n.Kind != yaml.SequenceNode {
			w.fail(n, "rules", "want a list of rules, each starting with - name: ...")
			return
		}
		for _, item := range n.Content {
			l.rule(w, item)
		}
	}}})
}
