package analytics

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// TriggerList is a page of triggers, the one that arrived last first.
type TriggerList struct {
	Triggers []Trigger `json:"triggers"`
	// Next is the value of after for the next page; empty at the end.
	Next string `json:"next,omitempty"`
}

// Trigger is a rule that fired.
type Trigger struct {
	ID           uuid.UUID `json:"id"`
	Rule         string    `json:"rule"`
	RuleVersion  string    `json:"rule_version"`
	Kind         string    `json:"kind"`
	Status       string    `json:"status"`
	OncePer      string    `json:"once_per"`
	Occurrence   string    `json:"occurrence"`
	RecipientID  uuid.UUID `json:"recipient_id"`
	CampaignID   string    `json:"campaign_id"`
	CampaignName string    `json:"campaign_name"`
	MessageID    string    `json:"message_id"`
	CustomID     string    `json:"custom_id"`
	// State is raised or cleared, of a campaign's rule with an all-clear.
	State      string      `json:"state,omitempty"`
	AnchorAt   *time.Time  `json:"anchor_at"`
	OccurredAt time.Time   `json:"occurred_at"`
	ArrivedAt  time.Time   `json:"arrived_at"`
	NotBefore  *time.Time  `json:"not_before"`
	Evidence   []string    `json:"evidence"`
	EventIDs   []uuid.UUID `json:"event_ids"`
	Endpoint   string      `json:"endpoint"`
	// Window is what a counting rule has counted; nil for other rules.
	Window *TriggerWindow `json:"window,omitempty"`

	position triggerPage
}

// TriggerWindow is what a counting rule has counted.
type TriggerWindow struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Hits  int64     `json:"hits"`
	// Base is what a rate is a share of.
	Base int64 `json:"base"`
}

// triggerPage is where a page of triggers ends.
type triggerPage struct {
	ArrivedAt int64 `json:"t"` // µs
	Partition int32 `json:"p"`
	Offset    int64 `json:"o"`
}

const triggerColumns = `trigger_id, rule, rule_version, kind, status, once_per, occurrence, recipient_id, campaign_id, campaign_name,
message_id, custom_id, state, anchor_at, occurred_at, arrived_at, not_before, evidence_types, evidence_ids, endpoint,
window_start, window_end, hits, base, kafka_partition, kafka_offset`

func (t *Trigger) scan(rows driver.Rows) error {
	var start, end *time.Time
	var w TriggerWindow
	err := rows.Scan(&t.ID, &t.Rule, &t.RuleVersion, &t.Kind, &t.Status, &t.OncePer, &t.Occurrence, &t.RecipientID, &t.CampaignID, &t.CampaignName,
		&t.MessageID, &t.CustomID, &t.State, &t.AnchorAt, &t.OccurredAt, &t.ArrivedAt, &t.NotBefore, &t.Evidence, &t.EventIDs, &t.Endpoint,
		&start, &end, &w.Hits, &w.Base, &t.position.Partition, &t.position.Offset)
	t.position.ArrivedAt = t.ArrivedAt.UnixMicro()
	if start != nil && end != nil {
		w.Start, w.End = *start, *end
		t.Window = &w
	}
	return err
}

var triggerFilters = []string{"rule", "campaign", "recipient", "status"}

// triggerFilter reads what the list and those who follow may ask for.
func (a *API) triggerFilter(r *http.Request) (f filter, err error) {
	f.add("tenant = ?", a.cfg.Tenant)
	f.text(r, "rule", "rule")
	f.text(r, "campaign", "campaign_id")
	if err := f.id(r, "recipient", "recipient_id"); err != nil {
		return f, err
	}
	status, err := oneOf(r, "status", "", "fired", "shadow", "expired")
	if status != "" {
		f.add("status = ?", status)
	}
	return f, err
}

func (a *API) triggers(ctx context.Context, r *http.Request) (TriggerList, error) {
	list := TriggerList{Triggers: []Trigger{}}
	if err := knownParams(r, append([]string{"since", "until", "limit", "after"}, triggerFilters...)...); err != nil {
		return list, err
	}
	limit, err := limitOf(r, 20, 1000)
	if err != nil {
		return list, err
	}
	f, err := a.triggerFilter(r)
	if err != nil {
		return list, err
	}
	if err := f.period(r, "arrived_at"); err != nil {
		return list, err
	}
	var page triggerPage
	if given, err := pageOf(r, &page); err != nil {
		return list, err
	} else if given {
		// The first condition alone is one that the sort key serves.
		f.add("arrived_at <= fromUnixTimestamp64Micro(toInt64(?))", page.ArrivedAt)
		f.add("(toUnixTimestamp64Micro(arrived_at), kafka_partition, kafka_offset) < (?, ?, ?)", page.ArrivedAt, page.Partition, page.Offset)
	}
	err = a.eachTrigger(ctx, f, "arrived_at DESC, kafka_partition DESC, kafka_offset DESC", limit+1, func(t *Trigger) { list.Triggers = append(list.Triggers, *t) })
	if len(list.Triggers) > limit {
		list.Triggers = list.Triggers[:limit]
		list.Next = pageKey(list.Triggers[limit-1].position)
	}
	return list, err
}

func (a *API) eachTrigger(ctx context.Context, f filter, order string, limit int, each func(*Trigger)) error {
	query := fmt.Sprint("SELECT ", triggerColumns, " FROM triggers WHERE ", f.String(), " ORDER BY ", order, " LIMIT ", limit)
	return a.each(ctx, "triggers", query, f.args, func(rows driver.Rows) error {
		var t Trigger
		err := t.scan(rows)
		each(&t)
		return err
	})
}
