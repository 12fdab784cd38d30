package trigger

import (
	"fmt"
	"slices"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// Warning is something about a rule that is valid and probably not meant.
type Warning struct {
	Rule    *Rule
	Field   string
	Problem string
}

// String names the place, the rule, the field, the problem and the remedy.
func (w Warning) String() string {
	return fmt.Sprintf("%s: rule %q: %s: %s", w.Rule.Position, w.Rule.Name, w.Field, w.Problem)
}

// Lint looks for what is probably not meant, in the order of the rules.
func Lint(s *Set) (warnings []Warning) {
	meanings := map[string]*Rule{}
	for _, r := range s.Rules() {
		warn := func(field, problem string) { warnings = append(warnings, Warning{r, field, problem}) }
		for _, check := range lints {
			check(r, warn)
		}
		if first := meanings[r.meaning()]; first != nil {
			warn("name", fmt.Sprintf("the rule means what %s at %s does: both fire; remove one", first.Name, first.Position))
		} else {
			meanings[r.meaning()] = r
		}
	}
	return warnings
}

// What is unusual.
const (
	longAge       = 7 * 24 * time.Hour
	manySteps     = 240
	longSettle    = time.Minute
	shortCooldown = time.Minute
)

var lints = []func(r *Rule, warn func(field, problem string)){
	lintCalls, lintMachines, lintTimes, lintKind, lintCondition, lintGuards,
}

func lintCalls(r *Rule, warn func(field, problem string)) {
	if r.Call == "" && !r.Shadow {
		warn("call", "is missing, so the rule calls nobody; name an endpoint, or set mode: shadow to only watch")
	}
	if r.Sample == 0 {
		warn("sample", "is 0%, so the rule never fires; raise it or remove the rule")
	}
}

func lintMachines(r *Rule, warn func(field, problem string)) {
	types := r.evidenceTypes()
	acts := types.Has(schemas.EventTypeOpened) || types.Has(schemas.EventTypeClicked)
	switch {
	case acts && !r.HumanOnly && r.Kind == KindAbsence:
		warn("human_only", "is false, so an open or click of a mail filter counts as the person's and keeps the rule from firing; remove it")
	case acts && !r.HumanOnly:
		warn("human_only", "is false, so mail filters and image proxies fire the rule; remove it unless that is meant")
	}
	switch {
	case r.Settle > 0 && !types.Has(schemas.EventTypeClicked):
		warn("settle", "delays the rule, and little but clicks is ever told to be a machine's by other events; remove it")
	case r.Settle > longSettle:
		warn("settle", fmt.Sprintf("delays every firing by %s; what tells on a machine comes within seconds, so 5s does", r.Settle))
	}
}

func lintTimes(r *Rule, warn func(field, problem string)) {
	if r.MaxAge > longAge {
		warn("max_age", fmt.Sprintf("is %s, so the rule calls for what happened long ago, after an outage or a replay; 48h is usual", r.MaxAge))
	}
	if r.Cooldown != 0 && r.Cooldown < shortCooldown {
		warn("cooldown", fmt.Sprintf("is %s, so a scanner that follows links again and again may call as often; an hour or more is usual", r.Cooldown))
	}
	if r.Kind == KindAbsence && r.Wait > r.MaxAge {
		warn("absence.wait", fmt.Sprintf("is more than max_age %s, so every firing is expired; shorten it", r.MaxAge))
	}
	if r.OfCampaign() && r.Duration/r.Every > manySteps {
		warn(string(r.Kind)+".every", fmt.Sprintf("makes %d steps of each window, all of them kept for every campaign; %s makes 60", r.Duration/r.Every, (r.Duration/60).Round(time.Second)))
	}
}

func lintKind(r *Rule, warn func(field, problem string)) {
	switch r.Kind {
	case KindRate:
		if r.Minimum == 1 {
			warn("rate.minimum", "is 1, so the first event of a campaign may raise it; set it to some hundreds")
		}
		if r.Above >= Million && subset(r.Events, r.Base) {
			warn("rate.above", "is 100%, which a share of itself never exceeds; lower it")
		}
	case KindCount:
		if r.Times == 1 {
			warn("count.times", "is 1, so the rule fires at every event; immediate does that too")
		}
	case KindAbsence:
		if r.Of == AnchorSend && sendTypes.Has(r.Event) {
			warn("absence.event", fmt.Sprintf("%s may itself be the send, where the provider says nothing before; it then follows nothing and the rule fires", r.Event))
		}
	case KindSequence:
		sends := 0
		for i := range r.Steps {
			if r.Steps[i].Send {
				sends++
			}
		}
		if sends > 1 {
			warn("sequence.events", "has send twice, but a message has one, so the rule never fires; remove one")
		} else if sends == 1 && !r.Steps[0].Send {
			warn("sequence.events", "has send after another event; put it first")
		}
	case KindImmediate, KindWithin:
	}
}

func subset(a, b []schemas.EventType) bool {
	return !slices.ContainsFunc(a, func(t schemas.EventType) bool { return !slices.Contains(b, t) })
}
