package analytics

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// Funnel tells how many messages went how far.
type Funnel struct {
	SentPeriod
	// Steps count everybody, Human leaves out machines' opens and clicks.
	Steps []FunnelStep `json:"steps"`
	Human []FunnelStep `json:"human"`
	// Outside are messages that a step leaves out for want of an earlier one.
	Outside FunnelOutside `json:"outside"`
	// After are messages that were delivered and then unsubscribed from or
	// complained about.
	After FunnelAfter `json:"after"`
	// Paths are all combinations of what became of messages, the most frequent
	// first.
	Paths []FunnelPath `json:"paths"`
}

// FunnelStep is one step. A message is in a step only if it is in the one before.
type FunnelStep struct {
	Name string `json:"name"`
	// Requires is what a message of the step has, all of it.
	Requires []string `json:"requires"`
	Messages int64    `json:"messages"`
	// OfPrevious is the share of the step before, OfDelivered of the delivered;
	// null where there is none.
	OfPrevious  *float64 `json:"of_previous"`
	OfDelivered *float64 `json:"of_delivered"`
}

// FunnelOutside counts what the steps of all leave out.
type FunnelOutside struct {
	// NotDelivered: no delivery is known.
	NotDelivered int64 `json:"not_delivered"`
	// OpenedNotDelivered: opened without a known delivery.
	OpenedNotDelivered int64 `json:"opened_not_delivered"`
	// ClickedNotOpened: delivered and clicked without a known open, as where
	// pictures are not loaded.
	ClickedNotOpened int64 `json:"clicked_not_opened"`
	// HumanClickedNotOpened: the same by other than machines.
	HumanClickedNotOpened int64 `json:"human_clicked_not_opened"`
}

// FunnelAfter counts delivered messages.
type FunnelAfter struct {
	Unsubscribed int64 `json:"unsubscribed"`
	Complained   int64 `json:"complained"`
}

// FunnelPath counts the messages of which just these are true.
type FunnelPath struct {
	Path     []string `json:"path"` // empty: none
	Messages int64    `json:"messages"`
	Share    *float64 `json:"share"` // of all messages
}

// has tells whether a message of the path has all of some parts.
func (p *FunnelPath) has(parts ...string) bool {
	for _, part := range parts {
		if !slices.Contains(p.Path, part) {
			return false
		}
	}
	return true
}

// funnel answers with the steps and paths of messages.
func (a *API) funnel(ctx context.Context, r *http.Request) (Funnel, error) {
	p, err := a.sentCellsOf(ctx, r)
	answer := Funnel{SentPeriod: p, Paths: []FunnelPath{}}
	if err != nil {
		return answer, err
	}
	f := p.filter(a.cfg.Tenant, schemas.DimensionPath)
	err = a.eachCell(ctx, "paths", f, []string{"value"}, []string{"messages"}, func(rows driver.Rows) error {
		var value string
		var n int64
		if err := rows.Scan(&value, &n); err != nil || n == 0 {
			return err
		}
		p := FunnelPath{Path: []string{}, Messages: n}
		if value != schemas.PathNone {
			p.Path = strings.Split(value, schemas.PathJoin)
		}
		answer.Paths = append(answer.Paths, p)
		return nil
	})
	answer.count()
	return answer, err
}

// count makes the steps of the paths.
func (f *Funnel) count() {
	slices.SortFunc(f.Paths, func(a, b FunnelPath) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), slices.Compare(a.Path, b.Path))
	})
	all := f.messages()
	for i := range f.Paths {
		f.Paths[i].Share = shareOf(f.Paths[i].Messages, all)
	}
	f.Steps = f.steps(schemas.PathDelivered, schemas.PathOpened, schemas.PathClicked)
	f.Human = f.steps(schemas.PathDelivered, schemas.PathHumanOpened, schemas.PathHumanClicked)
	with := f.messages
	f.Outside = FunnelOutside{
		NotDelivered:          all - with(schemas.PathDelivered),
		OpenedNotDelivered:    with(schemas.PathOpened) - with(schemas.PathDelivered, schemas.PathOpened),
		ClickedNotOpened:      with(schemas.PathDelivered, schemas.PathClicked) - with(schemas.PathDelivered, schemas.PathOpened, schemas.PathClicked),
		HumanClickedNotOpened: with(schemas.PathDelivered, schemas.PathHumanClicked) - with(schemas.PathDelivered, schemas.PathHumanOpened, schemas.PathHumanClicked),
	}
	f.After = FunnelAfter{with(schemas.PathDelivered, schemas.PathUnsubscribed), with(schemas.PathDelivered, schemas.PathComplained)}
}

// messages counts those that have all of some parts.
func (f *Funnel) messages(parts ...string) (n int64) {
	for i := range f.Paths {
		if f.Paths[i].has(parts...) {
			n += f.Paths[i].Messages
		}
	}
	return n
}

// steps begins with all messages; each part is one more step.
func (f *Funnel) steps(parts ...string) []FunnelStep {
	steps := []FunnelStep{{Name: "messages", Requires: []string{}, Messages: f.messages()}}
	delivered := f.messages(schemas.PathDelivered)
	for i, part := range parts {
		n := f.messages(parts[:i+1]...)
		steps = append(steps, FunnelStep{
			Name: part, Requires: parts[: i+1 : i+1], Messages: n,
			OfPrevious: shareOf(n, steps[i].Messages), OfDelivered: shareOf(n, delivered),
		})
	}
	return steps
}

// shareOf is n of all; nil where there are none.
func shareOf(n, all int64) *float64 {
	if all == 0 {
		return nil
	}
	share := float64(n) / float64(all)
	return &share
}

// sheet has the steps, then the paths.
func (f *Funnel) sheet() sheet {
	s := sheet{name: "funnel", columns: []sheetColumn{{"part", columnText}, {"name", columnText}, {"messages", columnInteger}, {"of_previous", columnReal}, {"of_delivered", columnReal}, {"share", columnReal}}}
	for _, of := range []struct {
		part  string
		steps []FunnelStep
	}{{"steps", f.Steps}, {"human", f.Human}} {
		for _, step := range of.steps {
			s.rows = append(s.rows, []any{of.part, step.Name, step.Messages, realCell(step.OfPrevious), realCell(step.OfDelivered), nil})
		}
	}
	for _, p := range f.Paths {
		name := schemas.PathNone
		if len(p.Path) > 0 {
			name = strings.Join(p.Path, schemas.PathJoin)
		}
		s.rows = append(s.rows, []any{"path", name, p.Messages, nil, nil, realCell(p.Share)})
	}
	return s
}
