package ruletest

import (
	"fmt"
	"slices"

	"github.com/posthorn/posthorn/internal/rehearsal"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// Result is what came of a test.
type Result struct {
	Test *Test
	// Problems are the differences, each of one or more lines; none: it passed.
	Problems []string
}

// Run runs one test of the file.
func (f *File) Run(t *Test) (Result, error) {
	events, labels := timeline(t.events, t.start)
	v := view{start: t.start, labels: labels}
	failures := conditionFailures(f.Rules)
	var fired []map[string]string
	err := rehearsal.Run(rehearsal.Config{Rules: f.Rules}, events, t.end(events, f.Rules), func(tr *schemas.Trigger) error {
		fired = append(fired, v.shown(tr))
		return nil
	})
	if err != nil {
		return Result{}, fmt.Errorf("%s:%d: running test %q: %w", f.Name, t.Line, t.Name, err)
	}
	res := Result{Test: t, Problems: f.compare(t.expect, fired)}
	if len(res.Problems) > 0 {
		for i, n := range conditionFailures(f.Rules) {
			if r := f.Rules.Rules()[i]; n > failures[i] {
				res.Problems = append(res.Problems, fmt.Sprintf(
					"note: conditions of %s (%s) ended in errors, which count as false: a key that is not there?", r.Name, r.Position))
			}
		}
	}
	return res, nil
}

func conditionFailures(rules *trigger.Set) (list []uint64) {
	for _, r := range rules.Rules() {
		list = append(list, r.Failures())
	}
	return list
}

// end is how far arrival time goes on: what is due then is still decided.
func (t *Test) end(events []schemas.Event, rules *trigger.Set) schemas.Timestamp {
	if t.until != nil {
		return t.until.in(t.start) + 1
	}
	end := t.start
	for i := range events {
		end = max(end, events[i].ArrivedAt, events[i].OccurredAt)
	}
	return end + schemas.Timestamp(rehearsal.Reach(rules).Microseconds()) + 1
}

// compare says how what fired differs from what was expected.
func (f *File) compare(want []expected, fired []map[string]string) (problems []string) {
	taken := make([]bool, len(fired))
	var missing []expected
	for i, j := range pairing(want, fired) {
		if j < 0 {
			missing = append(missing, want[i])
		} else {
			taken[j] = true
		}
	}
	for _, x := range missing {
		place := fmt.Sprintf("%s:%d", f.Name, x.line)
		j := nearest(x, fired, taken)
		if j < 0 {
			problems = append(problems, fmt.Sprintf("%s: expected, and did not fire:\n  - %s", place, line(x.fields)))
			continue
		}
		taken[j] = true
		problems = append(problems, fmt.Sprintf("%s: expected, and fired otherwise:\n%s", place, diff(x, fired[j])))
	}
	for j, x := range fired {
		if !taken[j] {
			problems = append(problems, "not expected, and fired:\n  + "+line(x))
		}
	}
	return slices.Clip(problems)
}

// diff shows what was expected of a trigger and what it has.
func diff(x expected, fired map[string]string) string {
	text := ""
	for _, c := range columns {
		want, given := x.fields[c.name]
		got := fired[c.name]
		switch {
		case given && want != got:
			text += fmt.Sprintf("  - %-12s %s\n  + %-12s %s\n", c.name, want, c.name, got)
		case given || !c.minor:
			text += fmt.Sprintf("    %-12s %s\n", c.name, got)
		}
	}
	return text[:len(text)-1]
}
