package analytics

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/posthorn/posthorn/schemas"
)

// Recipient is all that is known of one recipient. The address is not: whoever
// asks has it, or has no need of it.
type Recipient struct {
	ID uuid.UUID `json:"id"`
	// Summary is over all campaigns; null where none was counted.
	Summary *RecipientSummary `json:"summary"`
	// Events are a page of the timeline, the latest first.
	Events []Event `json:"events"`
	// Messages are the latest 100; null is: it came with the first page.
	Messages []RecipientMessage `json:"messages"`
	// Triggers are the latest 100; null is: as messages.
	Triggers []Trigger `json:"triggers"`
	// Deliveries are the latest 100 attempts for these triggers; null is: as messages.
	Deliveries []Delivery `json:"deliveries"`
	// Suppressions are those in force and lifted; null is: as messages.
	Suppressions []RecipientSuppression `json:"suppressions"`
	// Next is the value of after for the next page; empty at the end.
	Next string `json:"next,omitempty"`
}

// RecipientSummary sums a recipient's messages.
type RecipientSummary struct {
	Domain string `json:"domain"`
	// Counters and Rates are those that are counted by recipient.
	Counters      map[string]int64    `json:"counters"`
	Rates         map[string]*float64 `json:"rates"`
	FirstEventAt  *time.Time          `json:"first_event_at"`
	LastEventAt   *time.Time          `json:"last_event_at"`
	LastSentAt    *time.Time          `json:"last_sent_at"`
	LastOpenedAt  *time.Time          `json:"last_opened_at"`  // by anyone
	LastClickedAt *time.Time          `json:"last_clicked_at"` // by anyone
}

// RecipientMessage is one message to the recipient.
type RecipientMessage struct {
	MessageID           string     `json:"message_id"`
	Account             string     `json:"account"`
	Provider            string     `json:"provider"`
	CampaignID          string     `json:"campaign_id"`
	CampaignName        string     `json:"campaign_name"`
	CustomID            string     `json:"custom_id,omitempty"`
	Outcome             string     `json:"outcome"`
	BounceClass         string     `json:"bounce_class,omitempty"`
	RejectReason        string     `json:"reject_reason,omitempty"`
	SentAt              *time.Time `json:"sent_at"`
	DeliveredAt         *time.Time `json:"delivered_at"`
	FirstOpenedAt       *time.Time `json:"first_opened_at"`
	FirstHumanOpenedAt  *time.Time `json:"first_human_opened_at"`
	FirstClickedAt      *time.Time `json:"first_clicked_at"`
	FirstHumanClickedAt *time.Time `json:"first_human_clicked_at"`
	BouncedAt           *time.Time `json:"bounced_at"`
	ComplainedAt        *time.Time `json:"complained_at"`
	UnsubscribedAt      *time.Time `json:"unsubscribed_at"`
	Opens               int64      `json:"opens"`
	HumanOpens          int64      `json:"human_opens"`
	Clicks              int64      `json:"clicks"`
	HumanClicks         int64      `json:"human_clicks"`
	LastEventAt         time.Time  `json:"last_event_at"`
}

// RecipientSuppression is a suppression without its address.
type RecipientSuppression struct {
	Scope      string     `json:"scope"`
	Reason     string     `json:"reason"`
	Active     bool       `json:"active"`
	Since      time.Time  `json:"since"`
	EventID    uuid.UUID  `json:"event_id"`
	CampaignID string     `json:"campaign_id"`
	LiftedAt   *time.Time `json:"lifted_at"`
}

// recipientRows bounds what comes beside the timeline.
const recipientRows = 100

// timelinePage is where a page of a timeline ends.
type timelinePage struct {
	OccurredAt int64     `json:"t"` // µs
	ID         uuid.UUID `json:"e"`
}

// recipient answers with a recipient by id.
func (a *API) recipient(ctx context.Context, r *http.Request) (Recipient, error) {
	var answer Recipient
	if err := knownParams(r, "since", "until", "limit", "after"); err != nil {
		return answer, err
	}
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return answer, badParam("recipient id", "want an id as 01234567-89ab-cdef-0123-456789abcdef; of an address POST /v1/recipients/lookup tells it")
	}
	limit, err := limitOf(r, 100, 1000)
	if err != nil {
		return answer, err
	}
	answer.ID = id
	more, err := a.timeline(ctx, r, &answer, limit)
	if err != nil || more {
		return answer, err
	}
	if err := a.aboutRecipient(ctx, &answer); err != nil {
		return answer, err
	}
	if answer.Summary == nil && len(answer.Events) == 0 && len(answer.Messages) == 0 && len(answer.Suppressions) == 0 {
		return answer, &Problem{Title: "Not found", Status: http.StatusNotFound, Detail: "nothing is known of recipient " + id.String()}
	}
	return answer, nil
}

// timeline reads a page of events, and tells whether it is one after the first.
func (a *API) timeline(ctx context.Context, r *http.Request, answer *Recipient, limit int) (more bool, err error) {
	answer.Events = []Event{}
	var f filter
	f.add("tenant = ?", a.cfg.Tenant)
	f.add("recipient_id = ?", answer.ID)
	if err := f.period(r, "occurred_at"); err != nil {
		return false, err
	}
	var page timelinePage
	if more, err = pageOf(r, &page); err != nil {
		return false, err
	}
	if more {
		// The first condition alone is one that an index serves.
		f.add("occurred_at <= fromUnixTimestamp64Micro(toInt64(?))", page.OccurredAt)
		f.add("(toUnixTimestamp64Micro(occurred_at), event_id) < (?, ?)", page.OccurredAt, page.ID)
	}
	err = a.eachEvent(ctx, f, "occurred_at DESC, event_id DESC", limit+1, func(e *Event) { answer.Events = append(answer.Events, *e) })
	if len(answer.Events) > limit {
		answer.Events = answer.Events[:limit]
		last := answer.Events[limit-1]
		answer.Next = pageKey(timelinePage{last.OccurredAt.UnixMicro(), last.ID})
	}
	return more, err
}

// aboutRecipient reads what comes beside the timeline.
func (a *API) aboutRecipient(ctx context.Context, answer *Recipient) error {
	for _, read := range []func(context.Context, *Recipient) error{a.recipientSummary, a.recipientMessages, a.recipientTriggers, a.recipientDeliveries, a.recipientSuppressions} {
		if err := read(ctx, answer); err != nil {
			return err
		}
	}
	return nil
}

// recipientCounters are the counters of the table recipients.
var recipientCounters = []string{"messages", "delivered", "rejected", "hard_bounced", "soft_bounced", "opened", "human_opened", "opens", "human_opens",
	"clicked", "human_clicked", "clicks", "human_clicks", "unsubscribed", "complained"}

func (a *API) recipientSummary(ctx context.Context, answer *Recipient) error {
	var s RecipientSummary
	var c schemas.Counters
	var n uint64
	var times [5]time.Time
	into := []any{&n, &s.Domain, &times[0], &times[1], &times[2], &times[3], &times[4]}
	into = append(into, &c.Messages, &c.Delivered, &c.Rejected, &c.HardBounced, &c.SoftBounced, &c.Opened, &c.HumanOpened, &c.Opens, &c.HumanOpens,
		&c.Clicked, &c.HumanClicked, &c.Clicks, &c.HumanClicks, &c.Unsubscribed, &c.Complained)
	err := a.cfg.Conn.QueryRow(ctx, "SELECT count(), max(recipient_domain), min(first_event_at), max(last_event_at), max(last_sent_at), max(last_opened_at), max(last_clicked_at), sum("+
		strings.Join(recipientCounters, "), sum(")+") FROM recipients WHERE tenant = ? AND recipient_id = ?", a.cfg.Tenant, answer.ID).Scan(into...)
	if err != nil {
		return fmt.Errorf("reading a recipient: %w", err)
	}
	if n == 0 {
		return nil
	}
	for i, to := range []**time.Time{&s.FirstEventAt, &s.LastEventAt, &s.LastSentAt, &s.LastOpenedAt, &s.LastClickedAt} {
		if unix := times[i].Unix(); unix > 0 && unix < lastTime { // else it is not known
			*to = &times[i]
		}
	}
	s.count(&c)
	answer.Summary = &s
	return nil
}

// count keeps what the table counts: others would be 0, which they are not.
func (s *RecipientSummary) count(c *schemas.Counters) {
	s.Counters, s.Rates = map[string]int64{}, map[string]*float64{}
	values := counterValues(c)
	for i, name := range counterNames {
		if slices.Contains(recipientCounters, name) {
			s.Counters[name] = values[i]
		}
	}
	for _, rate := range Rates(*c) {
		numerator, denominator, _ := strings.Cut(rate.Formula, " / ")
		if slices.Contains(recipientCounters, numerator) && slices.Contains(recipientCounters, denominator) {
			s.Rates[rate.Name] = rate.Value
		}
	}
}

// recipientMessages reads the last record of each message. What FINAL would
// read of the table is not bounded by a recipient.
func (a *API) recipientMessages(ctx context.Context, answer *Recipient) error {
	answer.Messages = []RecipientMessage{}
	const query = `SELECT message_id, account, provider, campaign_id, campaign_name, custom_id, outcome, bounce_class, reject_reason,
sent_at, delivered_at, first_opened_at, first_human_opened_at, first_clicked_at, first_human_clicked_at, bounced_at, complained_at, unsubscribed_at,
opens, human_opens, clicks, human_clicks, last_event_at
FROM (SELECT * FROM messages WHERE tenant = ? AND recipient_id = ? ORDER BY kafka_offset DESC LIMIT 1 BY account, message_id)
ORDER BY last_event_at DESC, message_id DESC LIMIT ?`
	return a.each(ctx, "messages", query, []any{a.cfg.Tenant, answer.ID, recipientRows}, func(rows driver.Rows) error {
		var m RecipientMessage
		err := rows.Scan(&m.MessageID, &m.Account, &m.Provider, &m.CampaignID, &m.CampaignName, &m.CustomID, &m.Outcome, &m.BounceClass, &m.RejectReason,
			&m.SentAt, &m.DeliveredAt, &m.FirstOpenedAt, &m.FirstHumanOpenedAt, &m.FirstClickedAt, &m.FirstHumanClickedAt, &m.BouncedAt, &m.ComplainedAt, &m.UnsubscribedAt,
			&m.Opens, &m.HumanOpens, &m.Clicks, &m.HumanClicks, &m.LastEventAt)
		answer.Messages = append(answer.Messages, m)
		return err
	})
}

func (a *API) recipientTriggers(ctx context.Context, answer *Recipient) error {
	answer.Triggers = []Trigger{}
	var f filter
	f.add("tenant = ?", a.cfg.Tenant)
	f.add("recipient_id = ?", answer.ID)
	return a.eachTrigger(ctx, f, "arrived_at DESC, kafka_partition DESC, kafka_offset DESC", recipientRows, func(t *Trigger) { answer.Triggers = append(answer.Triggers, *t) })
}

// recipientDeliveries reads the attempts for the recipient's triggers, which an
// index finds.
func (a *API) recipientDeliveries(ctx context.Context, answer *Recipient) error {
	answer.Deliveries = []Delivery{}
	if len(answer.Triggers) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(answer.Triggers))
	for i, t := range answer.Triggers {
		ids[i] = t.ID
	}
	var f filter
	f.add("tenant = ?", a.cfg.Tenant)
	f.add("trigger_id IN (?)", ids)
	query := fmt.Sprint("SELECT ", deliveryColumns, " FROM deliveries WHERE ", f.String(), " ORDER BY attempted_at DESC, kafka_partition DESC, kafka_offset DESC LIMIT ", recipientRows)
	return a.each(ctx, "deliveries", query, f.args, func(rows driver.Rows) error {
		var d Delivery
		err := rows.Scan(d.fields()...)
		answer.Deliveries = append(answer.Deliveries, d)
		return err
	})
}

func (a *API) recipientSuppressions(ctx context.Context, answer *Recipient) error {
	answer.Suppressions = []RecipientSuppression{}
	var f filter
	f.add("tenant = ?", a.cfg.Tenant)
	f.add("recipient_id = ?", answer.ID)
	return a.eachSuppression(ctx, f, recipientRows, func(s *Suppression) error {
		answer.Suppressions = append(answer.Suppressions, RecipientSuppression{s.Scope, s.Reason, s.Active, s.Since, s.EventID, s.CampaignID, s.LiftedAt})
		return nil
	})
}

// sheet has the events.
func (r *Recipient) sheet() sheet {
	out := eventSheet("recipient", r.Events)
	out.next = r.Next
	return out
}

// RecipientLookup is the id of an address.
type RecipientLookup struct {
	ID uuid.UUID `json:"id"`
}

// lookupRequest is the body of a POST.
type lookupRequest struct {
	Address string `json:"address"`
}

// maxLookupBody fits any address, which has at most 254 bytes.
const maxLookupBody = 4 << 10

// lookUpRecipient tells the id of an address. The address must not get into a log:
// it comes in a body, and no error repeats any of it.
func (a *API) lookUpRecipient(_ context.Context, r *http.Request) (RecipientLookup, error) {
	if err := knownParams(r); err != nil {
		return RecipientLookup{}, err
	}
	if a.cfg.RecipientID == nil {
		return RecipientLookup{}, &Problem{Title: "Not available", Status: http.StatusNotImplemented,
			Detail: "this service has no recipient secret, without which no address leads to an id: set recipient_secret in its configuration, or give the id (posthorn recipient id)"}
	}
	var body lookupRequest
	dec := json.NewDecoder(io.LimitReader(r.Body, maxLookupBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&body); err != nil || !strings.Contains(body.Address, "@") {
		return RecipientLookup{}, badBody(fmt.Sprintf(`want {"address": "ann@example.org"} below %d bytes`, maxLookupBody))
	}
	return RecipientLookup{a.cfg.RecipientID(body.Address)}, nil
}
