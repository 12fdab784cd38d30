package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ErrByHand is wrapped where a file is written in a way that can't be added to.
var ErrByHand = errors.New("can't be added to by itself")

// sourceEntry is a Source as it is written into a file: what is not set is left
// out.
type sourceEntry struct {
	Name     string         `yaml:"name"`
	Provider string         `yaml:"provider"`
	Account  string         `yaml:"account,omitempty"`
	URL      string         `yaml:"url,omitempty"`
	Username string         `yaml:"username,omitempty"`
	Password map[string]any `yaml:"password,omitempty,flow"`
	Header   string         `yaml:"header,omitempty"`
	Key      map[string]any `yaml:"key,omitempty,flow"`
	Topics   []string       `yaml:"topics,omitempty,flow"`
}

// reference is the form of a secret in a file. Text has none: it would be
// written where anybody can read it.
func (s Secret) reference() map[string]any {
	switch {
	case s.Env != "":
		return map[string]any{"env": s.Env}
	case s.File != "":
		return map[string]any{"file": s.File}
	}
	return nil
}

// SourceYAML returns a source as an item of a list in block style. Secrets must
// be references.
func SourceYAML(s Source) (string, error) { return sourceYAML(s, false) }

func sourceYAML(s Source, flow bool) (string, error) {
	for _, secret := range s.secrets() {
		if secret.Inline != "" {
			return "", fmt.Errorf("%s: is text, and only references are written", secret.name)
		}
	}
	var node yaml.Node
	err := node.Encode(sourceEntry{
		Name: s.Name, Provider: s.Provider, Account: s.Account, URL: s.URL, Username: s.Username, Password: s.Password.reference(),
		Header: s.Header, Key: s.Key.reference(), Topics: s.Topics,
	})
	if err != nil {
		return "", fmt.Errorf("writing source: %w", err)
	}
	if flow {
		node.Style |= yaml.FlowStyle
		text, err := yaml.Dump(&node, yaml.WithLineWidth(-1))
		return strings.TrimSpace(string(text)), err
	}
	text, err := yaml.Dump([]*yaml.Node{&node}, yaml.WithLineWidth(-1), yaml.WithCompactSeqIndent(true))
	return string(text), err
}

// AddSource adds a source at the end of the list of sources in a configuration
// file. Nothing else of the text changes, comments and empty lines included; the
// error wraps ErrByHand where that is not possible. Files of secrets are relative
// to the configuration's folder.
func AddSource(text []byte, s Source) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Load(text, &root); err != nil && len(bytes.TrimSpace(text)) > 0 {
		if strings.Contains(err.Error(), "no documents") { // comments alone
			return addKey(text, s)
		}
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	if len(root.Content) == 0 {
		return addKey(text, s)
	}
	top := root.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return addKey(text, s)
	}
	if top.Kind != yaml.MappingNode || top.Style&yaml.FlowStyle != 0 {
		return nil, fmt.Errorf("the file %w: it is not written as lines of \"key: value\"", ErrByHand)
	}
	out, err := addTo(text, top, s)
	if err != nil {
		return nil, err
	}
	return out, checkAdded(text, out, s)
}

func addTo(text []byte, top *yaml.Node, s Source) ([]byte, error) {
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, list := top.Content[i], top.Content[i+1]
		if key.Value != "sources" {
			continue
		}
		e := editor{lines: strings.SplitAfter(string(text), "\n")}
		switch {
		case list.Kind == yaml.ScalarNode && list.Tag == "!!null" && list.Value == "":
			return e.insertAfter(key.Line, 2, s)
		case list.Kind != yaml.SequenceNode:
			return nil, fmt.Errorf("sources %w: they are no list", ErrByHand)
		case list.Style&yaml.FlowStyle != 0:
			return e.insertInFlow(list, s)
		case len(list.Content) > 0:
			line := e.lines[list.Line-1]
			dash := len(line) - len(strings.TrimLeft(line, " "))
			if !strings.HasPrefix(line[dash:], "-") { // an anchor or a tag, the list begins below
				return nil, fmt.Errorf("sources %w: the list is not where its key is", ErrByHand)
			}
			return e.insertAfter(e.endOfItem(list.Content[len(list.Content)-1].Line, dash), dash, s)
		}
	}
	return addKey(text, s)
}

// addKey adds the list with its key at the end of a file that has none.
func addKey(text []byte, s Source) ([]byte, error) {
	item, err := indented(s, 2)
	if err != nil {
		return nil, err
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(bytes.Clone(text), '\n')
	}
	out := append(bytes.Clone(text), ("sources:\n" + item)...)
	return out, checkAdded(text, out, s)
}

func indented(s Source, by int) (string, error) {
	item, err := sourceYAML(s, false)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for line := range strings.Lines(item) {
		b.WriteString(strings.Repeat(" ", by) + line)
	}
	return b.String(), nil
}

// editor inserts into the lines of a file.
type editor struct{ lines []string }

// endOfItem returns the number of the last line of an item of a list whose dashes
// stand in a column, from 0; line is where its content begins. All of an item
// stands further in than its dash. Empty lines and comments behind it are not
// taken for a part of it.
func (e editor) endOfItem(line, dash int) int {
	last := line
	for i := line; i < len(e.lines); i++ {
		rest := strings.TrimLeft(e.lines[i], " ")
		switch in := len(e.lines[i]) - len(rest); {
		case strings.TrimSpace(rest) == "":
		case in > dash:
			last = i + 1
		case strings.HasPrefix(rest, "#"):
		default:
			return last
		}
	}
	return last
}

func (e editor) insertAfter(line, indent int, s Source) ([]byte, error) {
	item, err := indented(s, indent)
	if err != nil {
		return nil, err
	}
	before := strings.Join(e.lines[:line], "")
	if !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	return []byte(before + item + strings.Join(e.lines[line:], "")), nil
}

// insertInFlow adds to a list in brackets, before the closing one.
func (e editor) insertInFlow(list *yaml.Node, s Source) ([]byte, error) {
	item, err := sourceYAML(s, true)
	if err != nil {
		return nil, err
	}
	at := 0
	for _, line := range e.lines[:list.Line-1] {
		at += len(line)
	}
	text := strings.Join(e.lines, "")
	start, end := strings.Index(text[at:], "["), -1
	if start >= 0 {
		end = closing(text, at+start)
	}
	if end < 0 {
		return nil, fmt.Errorf("sources %w: the end of the list is not found", ErrByHand)
	}
	if len(list.Content) > 0 {
		item = ", " + item
	}
	// What separates the bracket from the last item, a comma too, is left behind.
	head := strings.TrimRight(text[:end], " \n")
	if trimmed, ok := strings.CutSuffix(head, ","); ok && len(list.Content) > 0 {
		head = trimmed
	}
	return []byte(head + item + text[len(strings.TrimRight(text[:end], " \n")):]), nil
}

// closing returns the place of the bracket that closes the one at start, or -1.
// Brackets in quotes and comments don't count.
func closing(text string, start int) int {
	depth := 0
	for i := start; i < len(text); i++ {
		switch c := text[i]; c {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i
			}
		case '\'', '"':
			if !strings.ContainsRune(" \n[{,:", rune(text[i-1])) {
				continue // within a word, as in it's
			}
			i = endOfQuote(text, i)
		case '#':
			if strings.ContainsRune(" \n", rune(text[i-1])) {
				i += max(strings.IndexByte(text[i:], '\n'), 0)
			}
		}
	}
	return -1
}

// endOfQuote returns the place of the quote that ends the text begun by the one at
// start, or the end of all.
func endOfQuote(text string, start int) int {
	quote := text[start]
	for i := start + 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\', quote == '\'' && strings.HasPrefix(text[i:], "''"):
			i++
		case text[i] == quote:
			return i
		}
	}
	return len(text)
}

// checkAdded reads both texts and compares: the source must be the last one, and
// nothing else may differ.
func checkAdded(before, after []byte, s Source) error {
	was, is := &Config{}, &Config{}
	if errs := was.parse("configuration", before); len(errs) > 0 {
		return errors.Join(errs...)
	}
	if errs := is.parse("configuration", after); len(errs) > 0 {
		return fmt.Errorf("the file %w: %w", ErrByHand, errors.Join(errs...))
	}
	was.Sources = append(was.Sources, s)
	if !reflect.DeepEqual(was, is) {
		return fmt.Errorf("the file %w", ErrByHand)
	}
	return nil
}
