package analytics

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// DeliveryList is a page of attempts of calls, the latest first.
type DeliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
	// Next is the value of after for the next page; empty at the end.
	Next string `json:"next,omitempty"`
}

// Delivery is one attempt to call an endpoint.
type Delivery struct {
	TriggerID   uuid.UUID `json:"trigger_id"`
	Rule        string    `json:"rule"`
	Endpoint    string    `json:"endpoint"`
	Action      string    `json:"action"`
	URL         string    `json:"url"`
	RecipientID uuid.UUID `json:"recipient_id"`
	CampaignID  string    `json:"campaign_id"`
	Attempt     uint16    `json:"attempt"`
	// Manual: a person asked for it.
	Manual        bool       `json:"manual"`
	AttemptedAt   time.Time  `json:"attempted_at"`
	DurationMS    int64      `json:"duration_ms"`
	Status        string     `json:"status"`
	StatusCode    uint16     `json:"status_code"`
	Error         string     `json:"error"`
	NextAttemptAt *time.Time `json:"next_attempt_at"`

	position deliveryPage
}

// deliveryPage is where a page of attempts ends.
type deliveryPage struct {
	AttemptedAt int64 `json:"t"` // µs
	Partition   int32 `json:"p"`
	Offset      int64 `json:"o"`
}

// DeliveryDetail is all that became of a trigger's call.
type DeliveryDetail struct {
	TriggerID uuid.UUID         `json:"trigger_id"`
	Rule      string            `json:"rule"`
	Endpoint  string            `json:"endpoint"`
	Status    string            `json:"status"`
	Attempts  []DeliveryAttempt `json:"attempts"` // the first one first
}

// DeliveryAttempt is an attempt with what was sent and answered. Secrets in
// headers are replaced by ***, bodies are cut.
type DeliveryAttempt struct {
	Delivery
	Request  DeliveryRequest  `json:"request"`
	Response DeliveryResponse `json:"response"`
}

// DeliveryRequest is what was sent.
type DeliveryRequest struct {
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// DeliveryResponse is what was answered.
type DeliveryResponse struct {
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

const deliveryColumns = `trigger_id, rule, endpoint, action, url, recipient_id, campaign_id, attempt, manual, attempted_at, duration_ms, status, status_code, error, next_attempt_at, kafka_partition, kafka_offset`

func (d *Delivery) fields() []any {
	return []any{&d.TriggerID, &d.Rule, &d.Endpoint, &d.Action, &d.URL, &d.RecipientID, &d.CampaignID, &d.Attempt, &d.Manual, &d.AttemptedAt, &d.DurationMS,
		&d.Status, &d.StatusCode, &d.Error, &d.NextAttemptAt, &d.position.Partition, &d.position.Offset}
}

func (a *API) deliveries(ctx context.Context, r *http.Request) (DeliveryList, error) {
	list := DeliveryList{Deliveries: []Delivery{}}
	if err := knownParams(r, "rule", "endpoint", "campaign", "recipient", "trigger", "status", "since", "until", "limit", "after"); err != nil {
		return list, err
	}
	limit, err := limitOf(r, 20, 1000)
	if err != nil {
		return list, err
	}
	f, err := a.deliveryFilter(r)
	if err != nil {
		return list, err
	}
	err = a.each(ctx, "deliveries", fmt.Sprint("SELECT ", deliveryColumns, " FROM deliveries WHERE ", f.String(),
		" ORDER BY attempted_at DESC, kafka_partition DESC, kafka_offset DESC LIMIT ", limit+1), f.args, func(rows driver.Rows) error {
		var d Delivery
		err := rows.Scan(d.fields()...)
		d.position.AttemptedAt = d.AttemptedAt.UnixMicro()
		list.Deliveries = append(list.Deliveries, d)
		return err
	})
	if len(list.Deliveries) > limit {
		list.Deliveries = list.Deliveries[:limit]
		list.Next = pageKey(list.Deliveries[limit-1].position)
	}
	return list, err
}

func (a *API) deliveryFilter(r *http.Request) (f filter, err error) {
	f.add("tenant = ?", a.cfg.Tenant)
	f.text(r, "rule", "rule")
	f.text(r, "endpoint", "endpoint")
	f.text(r, "campaign", "campaign_id")
	if err := f.id(r, "recipient", "recipient_id"); err != nil {
		return f, err
	}
	if err := f.id(r, "trigger", "trigger_id"); err != nil {
		return f, err
	}
	status, err := oneOf(r, "status", "", "succeeded", "retrying", "failed", "disabled", "enabled")
	if err != nil {
		return f, err
	}
	if status != "" {
		f.add("status = ?", status)
	}
	if err := f.period(r, "attempted_at"); err != nil {
		return f, err
	}
	var page deliveryPage
	given, err := pageOf(r, &page)
	if given {
		f.add("attempted_at <= fromUnixTimestamp64Micro(toInt64(?))", page.AttemptedAt)
		f.add("(toUnixTimestamp64Micro(attempted_at), kafka_partition, kafka_offset) < (?, ?, ?)", page.AttemptedAt, page.Partition, page.Offset)
	}
	return f, err
}

// maxAttempts bounds the attempts that are shown of one trigger.
const maxAttempts = 1000

// delivery answers with all attempts for a trigger.
func (a *API) delivery(ctx context.Context, r *http.Request) (DeliveryDetail, error) {
	detail := DeliveryDetail{}
	if err := knownParams(r); err != nil {
		return detail, err
	}
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return detail, badParam("trigger id", "want an id as 01234567-89ab-cdef-0123-456789abcdef")
	}
	err = a.each(ctx, "attempts", fmt.Sprint("SELECT ", deliveryColumns, ", request_method, request_headers, request_body, response_headers, response",
		" FROM deliveries WHERE tenant = ? AND trigger_id = ? ORDER BY attempted_at, kafka_partition, kafka_offset LIMIT ", maxAttempts), []any{a.cfg.Tenant, id}, func(rows driver.Rows) error {
		var t DeliveryAttempt
		err := rows.Scan(append(t.fields(), &t.Request.Method, &t.Request.Headers, &t.Request.Body, &t.Response.Headers, &t.Response.Body)...)
		detail.Attempts = append(detail.Attempts, t)
		return err
	})
	if err != nil {
		return detail, err
	}
	if len(detail.Attempts) == 0 {
		return detail, &Problem{Title: "Not found", Status: http.StatusNotFound, Detail: "no call was made for trigger " + id.String()}
	}
	last := detail.Attempts[len(detail.Attempts)-1]
	detail.TriggerID, detail.Rule, detail.Endpoint, detail.Status = id, last.Rule, last.Endpoint, last.Status
	return detail, nil
}

// each calls scan for the rows of a query; what names them in errors.
func (a *API) each(ctx context.Context, what, query string, args []any, scan func(driver.Rows) error) error {
	rows, err := a.cfg.Conn.Query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("listing %s: %w", what, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("listing %s: %w", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("listing %s: %w", what, err)
	}
	return nil
}
