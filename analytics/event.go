package analytics

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// Event is one event, without addresses.
type Event struct {
	ID             uuid.UUID `json:"id"`
	Type           string    `json:"type"`
	ProviderType   string    `json:"provider_type"`
	OccurredAt     time.Time `json:"occurred_at"`
	ArrivedAt      time.Time `json:"arrived_at"`
	TimeSuspect    bool      `json:"time_suspect,omitempty"`
	Account        string    `json:"account"`
	Source         string    `json:"source"`
	Provider       string    `json:"provider"`
	CampaignID     string    `json:"campaign_id"`
	CampaignName   string    `json:"campaign_name"`
	MessageID      string    `json:"message_id"`
	ListID         string    `json:"list_id,omitempty"`
	RecipientID    uuid.UUID `json:"recipient_id"`
	Domain         string    `json:"domain"`
	URL            string    `json:"url,omitempty"`
	LinkIndex      uint16    `json:"link_index,omitempty"`
	Country        string    `json:"country,omitempty"`
	City           string    `json:"city,omitempty"`
	Client         string    `json:"client,omitempty"`
	OS             string    `json:"os,omitempty"`
	Device         string    `json:"device,omitempty"`
	Machine        string    `json:"machine,omitempty"`
	MachineReasons []string  `json:"machine_reasons,omitempty"`
	BounceClass    string    `json:"bounce_class,omitempty"`
	RejectReason   string    `json:"reject_reason,omitempty"`
	SMTPCode       uint16    `json:"smtp_code,omitempty"`
	SMTPEnhanced   string    `json:"smtp_enhanced,omitempty"`

	partition int32
	offset    int64
}

const eventColumns = `event_id, type, provider_type, occurred_at, arrived_at, time_suspect, account, source, provider, campaign_id, campaign_name,
message_id, list_id, recipient_id, recipient_domain, url, link_index, country, city, client_name, client_os, device_type,
machine, machine_reasons, bounce_class, reject_reason, smtp_code, smtp_enhanced, kafka_partition, kafka_offset`

func (e *Event) fields() []any {
	return []any{&e.ID, &e.Type, &e.ProviderType, &e.OccurredAt, &e.ArrivedAt, &e.TimeSuspect, &e.Account, &e.Source, &e.Provider, &e.CampaignID, &e.CampaignName,
		&e.MessageID, &e.ListID, &e.RecipientID, &e.Domain, &e.URL, &e.LinkIndex, &e.Country, &e.City, &e.Client, &e.OS, &e.Device,
		&e.Machine, &e.MachineReasons, &e.BounceClass, &e.RejectReason, &e.SMTPCode, &e.SMTPEnhanced, &e.partition, &e.offset}
}

func (a *API) eachEvent(ctx context.Context, f filter, order string, limit int, each func(*Event)) error {
	query := fmt.Sprint("SELECT ", eventColumns, " FROM events WHERE ", f.String(), " ORDER BY ", order, " LIMIT ", limit)
	return a.each(ctx, "events", query, f.args, func(rows driver.Rows) error {
		var e Event
		err := rows.Scan(e.fields()...)
		each(&e)
		return err
	})
}

// eventSheet has a row for each event.
func eventSheet(name string, events []Event) sheet {
	s := sheet{name: name, columns: []sheetColumn{{"occurred_at", columnTime}, {"arrived_at", columnTime}, {"type", columnText}, {"event_id", columnText},
		{"recipient_id", columnText}, {"domain", columnText}, {"campaign_id", columnText}, {"campaign_name", columnText}, {"message_id", columnText},
		{"provider", columnText}, {"account", columnText}, {"url", columnText}, {"country", columnText}, {"client", columnText}, {"os", columnText},
		{"device", columnText}, {"machine", columnText}, {"bounce_class", columnText}, {"reject_reason", columnText}}}
	for _, e := range events {
		s.rows = append(s.rows, []any{e.OccurredAt, e.ArrivedAt, e.Type, e.ID.String(), e.RecipientID.String(), e.Domain, e.CampaignID, e.CampaignName, e.MessageID,
			e.Provider, e.Account, e.URL, e.Country, e.Client, e.OS, e.Device, e.Machine, e.BounceClass, e.RejectReason})
	}
	return s
}
