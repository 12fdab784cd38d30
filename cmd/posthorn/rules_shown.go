package main

import "github.com/posthorn/posthorn/analytics"

// shownRules are the rules of the configuration as it is now, for the API. A
// process that only serves figures may have none.
func (n *node) shownRules() []analytics.Rule {
	set, err := loadRules(n.cfg)
	if err != nil {
		n.log.Warn("the API shows no configured rules", "error", err)
		return nil
	}
	var shown []analytics.Rule
	for _, r := range set.Rules() {
		mode := "live"
		if r.Shadow {
			mode = "shadow"
		}
		shown = append(shown, analytics.Rule{Name: r.Name, Kind: string(r.Kind), Version: r.Version, Mode: mode, Call: r.Call})
	}
	return shown
}
