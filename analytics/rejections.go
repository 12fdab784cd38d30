package analytics

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// RejectionList is a page of what could not be read, the latest first.
type RejectionList struct {
	Rejections []Rejection `json:"rejections"`
	// Next is the value of after for the next page; empty at the end.
	Next string `json:"next,omitempty"`
}

// Rejection is a webhook, or an event of one, that could not be read. The webhook
// stays in Kafka.
type Rejection struct {
	Source    string    `json:"source"`
	Account   string    `json:"account"`
	Provider  string    `json:"provider"`
	WebhookID uuid.UUID `json:"webhook_id"`
	// Partition and Offset are where the webhook is in posthorn.webhooks.
	Partition int32 `json:"webhook_partition"`
	Offset    int64 `json:"webhook_offset"`
	// Index is the event's place in the webhook, -1 where all of it is meant.
	Index  int32  `json:"webhook_index"`
	Reason string `json:"reason"`
	// Field is the one that is wrong, where it is one.
	Field      string    `json:"field"`
	Detail     string    `json:"detail"`
	ReceivedAt time.Time `json:"received_at"`
	ArrivedAt  time.Time `json:"arrived_at"`

	position rejectionPage
}

// rejectionPage is where a page of rejections ends.
type rejectionPage struct {
	ReceivedAt int64 `json:"t"` // µs
	Partition  int32 `json:"p"`
	Offset     int64 `json:"o"`
}

// rejections answers with a page.
func (a *API) rejections(ctx context.Context, r *http.Request) (RejectionList, error) {
	list := RejectionList{Rejections: []Rejection{}}
	if err := knownParams(r, "reason", "source", "since", "until", "limit", "after"); err != nil {
		return list, err
	}
	limit, err := limitOf(r, 20, 1000)
	if err != nil {
		return list, err
	}
	var f filter
	f.add("tenant = ?", a.cfg.Tenant)
	f.text(r, "reason", "reason")
	f.text(r, "source", "source")
	if err := f.period(r, "received_at"); err != nil {
		return list, err
	}
	var page rejectionPage
	if given, err := pageOf(r, &page); err != nil {
		return list, err
	} else if given {
		f.add("received_at <= fromUnixTimestamp64Micro(toInt64(?))", page.ReceivedAt)
		f.add("(toUnixTimestamp64Micro(received_at), kafka_partition, kafka_offset) < (?, ?, ?)", page.ReceivedAt, page.Partition, page.Offset)
	}
	query := `SELECT source, account, provider, webhook_id, webhook_partition, webhook_offset, webhook_index, reason, field, detail, received_at, arrived_at, kafka_partition, kafka_offset
FROM rejections WHERE ` + f.String() + fmt.Sprint(" ORDER BY received_at DESC, kafka_partition DESC, kafka_offset DESC LIMIT ", limit+1)
	err = a.each(ctx, "rejections", query, f.args, func(rows driver.Rows) error {
		var j Rejection
		err := rows.Scan(&j.Source, &j.Account, &j.Provider, &j.WebhookID, &j.Partition, &j.Offset, &j.Index, &j.Reason, &j.Field, &j.Detail, &j.ReceivedAt, &j.ArrivedAt,
			&j.position.Partition, &j.position.Offset)
		j.position.ReceivedAt = j.ReceivedAt.UnixMicro()
		list.Rejections = append(list.Rejections, j)
		return err
	})
	if len(list.Rejections) > limit {
		list.Rejections = list.Rejections[:limit]
		list.Next = pageKey(list.Rejections[limit-1].position)
	}
	return list, err
}

func (l *RejectionList) sheet() sheet {
	s := sheet{name: "rejections", next: l.Next, columns: []sheetColumn{
		{"received_at", columnTime}, {"arrived_at", columnTime}, {"source", columnText}, {"account", columnText}, {"provider", columnText},
		{"reason", columnText}, {"field", columnText}, {"detail", columnText},
		{"webhook_id", columnText}, {"webhook_partition", columnInteger}, {"webhook_offset", columnInteger}, {"webhook_index", columnInteger},
	}}
	for _, j := range l.Rejections {
		s.rows = append(s.rows, []any{j.ReceivedAt, j.ArrivedAt, j.Source, j.Account, j.Provider, j.Reason, j.Field, j.Detail, j.WebhookID.String(),
			int64(j.Partition), j.Offset, int64(j.Index)})
	}
	return s
}
