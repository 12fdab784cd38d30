package main

import (
	"sync"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/processor/trigger"
)

// shownRules returns what tells the API the rules in force. A process that only
// serves figures may have none, and knows only those of its start.
func (n *node) shownRules() func() []analytics.Rule {
	atStart := sync.OnceValue(func() *trigger.Set {
		set, err := loadRules(n.cfg)
		if err != nil {
			n.log.Warn("the API shows no configured rules", "error", err)
		}
		return set
	})
	return func() []analytics.Rule {
		if n.rules != nil {
			return show(n.rules.Load())
		}
		return show(atStart())
	}
}

func show(set *trigger.Set) (shown []analytics.Rule) {
	for _, r := range set.Rules() {
		mode := "live"
		if r.Shadow {
			mode = "shadow"
		}
		shown = append(shown, analytics.Rule{Name: r.Name, Kind: string(r.Kind), Version: r.Version, Mode: mode, Call: r.Call})
	}
	return shown
}
