// Package ruletest tests rules: what ought to fire, given what has happened. A
// file of tests is YAML:
//
//	rules: rules.yaml              # or a list of paths, or the rules themselves
//	start: 2026-03-02T09:00:00Z    # what times count from; default a Monday, 9:00 UTC
//	tests:
//	  - name: an open within a day
//	    events:
//	      - {type: delivered, at: +0s, campaign: spring}
//	      - {type: opened, at: +2h}
//	    until: +3d
//	    expect:                    # or none
//	      - {rule: discount-24h, at: +2h}
//
// An event is of one recipient, message and account unless it says otherwise,
// arrives when it happens unless it has a time for arrived, and is evidence under
// its id, or its place in the list, from 1; recipient, message or campaign may be
// none. What is expected is compared in the
// fields that it has; whatever else fires is an error. Until says how far arrival
// time goes on; without it, until nothing is left that waits.
//
// The rules run on the stages that run live (internal/rehearsal).
package ruletest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// defaultStart is a Monday.
var defaultStart = schemas.FromTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))

// File is a file of tests.
type File struct {
	Name  string
	Rules *trigger.Set
	Tests []*Test
}

// Test is one test.
type Test struct {
	Name string
	// Line is where it stands in its file.
	Line int

	start  schemas.Timestamp
	events []given
	until  *moment
	expect []expected
}

// Load reads a file of tests and the rules that it names. It returns all errors
// that it finds, joined.
func Load(name string) (*File, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading tests: %w", err)
	}
	return parse(name, text)
}

func parse(name string, text []byte) (*File, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s: is empty; want rules and tests", name)
	}
	f := &File{Name: name}
	r := &reader{file: name}
	start, defaults := defaultStart, newGiven()
	var tests *yaml.Node
	r.mapping(doc.Content[0], "", []field{
		{name: "rules", required: true, set: func(n *yaml.Node, path string) { f.Rules = r.rules(n, path, text) }},
		{name: "start", set: func(n *yaml.Node, path string) { start = r.start(n, path) }},
		{name: "defaults", set: func(n *yaml.Node, path string) { defaults = r.event(n, path, defaults, true) }},
		{name: "tests", required: true, set: func(n *yaml.Node, _ string) { tests = n }},
	})
	if tests != nil { // last: they depend on the rest
		r.list(tests, "tests", func(n *yaml.Node, path string) {
			f.Tests = append(f.Tests, r.test(n, path, f.Rules, start, defaults))
		})
		if len(r.errs) == 0 && len(f.Tests) == 0 {
			r.fail(tests, "tests", "has none; write one, starting with - name: ...")
		}
	}
	return f, r.err()
}

// start reads the instant that times count from.
func (r *reader) start(n *yaml.Node, path string) schemas.Timestamp {
	m, err := parseMoment(n.Value)
	if err != nil || m.instant == 0 {
		r.fail(n, path, "%q is no instant; write 2026-03-02T09:00:00Z", n.Value)
	}
	return m.instant
}

func (r *reader) test(n *yaml.Node, path string, rules *trigger.Set, start schemas.Timestamp, defaults given) *Test {
	t := &Test{Line: n.Line, start: start}
	var expect, events *yaml.Node
	r.mapping(n, path, []field{
		{name: "name", required: true, set: func(n *yaml.Node, path string) { t.Name = r.text(n, path) }},
		{name: "start", set: func(n *yaml.Node, path string) { t.start = r.start(n, path) }},
		{name: "defaults", set: func(n *yaml.Node, path string) { defaults = r.event(n, path, defaults, true) }},
		{name: "events", required: true, set: func(n *yaml.Node, _ string) { events = n }},
		{name: "until", set: func(n *yaml.Node, path string) { m := r.moment(n, path); t.until = &m }},
		{name: "expect", required: true, set: func(n *yaml.Node, _ string) { expect = n }},
	})
	labels := map[string]bool{}
	if events != nil {
		r.list(events, path+".events", func(n *yaml.Node, path string) {
			g := r.event(n, path, defaults, false)
			if g.label == "" {
				g.label = strconv.Itoa(len(t.events) + 1)
			}
			labels[g.label] = true
			t.events = append(t.events, g)
		})
	}
	switch {
	case expect == nil:
	case expect.Kind == yaml.ScalarNode && expect.Value != none:
		r.fail(expect, path+".expect", "want none, or a list of triggers as - {rule: ..., at: +2h}")
	case expect.Kind != yaml.ScalarNode:
		r.list(expect, path+".expect", func(n *yaml.Node, path string) {
			t.expect = append(t.expect, r.expected(n, path, rules, labels, t.start))
		})
	}
	return t
}

func domain(address string) string {
	_, after, _ := strings.Cut(address, "@")
	return strings.ToLower(after)
}
