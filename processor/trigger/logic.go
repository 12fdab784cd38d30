package trigger

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// outcomes is a set of what a condition may come to: true, false, or neither,
// which is unknown or an error.
type outcomes uint8

const (
	yes outcomes = 1 << iota
	no
	neither
	// anything is what is said of a part that only CEL can judge.
	anything = yes | no | neither
)

func outcomeOf(known, holds bool) outcomes {
	switch {
	case !known:
		return neither
	case holds:
		return yes
	}
	return no
}

// logic is the form of a condition: guards and parts that only CEL can judge,
// joined by and, or and not. It tells in a fraction of CEL's time what the
// condition may come to, and mostly that it does not hold.
type logic struct {
	op    string // of CEL; empty: a guard, or for a nil guard a part for CEL
	parts []logic
	guard *guard
}

func logicOf(e ast.Expr) logic {
	if g, ok := guardOf(e); ok {
		return logic{guard: &g}
	}
	name, args := call(e)
	switch name {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot:
		l := logic{op: name}
		for _, arg := range args {
			l.parts = append(l.parts, logicOf(arg))
		}
		return l
	}
	return logic{}
}

// whole tells that nothing is left for CEL.
func (l *logic) whole() bool {
	for i := range l.parts {
		if !l.parts[i].whole() {
			return false
		}
	}
	return l.op != "" || l.guard != nil
}

// judge tells what the condition may come to for an event.
func (l *logic) judge(m *Message, e *Event) outcomes {
	switch l.op {
	case operators.LogicalNot:
		return l.parts[0].judge(m, e).not()
	case operators.LogicalAnd:
		all := yes
		for i := 0; i < len(l.parts) && all != no; i++ {
			all = all.and(l.parts[i].judge(m, e))
		}
		return all
	case operators.LogicalOr:
		all := no
		for i := 0; i < len(l.parts) && all != yes; i++ {
			all = all.not().and(l.parts[i].judge(m, e).not()).not()
		}
		return all
	}
	if l.guard == nil {
		return anything
	}
	return l.guard.judge(m, e)
}

func (o outcomes) not() outcomes { return o&neither | o&yes<<1 | o&no>>1 }

// and is CEL's: false if one is false, else neither if one is neither.
func (o outcomes) and(p outcomes) outcomes {
	result := o&p&yes | (o|p)&no
	if o&neither != 0 && p&(yes|neither) != 0 || p&neither != 0 && o&(yes|neither) != 0 {
		result |= neither
	}
	return result
}
