package trigger

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// dayMinutes is how many minutes a day has.
const dayMinutes = 24 * 60

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // by time.Weekday

func (p *ruleParser) active(n *yaml.Node) {
	a := &Active{To: dayMinutes, Zone: time.UTC}
	p.rule.Active = a
	before := len(*p.errs)
	for i := range a.Days {
		a.Days[i] = true
	}
	p.fields(n, "active.", []field{
		{name: "days", nested: true, set: func(n *yaml.Node) { a.Days = p.days(n) }},
		{name: "from", set: func(n *yaml.Node) { a.From = p.clock(n, "active.from", dayMinutes-1) }},
		{name: "to", set: func(n *yaml.Node) { a.To = p.clock(n, "active.to", dayMinutes) }},
		{name: "time_zone", set: func(n *yaml.Node) { a.Zone = p.zone(n) }},
		{name: "outside", set: func(n *yaml.Node) { a.Skip = p.oneOf(n, "active.outside", "wait", "skip") == "skip" }},
	})
	if a.From == a.To && len(*p.errs) == before {
		p.fail(n, "active", "from and to are the same; leave both out for whole days")
	}
}

func (p *ruleParser) days(n *yaml.Node) (days [7]bool) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.fail(n, "active.days", "want a list of days, as [mon, tue, wed, thu, fri]")
		return days
	}
	for _, item := range n.Content {
		item = resolve(item)
		day := slices.Index(weekdays, strings.ToLower(item.Value))
		if day < 0 {
			p.fail(item, "active.days", fmt.Sprintf("%q is no day; want some of mon, tue, wed, thu, fri, sat, sun", item.Value))
			continue
		}
		days[day] = true
	}
	return days
}

// clock reads a time of the day, in minutes.
func (p *ruleParser) clock(n *yaml.Node, field string, most int) int {
	minute := -1
	if s := n.Value; len(s) == len("00:00") && s[2] == ':' && strings.Trim(s[:2]+s[3:], "0123456789") == "" {
		if d := func(i int) int { return int(s[i] - '0') }; d(3) < 6 {
			minute = (10*d(0)+d(1))*60 + 10*d(3) + d(4)
		}
	}
	if minute < 0 || minute > most {
		p.fail(n, field, fmt.Sprintf("%q is no time of the day; write it as \"08:00\" or \"20:30\"", n.Value))
		return 0
	}
	return minute
}

func (p *ruleParser) zone(n *yaml.Node) *time.Location {
	zone, err := time.LoadLocation(n.Value)
	if err != nil || n.Value == "Local" {
		p.fail(n, "active.time_zone", fmt.Sprintf("%q is no time zone; write it as Europe/Paris, or UTC", n.Value))
		return time.UTC
	}
	return zone
}
