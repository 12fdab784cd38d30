package ruletest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// expected is a trigger that ought to be: the text of each field that is given.
type expected struct {
	line   int
	fields map[string]string
}

// view is how triggers are shown: with times from the start of their test, and
// events by their labels.
type view struct {
	start  schemas.Timestamp
	labels map[schemas.ID]string
}

// columns are the fields of triggers that can be expected, in the order in which
// they are shown.
var columns = []struct {
	name  string
	read  func(r *reader, n *yaml.Node, path string, v view) string
	show  func(t *schemas.Trigger, v view) string
	minor bool // shown only where it was expected
}{
	{"rule", readText, func(t *schemas.Trigger, _ view) string { return t.Rule }, false},
	{"at", readTime, func(t *schemas.Trigger, v view) string { return v.time(t.OccurredAt) }, false},
	{"arrived", readTime, func(t *schemas.Trigger, v view) string { return v.time(t.ArrivedAt) }, true},
	{"status", readStatus, func(t *schemas.Trigger, _ view) string { return t.Status.String() }, false},
	{"state", readText, func(t *schemas.Trigger, _ view) string { return orNone(t.State) }, true},
	{"recipient", readText, func(t *schemas.Trigger, _ view) string { return orNone(t.Recipient) }, false},
	{"message", readText, func(t *schemas.Trigger, _ view) string { return orNone(t.MessageID) }, true},
	{"campaign", readText, func(t *schemas.Trigger, _ view) string { return orNone(t.CampaignID) }, true},
	{"custom_id", readText, func(t *schemas.Trigger, _ view) string { return orNone(t.CustomID) }, true},
	{"evidence", readEvidence, func(t *schemas.Trigger, v view) string { return v.evidence(t.Evidence) }, false},
	{"occurrence", readOccurrence, func(t *schemas.Trigger, v view) string { return v.occurrence(t.Occurrence) }, true},
	{"not_before", readTime, func(t *schemas.Trigger, v view) string { return v.time(t.NotBefore) }, true},
	{"hits", readText, func(t *schemas.Trigger, _ view) string { return strconv.FormatInt(t.Hits, 10) }, true},
	{"base", readText, func(t *schemas.Trigger, _ view) string { return strconv.FormatInt(t.Base, 10) }, true},
	{"window_start", readTime, func(t *schemas.Trigger, v view) string { return v.time(t.WindowStart) }, true},
	{"window_end", readTime, func(t *schemas.Trigger, v view) string { return v.time(t.WindowEnd) }, true},
	{"call", readText, func(t *schemas.Trigger, _ view) string { return orNone(t.Endpoint) }, true},
}

const none = "none"

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

// expected reads a trigger that ought to be.
func (r *reader) expected(n *yaml.Node, path string, rules *trigger.Set, labels map[string]bool, start schemas.Timestamp) expected {
	x := expected{line: n.Line, fields: map[string]string{}}
	var fields []field
	for _, c := range columns {
		fields = append(fields, field{name: c.name, required: c.name == "rule", set: func(n *yaml.Node, path string) {
			x.fields[c.name] = c.read(r, n, path, view{start: start})
		}})
	}
	before := len(r.errs)
	r.mapping(n, path, fields)
	if len(r.errs) > before {
		return x
	}
	r.knownRule(n, path, rules, x.fields["rule"])
	for _, label := range splitEvidence(x.fields["evidence"]) {
		if !labels[label] {
			r.fail(n, join(path, "evidence"), "no event of the test is %q; name events by their id or their place in the list, from 1", label)
		}
	}
	return x
}

func (r *reader) knownRule(n *yaml.Node, path string, rules *trigger.Set, name string) {
	var known []string
	for _, rule := range rules.Rules() {
		known = append(known, rule.Name)
	}
	if rules != nil && !slices.Contains(known, name) {
		r.fail(n, join(path, "rule"), "%s", noSuch("rule", name, known))
	}
}

func readText(r *reader, n *yaml.Node, path string, _ view) string { return r.text(n, path) }

func readTime(r *reader, n *yaml.Node, path string, v view) string {
	if n.Value == none {
		return none
	}
	return v.time(r.moment(n, path).in(v.start))
}

func readStatus(r *reader, n *yaml.Node, path string, _ view) string {
	text := r.text(n, path)
	if _, ok := schemas.ParseTriggerStatus(text); text != "" && !ok {
		r.fail(n, path, "%s", noSuch("status", text, []string{"fired", "expired", "shadow"}))
	}
	return text
}

func readEvidence(r *reader, n *yaml.Node, path string, _ view) string {
	return joinEvidence(r.texts(n, path))
}

// readOccurrence reads once, a time, or a state and a time, as raised@+10m.
func readOccurrence(r *reader, n *yaml.Node, path string, v view) string {
	text := r.text(n, path)
	state, at, found := strings.Cut(text, "@")
	if !found {
		state, at = "", text
	}
	if text == "" || text == "once" {
		return text
	}
	m, err := parseMoment(at)
	if err != nil {
		r.fail(n, path, "%q is no occurrence; write once, the start of the cooldown as a time, or raised@+10m", text)
	}
	if state != "" {
		state += "@"
	}
	return state + v.time(m.in(v.start))
}

func (v view) time(at schemas.Timestamp) string {
	if at == 0 {
		return none
	}
	return offset(at, v.start)
}

func (v view) occurrence(text string) string {
	state, at, found := strings.Cut(text, "@")
	if !found {
		state, at = "", text
	} else {
		state += "@"
	}
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return text
	}
	return state + offset(schemas.Timestamp(n), v.start)
}

func (v view) evidence(list []schemas.Evidence) string {
	var labels []string
	for _, e := range list {
		label, ok := v.labels[e.EventID]
		if !ok {
			label = e.EventID.String()
		}
		labels = append(labels, label)
	}
	return joinEvidence(labels)
}

func joinEvidence(labels []string) string { return "[" + strings.Join(labels, ", ") + "]" }

func splitEvidence(text string) []string {
	inner := strings.Trim(text, "[]")
	if inner == "" {
		return nil
	}
	return strings.Split(inner, ", ")
}

// shown is a trigger's fields as text.
func (v view) shown(t *schemas.Trigger) map[string]string {
	fields := make(map[string]string, len(columns))
	for _, c := range columns {
		fields[c.name] = c.show(t, v)
	}
	return fields
}

// line is a trigger on one line: what is not minor, and what minor fields say.
func line(fields map[string]string) string {
	var parts []string
	for _, c := range columns {
		value, given := fields[c.name]
		if given && !(c.minor && (value == none || value == "0")) {
			parts = append(parts, fmt.Sprintf("%s: %s", c.name, value))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
