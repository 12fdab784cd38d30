package trigger

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// guard is a comparison of a text with constants in a condition. Rules can be
// found by those that the condition demands.
type guard struct {
	text   text
	values []string
	// compare says how the text matches one of the values; nil: it is equal.
	compare func(text, value string) bool
	// not demands that it matches none of them.
	not bool
}

// text is a text among the facts: a fact, or the value of a key of the metadata.
type text struct {
	fact *fact
	key  string // of the metadata
}

// of returns the text, and whether it is known. The event may be nil for a fact
// of the message.
func (t text) of(m *Message, e *Event) (value string, known bool) {
	switch {
	case t.fact.event != nil:
		return t.fact.event(e), true
	case t.fact.message != nil:
		value = t.fact.message(m)
		return value, value != ""
	}
	value, known = m.Metadata[t.key]
	return value, known
}

// name is the text's name in conditions.
func (t text) name() string {
	if t.key != "" {
		return t.fact.name + "." + t.key
	}
	return t.fact.name
}

func (g *guard) judge(m *Message, e *Event) outcomes {
	v, known := g.text.of(m, e)
	return outcomeOf(known, known && g.matches(v) != g.not)
}

func (g *guard) matches(v string) bool {
	if g.compare == nil {
		return slices.Contains(g.values, v)
	}
	return slices.ContainsFunc(g.values, func(value string) bool { return g.compare(v, value) })
}

// equals tells that the guard says what the text is.
func (g *guard) equals() bool { return g.compare == nil && !g.not }

// demandedBy returns the guards that all must hold for a condition to hold.
func demandedBy(l *logic) (guards []guard) {
	if l.guard != nil {
		return []guard{*l.guard}
	}
	if l.op == operators.LogicalAnd {
		for i := range l.parts {
			guards = append(guards, demandedBy(&l.parts[i])...)
		}
	}
	return guards
}

// guardOf recognises a comparison that makes a guard.
func guardOf(e ast.Expr) (g guard, ok bool) {
	name, args := call(e)
	switch {
	case name == operators.LogicalNot:
		g, ok = guardOf(args[0])
		g.not = !g.not
		return g, ok
	case name == operators.LogicalOr:
		return eitherOf(args)
	case name == operators.In:
		return oneOfList(args)
	case (name == operators.Equals || name == operators.NotEquals) && args[0].Kind() == ast.LiteralKind:
		return comparison(args[1], args[0], nil, name == operators.NotEquals)
	case name == operators.Equals || name == operators.NotEquals:
		return comparison(args[0], args[1], nil, name == operators.NotEquals)
	case comparisons[name] != nil && e.AsCall().IsMemberFunction():
		return comparison(e.AsCall().Target(), args[0], comparisons[name], false)
	}
	return g, false
}

// comparisons are the methods of texts that make guards.
var comparisons = map[string]func(text, value string) bool{
	"startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix, "contains": strings.Contains,
}

func comparison(of, with ast.Expr, compare func(text, value string) bool, not bool) (guard, bool) {
	value, constant := stringOf(with)
	t, ok := textOf(of)
	return guard{text: t, values: []string{value}, compare: compare, not: not}, ok && constant
}

// eitherOf recognises alternatives for what one text is.
func eitherOf(alternatives []ast.Expr) (g guard, ok bool) {
	for i, e := range alternatives {
		other, ok := guardOf(e)
		if !ok || !other.equals() || i > 0 && other.text != g.text {
			return guard{}, false
		}
		g.text, g.values = other.text, append(g.values, other.values...)
	}
	return g, true
}

// oneOfList recognises a list of what a text is.
func oneOfList(args []ast.Expr) (g guard, ok bool) {
	if args[1].Kind() != ast.ListKind || len(args[1].AsList().OptionalIndices()) > 0 {
		return g, false
	}
	for _, element := range args[1].AsList().Elements() {
		value, constant := stringOf(element)
		if !constant {
			return g, false
		}
		g.values = append(g.values, value)
	}
	g.text, ok = textOf(args[0])
	return g, ok
}

func call(e ast.Expr) (name string, args []ast.Expr) {
	if e.Kind() != ast.CallKind {
		return "", nil
	}
	return e.AsCall().FunctionName(), e.AsCall().Args()
}

func stringOf(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// textOf recognises event.x, message.x, message.metadata.x and
// message.metadata["x"].
func textOf(e ast.Expr) (text, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		f := factNamed(e.AsIdent())
		return text{fact: f}, f != nil && (f.event != nil || f.message != nil)
	case ast.SelectKind:
		s := e.AsSelect()
		return metadata(s.Operand(), s.FieldName(), !s.IsTestOnly())
	case ast.CallKind:
		if name, args := call(e); name == operators.Index && len(args) == 2 {
			key, constant := stringOf(args[1])
			return metadata(args[0], key, constant)
		}
	}
	return text{}, false
}

func metadata(of ast.Expr, key string, ok bool) (text, bool) {
	if !ok || of.Kind() != ast.IdentKind || of.AsIdent() != factMetadata {
		return text{}, false
	}
	return text{fact: factNamed(factMetadata), key: key}, true
}

func factNamed(name string) *fact {
	all := facts()
	for i := range all {
		if all[i].name == name {
			return &all[i]
		}
	}
	return nil
}
