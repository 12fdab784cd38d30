package trigger

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Bounds of the fields of kinds.
const (
	maxTimes = 1000 // a count keeps as many events
	minSteps = 2
	maxSteps = 8
	minEvery = time.Second
	// maxWindowSteps is how many steps a window of a campaign may have.
	maxWindowSteps = 1440
	// defaultWindowSteps is how many it has where every is not given.
	defaultWindowSteps = 10
	maxCount           = 1_000_000_000_000
)

func kindNames() []string {
	return []string{"immediate", "within", "absence", "count", "sequence", "rate"}
}

// kindFields are the fields of which a rule has exactly one.
func (p *ruleParser) kindFields() []field {
	readers := map[Kind]func(n *yaml.Node, prefix string){
		KindImmediate: p.immediate, KindWithin: p.within, KindAbsence: p.absence,
		KindCount: p.count, KindSequence: p.sequence, KindRate: p.rate,
	}
	var fields []field
	for _, name := range kindNames() {
		kind := Kind(name)
		fields = append(fields, field{name: name, nested: true, set: func(n *yaml.Node) {
			p.rule.Kind = kind
			p.kinds = append(p.kinds, name)
			readers[kind](n, name+".")
		}})
	}
	return fields
}

func (p *ruleParser) immediate(n *yaml.Node, prefix string) {
	p.fields(n, prefix, []field{p.event(prefix)})
}

func (p *ruleParser) within(n *yaml.Node, prefix string) {
	p.fields(n, prefix, []field{p.event(prefix), p.of(prefix), p.length(prefix)})
}

func (p *ruleParser) absence(n *yaml.Node, prefix string) {
	p.fields(n, prefix, []field{p.event(prefix), p.of(prefix), p.length(prefix),
		{name: "wait", set: func(n *yaml.Node) { p.rule.Wait = p.durationUpTo(n, prefix+"wait", maxDuration) }}})
}

func (p *ruleParser) count(n *yaml.Node, prefix string) {
	r := p.rule
	most := maxTimes
	r.Per = OncePerMessage
	if perOf(n) == string(OncePerCampaign) {
		most = maxCount
	}
	p.fields(n, prefix, []field{
		{name: "event", required: true, nested: true, set: func(n *yaml.Node) { r.Events = p.eventTypeList(n, prefix+"event") }},
		{name: "times", required: true, set: func(n *yaml.Node) { r.Times = p.number(n, prefix+"times", 1, most) }},
		p.length(prefix),
		{name: "per", set: func(n *yaml.Node) {
			r.Per = Once(p.oneOf(n, prefix+"per", "message", "recipient", "campaign"))
		}},
		p.every(prefix),
	})
}

// perOf is the value of per, which bounds times.
func perOf(n *yaml.Node) string {
	n = resolve(n)
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "per" {
			return resolve(n.Content[i+1]).Value
		}
	}
	return ""
}

func (p *ruleParser) rate(n *yaml.Node, prefix string) {
	r := p.rule
	r.Per, r.Minimum = OncePerCampaign, 1
	p.fields(n, prefix, []field{
		{name: "event", required: true, nested: true, set: func(n *yaml.Node) { r.Events = p.eventTypeList(n, prefix+"event") }},
		{name: "of", required: true, nested: true, set: func(n *yaml.Node) { r.Base = p.eventTypeList(n, prefix+"of") }},
		{name: "above", required: true, set: func(n *yaml.Node) { r.Above = p.share(n, prefix+"above") }},
		{name: "clear_below", set: func(n *yaml.Node) {
			p.given["clear_below"] = n
			r.ClearBelow = p.share(n, prefix+"clear_below")
		}},
		p.length(prefix),
		p.every(prefix),
		{name: "minimum", set: func(n *yaml.Node) { r.Minimum = int64(p.number(n, prefix+"minimum", 1, maxCount)) }},
	})
	if p.given["clear_below"] == nil {
		r.ClearBelow = r.Above
	}
}

func (p *ruleParser) sequence(n *yaml.Node, prefix string) {
	p.fields(n, prefix, []field{
		{name: "events", required: true, nested: true, set: func(n *yaml.Node) {
			if n.Kind != yaml.SequenceNode || len(n.Content) < minSteps || len(n.Content) > maxSteps {
				p.fail(n, prefix+"events", fmt.Sprintf("want a list of %d to %d events, as [send, opened, clicked]", minSteps, maxSteps))
				return
			}
			for _, item := range n.Content {
				p.rule.Steps = append(p.rule.Steps, p.step(resolve(item), prefix+"events"))
			}
		}},
		p.length(prefix),
	})
}

// step reads a step: a type, send, or a mapping of event and when.
func (p *ruleParser) step(n *yaml.Node, name string) (s Step) {
	if n.Kind != yaml.MappingNode {
		p.stepEvent(n, name, &s)
		return s
	}
	p.fields(n, name+".", []field{
		{name: "event", required: true, set: func(n *yaml.Node) { p.stepEvent(n, name+".event", &s) }},
		{name: "when", set: func(n *yaml.Node) { s.When, s.condition = p.condition(n, name+".when") }},
	})
	return s
}

func (p *ruleParser) stepEvent(n *yaml.Node, name string, s *Step) {
	if n.Kind == yaml.ScalarNode && n.Value == string(AnchorSend) {
		s.Send = true
		return
	}
	s.Event = p.eventType(n, name)
}

func (p *ruleParser) event(prefix string) field {
	return field{name: "event", required: true, set: func(n *yaml.Node) { p.rule.Event = p.eventType(n, prefix+"event") }}
}

func (p *ruleParser) of(prefix string) field {
	return field{name: "of", required: true, set: func(n *yaml.Node) {
		p.rule.Of = Anchor(p.oneOf(n, prefix+"of", "send", "delivered", "opened", "clicked"))
	}}
}

func (p *ruleParser) length(prefix string) field {
	return field{name: "duration", required: true, set: func(n *yaml.Node) { p.rule.Duration = p.duration(n, prefix+"duration") }}
}

func (p *ruleParser) every(prefix string) field {
	return field{name: "every", set: func(n *yaml.Node) {
		p.given["every"] = n
		r := p.rule
		if r.Every = p.duration(n, prefix+"every"); r.Every != 0 && r.Every < minEvery {
			p.fail(n, prefix+"every", fmt.Sprintf("%q is too short; want at least %s", strings.TrimSpace(n.Value), minEvery))
		}
	}}
}
