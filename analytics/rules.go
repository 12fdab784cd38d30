package analytics

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// RuleList holds the rules that are configured or have fired lately, by name.
type RuleList struct {
	Rules []RuleStatus `json:"rules"`
}

// Rule is a rule as configured.
type Rule struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Version string `json:"version"`
	// Mode is live or shadow.
	Mode string `json:"mode"`
	// Call is the endpoint to call; empty: none.
	Call string `json:"call"`
}

// RuleStatus is a rule, and how often it has fired in arrival time.
type RuleStatus struct {
	Rule
	// Configured: this process has it in its configuration. The fields of a rule
	// that is not are those of its latest trigger, its mode is empty.
	Configured bool `json:"configured"`
	// Paused is set while its calls are held back.
	Paused *Pause `json:"paused"`
	// Last24h and Last7d are triggers by status: fired, shadow, expired.
	Last24h     map[string]uint64 `json:"last_24h"`
	Last7d      map[string]uint64 `json:"last_7d"`
	LastFiredAt *time.Time        `json:"last_fired_at"`
}

// Pause tells who holds the calls of a rule back.
type Pause struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// rules answers with the rules. Where this process knows none, as one that only
// serves figures, those are listed that have fired within 7 days.
func (a *API) rules(ctx context.Context, r *http.Request) (RuleList, error) {
	if err := knownParams(r); err != nil {
		return RuleList{}, err
	}
	byName := map[string]*RuleStatus{}
	rule := func(known Rule) *RuleStatus {
		s := byName[known.Name]
		if s == nil {
			s = &RuleStatus{Rule: known, Last24h: map[string]uint64{}, Last7d: map[string]uint64{}}
			byName[known.Name] = s
		}
		return s
	}
	if a.cfg.Rules != nil {
		for _, known := range a.cfg.Rules() {
			rule(known).Configured = true
		}
	}
	const query = `SELECT rule, status, argMax(kind, arrived_at), argMax(rule_version, arrived_at), argMax(endpoint, arrived_at),
countIf(arrived_at >= now64(6) - INTERVAL 24 HOUR), count(), max(arrived_at)
FROM triggers WHERE tenant = ? AND arrived_at >= now64(6) - INTERVAL 7 DAY GROUP BY rule, status ORDER BY max(arrived_at) DESC`
	err := a.each(ctx, "rules", query, []any{a.cfg.Tenant}, func(rows driver.Rows) error {
		var known Rule
		var status string
		var day, week uint64
		var last time.Time
		if err := rows.Scan(&known.Name, &status, &known.Kind, &known.Version, &known.Call, &day, &week, &last); err != nil {
			return err
		}
		s := rule(known)
		if s.Last7d[status] = week; day > 0 {
			s.Last24h[status] = day
		}
		if s.LastFiredAt == nil || last.After(*s.LastFiredAt) {
			s.LastFiredAt = &last
		}
		return nil
	})
	list := RuleList{Rules: []RuleStatus{}}
	for _, s := range byName {
		if a.cfg.Paused != nil {
			s.Paused = a.cfg.Paused(s.Name)
		}
		list.Rules = append(list.Rules, *s)
	}
	slices.SortFunc(list.Rules, func(a, b RuleStatus) int { return cmp.Compare(a.Name, b.Name) })
	return list, err
}
