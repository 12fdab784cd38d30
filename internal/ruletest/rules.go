package ruletest

import (
	"bytes"
	"fmt"
	"path/filepath"

	"go.yaml.in/yaml/v4"

	"github.com/posthorn/posthorn/processor/trigger"
)

// rules loads the rules of a file of tests: those that it names, relative to
// itself, or those that it holds.
func (r *reader) rules(n *yaml.Node, path string, text []byte) *trigger.Set {
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 && resolve(n.Content[0]).Kind == yaml.MappingNode {
		return r.ownRules(n, text)
	}
	paths := r.texts(n, path)
	if len(r.errs) > 0 {
		return nil
	}
	for i, p := range paths {
		if !filepath.IsAbs(p) {
			paths[i] = filepath.Join(filepath.Dir(r.file), p)
		}
	}
	set, err := trigger.Load(paths...)
	if err != nil {
		r.errs = append(r.errs, mistake{n.Line, fmt.Errorf("%s:%d: %s: %w", r.file, n.Line, path, err)})
	}
	return set
}

// ownRules parses the rules that the file holds.
func (r *reader) ownRules(n *yaml.Node, text []byte) *trigger.Set {
	set, err := trigger.Parse(r.file, section(n, text))
	if err != nil {
		r.errs = append(r.errs, mistake{n.Line, err})
	}
	return set
}

// section is the file with nothing but its rules: on their lines, so that errors
// name those. Where they do not stand on lines of their own their place is lost.
func section(n *yaml.Node, text []byte) []byte {
	lines := bytes.Split(text, []byte("\n"))
	from := n.Line - 1
	for from >= 0 && !bytes.HasPrefix(lines[from], []byte("rules:")) {
		from--
	}
	if from < 0 {
		out, err := yaml.Marshal(map[string]*yaml.Node{"rules": n})
		if err != nil {
			return text // the parser will say what is wrong
		}
		return out
	}
	to := from + 1
	for to < len(lines) && !beginsKey(lines[to]) {
		to++
	}
	head := bytes.Repeat([]byte("\n"), from)
	return append(head, bytes.Join(lines[from:to], []byte("\n"))...)
}

// beginsKey tells whether a line begins the next key of the file.
func beginsKey(line []byte) bool {
	return len(line) > 0 && line[0] >= 'a' && line[0] <= 'z'
}
