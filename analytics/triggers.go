package analytics

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// TriggerList holds the latest triggers, newest first.
type TriggerList struct {
	Triggers []Trigger `json:"triggers"`
}

// Trigger is a rule that fired.
type Trigger struct {
	ID           uuid.UUID  `json:"id"`
	Rule         string     `json:"rule"`
	Kind         string     `json:"kind"`
	Status       string     `json:"status"`
	RecipientID  uuid.UUID  `json:"recipient_id"`
	CampaignID   string     `json:"campaign_id"`
	CampaignName string     `json:"campaign_name"`
	MessageID    string     `json:"message_id"`
	CustomID     string     `json:"custom_id"`
	AnchorAt     *time.Time `json:"anchor_at"`
	OccurredAt   time.Time  `json:"occurred_at"`
	ArrivedAt    time.Time  `json:"arrived_at"`
	Evidence     []string   `json:"evidence"`
	Endpoint     string     `json:"endpoint"`
}

// DeliveryList holds the latest attempts of callbacks, newest first.
type DeliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
}

// Delivery is one attempt to call an endpoint.
type Delivery struct {
	TriggerID     uuid.UUID  `json:"trigger_id"`
	Rule          string     `json:"rule"`
	Endpoint      string     `json:"endpoint"`
	URL           string     `json:"url"`
	Attempt       uint16     `json:"attempt"`
	AttemptedAt   time.Time  `json:"attempted_at"`
	DurationMS    int64      `json:"duration_ms"`
	Status        string     `json:"status"`
	StatusCode    uint16     `json:"status_code"`
	Error         string     `json:"error"`
	NextAttemptAt *time.Time `json:"next_attempt_at"`
}

func (a *API) triggers(ctx context.Context, r *http.Request) (TriggerList, error) {
	list := TriggerList{Triggers: []Trigger{}}
	limit, err := limitOf(r, 20, 1000)
	if err != nil {
		return list, err
	}
	rows, err := a.cfg.Conn.Query(ctx, `SELECT trigger_id, rule, kind, status, recipient_id, campaign_id, campaign_name,
message_id, custom_id, anchor_at, occurred_at, arrived_at, evidence_types, endpoint
FROM triggers WHERE tenant = ? ORDER BY arrived_at DESC, trigger_id LIMIT `+fmt.Sprint(limit), a.cfg.Tenant)
	if err != nil {
		return list, fmt.Errorf("listing triggers: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var t Trigger
		err := rows.Scan(&t.ID, &t.Rule, &t.Kind, &t.Status, &t.RecipientID, &t.CampaignID, &t.CampaignName,
			&t.MessageID, &t.CustomID, &t.AnchorAt, &t.OccurredAt, &t.ArrivedAt, &t.Evidence, &t.Endpoint)
		if err != nil {
			return list, fmt.Errorf("listing triggers: %w", err)
		}
		list.Triggers = append(list.Triggers, t)
	}
	return list, rows.Err()
}

func (a *API) deliveries(ctx context.Context, r *http.Request) (DeliveryList, error) {
	list := DeliveryList{Deliveries: []Delivery{}}
	limit, err := limitOf(r, 20, 1000)
	if err != nil {
		return list, err
	}
	rows, err := a.cfg.Conn.Query(ctx, `SELECT trigger_id, rule, endpoint, url, attempt, attempted_at, duration_ms, status, status_code, error, next_attempt_at
FROM deliveries WHERE tenant = ? ORDER BY attempted_at DESC, trigger_id LIMIT `+fmt.Sprint(limit), a.cfg.Tenant)
	if err != nil {
		return list, fmt.Errorf("listing deliveries: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var d Delivery
		err := rows.Scan(&d.TriggerID, &d.Rule, &d.Endpoint, &d.URL, &d.Attempt, &d.AttemptedAt, &d.DurationMS, &d.Status, &d.StatusCode, &d.Error, &d.NextAttemptAt)
		if err != nil {
			return list, fmt.Errorf("listing deliveries: %w", err)
		}
		list.Deliveries = append(list.Deliveries, d)
	}
	return list, rows.Err()
}
