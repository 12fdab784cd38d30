package trigger

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// defaults fills in what the YAML leaves out and other fields decide.
func (p *ruleParser) defaults() {
	r := p.rule
	types := r.evidenceTypes()
	clicked := types.Has(schemas.EventTypeClicked)
	if p.given["human_only"] == nil {
		r.HumanOnly = clicked || types.Has(schemas.EventTypeOpened)
	}
	if p.given["settle"] == nil && r.settles() && r.HumanOnly && clicked {
		r.Settle = defaultSettle
	}
	if p.given["once_per"] == nil {
		r.OncePer = cmp.Or(r.Per, OncePerMessage)
	}
	if r.OfCampaign() && r.Every == 0 {
		r.Every = max(r.Duration/defaultWindowSteps, minEvery)
	}
}

// evidenceTypes are the types that the rule looks at, but for sends.
func (r *Rule) evidenceTypes() TypeSet {
	s := TypesOf(r.Event) | TypesOf(r.Events...) | TypesOf(r.Base...)
	if r.Of != "" && r.Of != AnchorSend {
		s |= anchorTypes(r.Of)
	}
	for _, step := range r.Steps {
		s.Add(step.Event)
	}
	return s
}

// settles tells whether the rule may wait for what tells that a machine acted.
func (r *Rule) settles() bool {
	switch r.Kind {
	case KindImmediate, KindWithin, KindSequence:
		return true
	}
	return false
}

// across checks what fields say about each other.
func (p *ruleParser) across() {
	r := p.rule
	if r.Settle > 0 && !r.settles() {
		p.wrong("settle", fmt.Sprintf("a rule of kind %s does not settle; remove it", r.Kind))
	}
	if r.Settle > 0 && r.settles() && !r.HumanOnly {
		p.wrong("settle", "waits for what tells that a machine acted, but human_only is false; remove one of them")
	}
	switch r.Kind {
	case KindCount, KindRate:
		p.scopes()
		p.window()
	case KindImmediate, KindWithin, KindAbsence, KindSequence:
	}
	if r.Kind == KindRate && r.ClearBelow > r.Above {
		p.wrong("clear_below", fmt.Sprintf("is more than above; want at most %s", percent(r.Above)))
	}
	if r.Kind == KindRate && r.Cooldown != 0 {
		p.wrong("cooldown", "a rate fires whenever it is raised or cleared; remove it, and set clear_below lower if it does so too often")
	}
}

// scopes checks what a counting rule fires once per.
func (p *ruleParser) scopes() {
	r := p.rule
	if r.OfCampaign() {
		if p.given["once_per"] != nil {
			p.wrong("once_per", "the rule is of campaigns and fires for each; remove it")
		}
		return
	}
	if width(r.OncePer) < width(r.Per) {
		p.wrong("once_per", fmt.Sprintf("is %s, but the rule counts per %s; want %s", r.OncePer, r.Per, atLeast(r.Per)))
	}
}

var widths = []Once{OncePerMessage, OncePerCampaign, OncePerRecipient}

func width(o Once) int { return slices.Index(widths, o) }

func atLeast(o Once) string {
	text := string(o)
	for _, wider := range widths[width(o)+1:] {
		text += " or " + string(wider)
	}
	return text
}

// window checks the steps of a window.
func (p *ruleParser) window() {
	r := p.rule
	if !r.OfCampaign() {
		if r.Every != 0 {
			p.wrong("every", fmt.Sprintf("is for counts per campaign, and this one is per %s; remove it", r.Per))
		}
		return
	}
	switch {
	case r.Duration%r.Every != 0:
		p.wrong("every", fmt.Sprintf("duration %s is no multiple of every %s; change one of them", r.Duration, r.Every))
	case r.Duration/r.Every > maxWindowSteps:
		p.wrong("every", fmt.Sprintf("duration %s has %d steps of %s; want at most %d, so every of at least %s",
			r.Duration, r.Duration/r.Every, r.Every, maxWindowSteps, (r.Duration+maxWindowSteps-1)/maxWindowSteps))
	}
}

// wrong reports a field, at its place or, where it is not given, the rule's kind.
func (p *ruleParser) wrong(name, problem string) {
	kind := string(p.rule.Kind)
	n := p.given[name]
	if n == nil {
		n = p.given[kind]
	}
	switch name {
	case "every", "clear_below":
		name = kind + "." + name
	}
	p.fail(n, name, problem)
}

// percent writes parts per million as a percentage.
func percent(ppm int64) string {
	text := fmt.Sprintf("%d", ppm/10_000)
	if rest := ppm % 10_000; rest != 0 {
		text = fmt.Sprintf("%s.%04d", text, rest)
		for text[len(text)-1] == '0' {
			text = text[:len(text)-1]
		}
	}
	return text + "%"
}
