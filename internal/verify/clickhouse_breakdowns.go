package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/posthorn/posthorn/schemas"
)

// readBreakdownTables spills the rows of the tables, as they are: what of them
// belongs together is summed up bucket by bucket.
func (v *verifier) readBreakdownTables(ctx context.Context) error {
	if err := v.waitForSink(ctx, schemas.TopicBreakdownDeltas); err != nil {
		return err
	}
	if err := errors.Join(v.readCellRows(ctx), v.readRecipientRows(ctx)); err != nil {
		return err
	}
	_, end, err := bounds(ctx, v.adm, v.topic(schemas.TopicBreakdownDeltas))
	if err != nil {
		return err
	}
	if v.tablesRead = maps.Equal(end, v.extents[schemas.TopicBreakdownDeltas].end); !v.tablesRead {
		for _, name := range []string{checkBreakdowns, checkRecipients} {
			v.tableCheck(name).Note = "skipped: live traffic adds to rows"
		}
	}
	return nil
}

func (v *verifier) readCellRows(ctx context.Context) (err error) {
	rows, err := v.cfg.ClickHouse.Query(ctx, "SELECT tenant, dimension, campaign_id, value, detail, basis, window_start, "+
		strings.Join(counterColumns, ", ")+" FROM "+v.cfg.Table("breakdowns"))
	if err != nil {
		return fmt.Errorf("reading breakdowns in ClickHouse: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var k cellKey
		var start time.Time
		var c schemas.Counters
		into := []any{&k.tenant, &k.dimension, &k.campaign, &k.value, &k.detail, &k.basis, &start}
		for _, n := range counterValues(&c) {
			into = append(into, n)
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("reading breakdowns in ClickHouse: %w", err)
		}
		k.start = schemas.FromTime(start)
		if err := v.putCell(kindCellRow, k, &c); err != nil {
			return err
		}
	}
	return rows.Err()
}

// recipientColumns are counters that the table of recipients has, in the order of
// recipientCounters.
var recipientColumns = []string{
	"messages", "delivered", "rejected", "hard_bounced", "soft_bounced", "opened", "human_opened", "opens", "human_opens",
	"clicked", "human_clicked", "clicks", "human_clicks", "unsubscribed", "complained",
}

func recipientCounters(c *schemas.Counters) []*int64 {
	return []*int64{
		&c.Messages, &c.Delivered, &c.Rejected, &c.HardBounced, &c.SoftBounced, &c.Opened, &c.HumanOpened, &c.Opens, &c.HumanOpens,
		&c.Clicked, &c.HumanClicked, &c.Clicks, &c.HumanClicks, &c.Unsubscribed, &c.Complained,
	}
}

// recipientTimeColumns are its times, in the order of recipientTimes.
var recipientTimeColumns = []string{"first_event_at", "last_event_at", "last_sent_at", "last_opened_at", "last_clicked_at"}

func recipientTimes(d *schemas.RecipientDelta) []*schemas.Timestamp {
	return []*schemas.Timestamp{&d.FirstEventAt, &d.LastEventAt, &d.LastSentAt, &d.LastOpenedAt, &d.LastClickedAt}
}

func (v *verifier) readRecipientRows(ctx context.Context) (err error) {
	query := "SELECT tenant, recipient_id, max(recipient_domain)"
	for _, column := range recipientColumns {
		query += ", sum(" + column + ")"
	}
	for i, column := range recipientTimeColumns {
		query += ", " + []string{"min", "max"}[min(i, 1)] + "(" + column + ")"
	}
	// In the order of the sort key it takes no memory.
	rows, err := v.cfg.ClickHouse.Query(ctx, query+" FROM "+v.cfg.Table("recipients")+
		" GROUP BY tenant, recipient_id SETTINGS optimize_aggregation_in_order = 1")
	if err != nil {
		return fmt.Errorf("reading recipients in ClickHouse: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var tenant string
		var id uuid.UUID
		var d schemas.RecipientDelta
		into := []any{&tenant, &id, &d.RecipientDomain}
		for _, n := range recipientCounters(&d.Counters) {
			into = append(into, n)
		}
		var at [5]time.Time
		for i := range at {
			into = append(into, &at[i])
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("reading recipients in ClickHouse: %w", err)
		}
		d.RecipientID = schemas.ID(id)
		for i, t := range recipientTimes(&d) {
			*t = schemas.FromTime(at[i])
		}
		if err := v.putPerson(kindRecipientRow, tenant, &d); err != nil {
			return err
		}
	}
	return rows.Err()
}
