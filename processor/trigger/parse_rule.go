package trigger

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// What a rule has where its YAML says nothing.
const (
	defaultMaxAge = 48 * time.Hour
	defaultSettle = 5 * time.Second
	defaultLimit  = 10_000
)

// Bounds of fields.
const (
	maxSettle = time.Hour
	maxLimit  = 1_000_000_000
)

// ruleParser reads one rule.
type ruleParser struct {
	*walk
	loader *loader
	rule   *Rule
	// given are the nodes of the fields that are there.
	given map[string]*yaml.Node
	// kinds are the names of the kinds that are there.
	kinds []string
}

func (l *loader) rule(w *walk, n *yaml.Node) {
	w = &walk{file: w.file, rule: nameOf(n), errs: w.errs}
	p := &ruleParser{walk: w, loader: l, given: map[string]*yaml.Node{}, rule: &Rule{
		MaxAge: defaultMaxAge, Sample: Million, Limit: defaultLimit,
		Position: fmt.Sprintf("%s:%d", w.file, n.Line),
	}}
	before := len(*w.errs)
	p.parse(n)
	if len(*w.errs) > before {
		return
	}
	r := p.rule
	r.prepare()
	r.Version = r.version()
	l.rules = append(l.rules, r)
	l.byName[r.Name] = r
}

func (p *ruleParser) parse(n *yaml.Node) {
	fields := append([]field{{name: "name", required: true, set: p.name}}, p.kindFields()...)
	fields = append(fields, p.commonFields()...)
	for i := range fields {
		f := &fields[i]
		set := f.set
		f.set = func(n *yaml.Node) { p.given[f.name] = n; set(n) }
	}
	before := len(*p.errs)
	p.fields(n, "", fields)
	switch len(p.kinds) {
	case 1:
	case 0:
		if resolve(n).Kind == yaml.MappingNode {
			p.fail(n, "", "has no kind; give it one of "+strings.Join(kindNames(), ", "))
		}
		return
	default:
		p.fail(n, "", "has "+strings.Join(p.kinds, " and ")+"; give it one kind, and make a rule of each")
		return
	}
	p.defaults()
	if len(*p.errs) == before {
		p.across()
	}
}

func (p *ruleParser) name(n *yaml.Node) {
	p.rule.Name = n.Value
	if !validName(n.Value) {
		p.fail(n, "name", "want 1 to 64 of a-z A-Z 0-9 . _ -, as discount-24h")
	} else if first := p.loader.byName[n.Value]; first != nil {
		p.fail(n, "name", fmt.Sprintf("the rule at %s has it too; a name identifies a rule for ever", first.Position))
	}
}

// commonFields are the fields that all kinds have.
func (p *ruleParser) commonFields() []field {
	r := p.rule
	return []field{
		{name: "when", set: func(n *yaml.Node) { r.When, r.condition = p.condition(n, "when") }},
		{name: "once_per", set: func(n *yaml.Node) {
			r.OncePer = Once(p.oneOf(n, "once_per", "message", "recipient", "campaign"))
		}},
		{name: "cooldown", set: func(n *yaml.Node) { r.Cooldown = p.duration(n, "cooldown") }},
		{name: "active", nested: true, set: p.active},
		{name: "sample", set: func(n *yaml.Node) { r.Sample = p.share(n, "sample") }},
		{name: "human_only", set: func(n *yaml.Node) { r.HumanOnly = p.oneOf(n, "human_only", "true", "false") == "true" }},
		{name: "max_age", set: func(n *yaml.Node) { r.MaxAge = p.duration(n, "max_age") }},
		{name: "settle", set: func(n *yaml.Node) { r.Settle = p.durationUpTo(n, "settle", maxSettle) }},
		{name: "mode", set: func(n *yaml.Node) { r.Shadow = p.oneOf(n, "mode", "live", "shadow") == "shadow" }},
		{name: "limit", set: func(n *yaml.Node) { r.Limit = p.number(n, "limit", 1, maxLimit) }},
		{name: "call", set: func(n *yaml.Node) { r.Call = n.Value }},
	}
}

func (p *ruleParser) condition(n *yaml.Node, field string) (string, *condition) {
	text := strings.TrimSpace(n.Value)
	c, err := p.loader.compiler.compile(text)
	if err != nil {
		p.fail(n, field, err.Error())
	}
	return text, c
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
