package body

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/posthorn/posthorn/schemas"
)

const (
	maxBody  = 256 << 10 // bytes of a body, or of one of its texts, before escapes
	maxDepth = 32        // of lists and objects in each other
)

// Template makes JSON of a trigger. It is a JSON document whose texts are
// templates of text/template; everything else is as it stands. What a text becomes
// is escaped when the document is written, so that no value can break out of its
// text, and the result is always valid JSON. A text that is one action that ends
// in json, such as {{.hits | json}} or {{json .evidence}}, becomes the value
// itself: a number, a list.
type Template struct {
	root node
}

// node is a part of the document: literal, text, list or object.
type node struct {
	literal any
	text    *template.Template
	raw     bool // text makes JSON
	list    []node
	object  map[string]node
	path    string
}

// Error tells where in a template something is wrong.
type Error struct {
	Path string // such as items[2].email, empty for the whole
	Err  error
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return e.Path + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes a template of a document as YAML or JSON is decoded into any: maps of
// texts, slices, texts, numbers, bools, nil. It returns every problem, joined, each
// an *Error; a template without problems makes a body of every trigger.
func New(document any) (*Template, error) {
	var errs []error
	t := &Template{root: build(document, "", 0, &errs)}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, sample := range samples() {
		if _, err := t.Value(sample); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func build(v any, path string, depth int, errs *[]error) (n node) {
	n.path = path
	wrong := func(format string, args ...any) {
		*errs = append(*errs, &Error{path, fmt.Errorf(format, args...)})
	}
	if depth > maxDepth {
		wrong("lists and objects are more than %d deep", maxDepth)
		return n
	}
	switch v := v.(type) {
	case map[string]any:
		n.object = map[string]node{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if strings.Contains(key, "{{") {
				wrong("the name %q is a template; only values can be", key)
			}
			n.object[key] = build(v[key], join(path, key), depth+1, errs)
		}
	case []any:
		n.list = []node{}
		for i, item := range v {
			n.list = append(n.list, build(item, path+"["+strconv.Itoa(i)+"]", depth+1, errs))
		}
	case string:
		n.parse(v, wrong)
	case nil, bool, int, int64, uint64:
		n.literal = v
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			wrong("%v is no number of JSON; write it in quotes", v)
		}
		n.literal = v
	default:
		wrong("%v is no text, number, list or object; write it in quotes", v)
	}
	return n
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (n *node) parse(text string, wrong func(string, ...any)) {
	if !strings.Contains(text, "{{") {
		n.literal = text
		return
	}
	t, err := template.New("").Option("missingkey=error").Funcs(functions).Parse(text)
	if err != nil {
		wrong("%s", strings.TrimPrefix(err.Error(), "template: :"))
		return
	}
	if len(t.Templates()) > 1 {
		wrong("defines a template, which nothing could use; write it where it is used")
		return
	}
	n.text, n.raw = t, endsInJSON(t.Root)
}

// endsInJSON tells whether a template is one action whose value json makes.
func endsInJSON(root *parse.ListNode) bool {
	if root == nil || len(root.Nodes) != 1 {
		return false
	}
	action, ok := root.Nodes[0].(*parse.ActionNode)
	if !ok || len(action.Pipe.Decl) > 0 {
		return false
	}
	last := action.Pipe.Cmds[len(action.Pipe.Cmds)-1]
	name, ok := last.Args[0].(*parse.IdentifierNode)
	return ok && name.Ident == "json"
}

// Body returns the body for a trigger.
func (t *Template) Body(tr *schemas.Trigger) ([]byte, error) {
	v, err := t.Value(tr)
	if err != nil {
		return nil, err
	}
	b := encode(v)
	if len(b) > maxBody {
		return nil, fmt.Errorf("the body has %d bytes, more than %d", len(b), maxBody)
	}
	return b, nil
}

// Value returns what the document becomes for a trigger, to be a part of another.
// It encodes as JSON. A nil template has the value nil.
func (t *Template) Value(tr *schemas.Trigger) (any, error) {
	if t == nil {
		return nil, nil
	}
	return t.root.value(data(tr))
}

func (n *node) value(data map[string]any) (any, error) {
	switch {
	case n.object != nil:
		out := make(map[string]any, len(n.object))
		for _, key := range slices.Sorted(maps.Keys(n.object)) {
			item := n.object[key]
			v, err := item.value(data)
			if err != nil {
				return nil, err
			}
			out[key] = v
		}
		return out, nil
	case n.list != nil:
		out := make([]any, 0, len(n.list))
		for i := range n.list {
			v, err := n.list[i].value(data)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case n.text != nil:
		return n.execute(data)
	}
	return n.literal, nil
}

func (n *node) execute(data map[string]any) (any, error) {
	var out limited
	if err := n.text.Execute(&out, data); err != nil {
		return nil, &Error{n.path, errors.New(strings.TrimPrefix(err.Error(), "template: :"))}
	}
	if n.raw {
		return json.RawMessage(out.String()), nil
	}
	return strings.ToValidUTF8(out.String(), "\uFFFD"), nil
}

// limited keeps a template that repeats something from filling the memory.
type limited struct{ strings.Builder }

func (l *limited) Write(b []byte) (int, error) {
	if l.Len()+len(b) > maxBody {
		return 0, fmt.Errorf("it becomes longer than %d bytes", maxBody)
	}
	return l.Builder.Write(b)
}

func (l *limited) WriteString(s string) (int, error) { return l.Write([]byte(s)) }

// IsObject tells whether the document is an object: names and values.
func (t *Template) IsObject() bool { return t.root.object != nil }
