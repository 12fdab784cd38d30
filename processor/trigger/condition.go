package trigger

import (
	"fmt"
	"strings"

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

// variable is a fact that conditions may use.
type variable struct {
	name string
	typ  *cel.Type
	get  func(*activation) any // nil: not known
}

// variables lists the facts that conditions may use.
func variables() []variable {
	event := func(name string, f func(*Event) string) variable {
		return variable{"event." + name, cel.StringType, func(a *activation) any { return f(a.event) }}
	}
	// A message's text is unknown while it is empty: see the package comment.
	message := func(name string, f func(*Message) string) variable {
		return variable{"message." + name, cel.StringType, func(a *activation) any {
			if s := f(a.message); s != "" {
				return s
			}
			return nil
		}}
	}
	return []variable{
		event("type", func(e *Event) string { return e.Type.String() }),
		event("machine", func(e *Event) string { return e.Machine.String() }),
		event("url", func(e *Event) string { return e.URL }),
		event("country", func(e *Event) string { return e.Country }),
		event("list_id", func(e *Event) string { return e.ListID }),
		event("bounce_class", func(e *Event) string { return e.BounceClass }),
		event("reject_reason", func(e *Event) string { return e.RejectReason }),
		{"event.time_suspect", cel.BoolType, func(a *activation) any { return a.event.TimeSuspect }},
		{"event.occurred_at", cel.TimestampType, func(a *activation) any { return a.event.At().Time() }},
		message("tenant", func(m *Message) string { return m.Tenant }),
		message("account", func(m *Message) string { return m.Account }),
		message("provider", func(m *Message) string { return m.Provider }),
		message("message_id", func(m *Message) string { return m.MessageID }),
		message("campaign_id", func(m *Message) string { return m.CampaignID }),
		message("campaign_name", func(m *Message) string { return m.CampaignName }),
		message("custom_id", func(m *Message) string { return m.CustomID }),
		message("contact_id", func(m *Message) string { return m.ContactID }),
		message("recipient_domain", func(m *Message) string { return m.RecipientDomain }),
		{"message.tags", cel.ListType(cel.StringType), func(a *activation) any {
			if len(a.message.Tags) == 0 {
				return nil
			}
			return a.message.Tags
		}},
		{"message.metadata", cel.MapType(cel.StringType, cel.StringType), func(a *activation) any {
			if len(a.message.Metadata) == 0 {
				return nil
			}
			return a.message.Metadata
		}},
		{"message.sent_at", cel.TimestampType, func(a *activation) any {
			if a.message.SentAt == 0 {
				return nil
			}
			return a.message.SentAt.Time()
		}},
	}
}

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
	for _, v := range variables() {
		opts = append(opts, cel.Variable(v.name, v.typ))
		c.get[v.name] = v.get
		names = append(names, v.name)
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

// condition is a compiled condition.
type condition struct {
	program cel.Program
	get     map[string]func(*activation) any
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
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if iterates(checked) {
		opts = append(opts, cel.CostLimit(maxConditionCost))
	}
	program, err := c.env.Program(checked, opts...)
	if err != nil {
		return nil, err
	}
	return &condition{program: program, get: c.get}, nil
}

// holds evaluates the condition. What depends on an unknown fact does not hold.
func (c *condition) holds(m *Message, e *Event) (bool, error) {
	out, _, err := c.program.Eval(&activation{get: c.get, message: m, event: e})
	if err != nil {
		return false, err
	}
	return out == types.True, nil
}

// activation gives CEL the values of the facts.
type activation struct {
	get     map[string]func(*activation) any
	message *Message
	event   *Event
}

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
