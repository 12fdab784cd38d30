package trigger

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// Limits of a condition: its text in code points, and the cost of one
// evaluation in CEL's units, roughly one an operation.
const (
	maxConditionSize = 4096
	maxConditionCost = 100_000
)

// compiler compiles conditions.
type compiler struct {
	env   *cel.Env
	get   map[string]func(*activation) any
	names string
}

func newCompiler() (*compiler, error) {
	c := &compiler{get: map[string]func(*activation) any{}}
	opts := []cel.EnvOption{cel.ParserExpressionSizeLimit(maxConditionSize)}
	var names []string
	for _, f := range facts() {
		opts = append(opts, cel.Variable(f.name, f.typ))
		c.get[f.name] = f.get
		names = append(names, f.name)
	}
	c.names = strings.Join(names, ", ")
	var err error
	c.env, err = cel.NewEnv(opts...)
	return c, err
}

// iterates tells whether a condition walks over lists or maps. Only then may its
// cost exceed what its text and its facts bound, and keeping count, which
// trebles the time of an evaluation, is worth it.
func iterates(a *cel.Ast) bool {
	found := false
	ast.PreOrderVisit(a.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		found = found || e.Kind() == ast.ComprehensionKind
	}))
	return found
}

// identifiers are the names that an expression uses, without repetition.
func identifiers(e ast.Expr) (names []string) {
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && !slices.Contains(names, e.AsIdent()) {
			names = append(names, e.AsIdent())
		}
	}))
	return names
}

// condition is a compiled condition.
type condition struct {
	// logic is its form, guards are the comparisons in it that it demands. Where the
	// logic is all of it there is no program.
	logic   logic
	guards  []guard
	program cel.Program
	// uses are the names of facts in it; never tells that it is the constant false.
	uses  []string
	never bool
	get   map[string]func(*activation) any
}

// compile parses and type-checks a condition.
func (c *compiler) compile(text string) (*condition, error) {
	checked, issues := c.env.Compile(text)
	if err := issues.Err(); err != nil {
		first := issues.Errors()[0]
		return nil, fmt.Errorf("column %d: %s; the facts are %s", first.Location.Column()+1, first.Message, c.names)
	}
	if !checked.OutputType().IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("is of type %s; write a condition that is true or false", checked.OutputType())
	}
	expr := checked.NativeRep().Expr()
	form := logicOf(expr)
	compiled := &condition{logic: form, guards: demandedBy(&form), uses: identifiers(expr), never: expr.Kind() == ast.LiteralKind && expr.AsLiteral() == types.False, get: c.get}
	if form.whole() {
		return compiled, nil
	}
	var err error
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if iterates(checked) {
		opts = append(opts, cel.CostLimit(maxConditionCost))
	}
	if compiled.program, err = c.env.Program(checked, opts...); err != nil {
		return nil, err
	}
	return compiled, nil
}

// holds evaluates the condition. What depends on an unknown fact does not hold.
func (c *condition) holds(m *Message, e *Event) (bool, error) {
	if o := c.logic.judge(m, e); o&yes == 0 || o == yes {
		return o == yes, nil
	}
	a := activations.Get().(*activation)
	*a = activation{get: c.get, message: m, event: e}
	out, _, err := c.program.Eval(a)
	*a = activation{}
	activations.Put(a)
	if err != nil {
		return false, err
	}
	return out == types.True, nil
}

// mayHold tells whether the logic lets the event pass; nil holds.
func (c *condition) mayHold(m *Message, e *Event) bool {
	return c == nil || c.logic.judge(m, e)&yes != 0
}

// activation gives CEL the values of the facts.
type activation struct {
	get     map[string]func(*activation) any
	message *Message
	event   *Event
}

// activations are reused: a result is a truth value, an error or the unknown, and
// none refers to what it came from.
var activations = sync.Pool{New: func() any { return new(activation) }}

func (a *activation) ResolveName(name string) (any, bool) {
	get, ok := a.get[name]
	if !ok {
		return nil, false
	}
	if v := get(a); v != nil {
		return v, true
	}
	return types.NewUnknown(1, types.NewAttributeTrail(name)), true
}

func (a *activation) Parent() cel.Activation { return nil }

// judged judges a condition of the rule; nil holds, an error counts as false and
// is counted.
func (r *Rule) judged(c *condition, m *Message, e *Event) bool {
	if c == nil {
		return true
	}
	ok, err := c.holds(m, e)
	if err != nil {
		r.failures.Add(1)
	}
	return ok
}
