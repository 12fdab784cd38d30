package analytics

import (
	"math"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// breakdownRows makes the tables breakdowns and recipients of
// posthorn.breakdown-deltas. Changes of one cell, or of one recipient, are
// summed up before they are inserted: the tables would do the same later, at the
// price of all the rows between. Sums stand in the order in which their keys come
// first in the batch, so that the same batch makes the same blocks.
type breakdownRows struct {
	delta      schemas.BreakdownDelta
	cells      sums[cellKey, cell]
	recipients sums[recipientKey, recipient]
}

// cellKey is the sort key of breakdowns.
type cellKey struct {
	tenant, campaign, value, detail string
	dimension                       schemas.Dimension
	basis                           schemas.Basis
	window                          schemas.Timestamp
}

type cell struct {
	key      cellKey
	counters schemas.Counters
}

// recipientKey is the sort key of recipients.
type recipientKey struct {
	tenant string
	id     schemas.ID
}

type recipient struct {
	tenant string
	schemas.RecipientDelta
}

func newBreakdownRows(breakdowns, recipients string) rows {
	b := &breakdownRows{}
	b.cells.init(breakdowns, append([]column[cell]{
		code("tenant", func(c *cell) string { return c.key.tenant }),
		code("dimension", func(c *cell) string { return c.key.dimension.String() }),
		code("campaign_id", func(c *cell) string { return c.key.campaign }),
		text("value", func(c *cell) string { return c.key.value }),
		text("detail", func(c *cell) string { return c.key.detail }),
		code("basis", func(c *cell) string { return c.key.basis.String() }),
		seconds("window_start", func(c *cell) schemas.Timestamp { return c.key.window }),
	}, counters(func(c *cell) *schemas.Counters { return &c.counters })...))
	b.recipients.init(recipients, []column[recipient]{
		code("tenant", func(r *recipient) string { return r.tenant }),
		id("recipient_id", func(r *recipient) schemas.ID { return r.RecipientID }),
		text("recipient_domain", func(r *recipient) string { return r.RecipientDomain }),
		integer("messages", func(r *recipient) int64 { return r.Counters.Messages }),
		integer("delivered", func(r *recipient) int64 { return r.Counters.Delivered }),
		integer("rejected", func(r *recipient) int64 { return r.Counters.Rejected }),
		integer("hard_bounced", func(r *recipient) int64 { return r.Counters.HardBounced }),
		integer("soft_bounced", func(r *recipient) int64 { return r.Counters.SoftBounced }),
		integer("opened", func(r *recipient) int64 { return r.Counters.Opened }),
		integer("human_opened", func(r *recipient) int64 { return r.Counters.HumanOpened }),
		integer("opens", func(r *recipient) int64 { return r.Counters.Opens }),
		integer("human_opens", func(r *recipient) int64 { return r.Counters.HumanOpens }),
		integer("clicked", func(r *recipient) int64 { return r.Counters.Clicked }),
		integer("human_clicked", func(r *recipient) int64 { return r.Counters.HumanClicked }),
		integer("clicks", func(r *recipient) int64 { return r.Counters.Clicks }),
		integer("human_clicks", func(r *recipient) int64 { return r.Counters.HumanClicks }),
		integer("unsubscribed", func(r *recipient) int64 { return r.Counters.Unsubscribed }),
		integer("complained", func(r *recipient) int64 { return r.Counters.Complained }),
		dateTime("first_event_at", neverEarliest, func(r *recipient) schemas.Timestamp { return r.FirstEventAt }),
		dateTime("last_event_at", neverLatest, func(r *recipient) schemas.Timestamp { return r.LastEventAt }),
		dateTime("last_sent_at", neverLatest, func(r *recipient) schemas.Timestamp { return r.LastSentAt }),
		dateTime("last_opened_at", neverLatest, func(r *recipient) schemas.Timestamp { return r.LastOpenedAt }),
		dateTime("last_clicked_at", neverLatest, func(r *recipient) schemas.Timestamp { return r.LastClickedAt }),
	})
	return b
}

// What stands for an unknown time changes nothing where ClickHouse keeps the
// earliest (2106-02-07 06:28:15) or the latest (1970-01-01 00:00:00) of times.
const (
	neverEarliest = math.MaxUint32
	neverLatest   = 0
)

// add sums the changes of a record.
func (b *breakdownRows) add(serde *schemas.Serde, rec *kgo.Record) error {
	d := &b.delta
	if err := serde.Decode(rec.Value, d); err != nil {
		return err
	}
	for i := range d.Cells {
		c := &d.Cells[i]
		key := cellKey{d.Tenant, d.CampaignID, c.Value, c.Detail, c.Dimension, c.Basis, c.WindowStart}
		if sum, fresh := b.cells.at(key); fresh {
			*sum = cell{key, c.Counters}
		} else {
			sum.counters.Add(&c.Counters)
		}
	}
	for i := range d.Recipients {
		r := &d.Recipients[i]
		if sum, fresh := b.recipients.at(recipientKey{d.Tenant, r.RecipientID}); fresh {
			*sum = recipient{d.Tenant, *r}
		} else {
			sum.merge(r)
		}
	}
	return nil
}

// merge adds a later change of the same recipient.
func (r *recipient) merge(d *schemas.RecipientDelta) {
	r.RecipientDomain = max(r.RecipientDomain, d.RecipientDomain)
	r.Counters.Add(&d.Counters)
	if d.FirstEventAt != 0 && (r.FirstEventAt == 0 || d.FirstEventAt < r.FirstEventAt) {
		r.FirstEventAt = d.FirstEventAt
	}
	r.LastEventAt = max(r.LastEventAt, d.LastEventAt)
	r.LastSentAt = max(r.LastSentAt, d.LastSentAt)
	r.LastOpenedAt = max(r.LastOpenedAt, d.LastOpenedAt)
	r.LastClickedAt = max(r.LastClickedAt, d.LastClickedAt)
}

// blocks leaves out what has cancelled itself out within the batch. A recipient
// stays: that times were seen is not taken back.
func (b *breakdownRows) blocks() []block {
	return []block{
		b.cells.block(func(c *cell) bool { return c.counters != schemas.Counters{} }),
		b.recipients.block(func(*recipient) bool { return true }),
	}
}

func (b *breakdownRows) reset() {
	b.cells.reset()
	b.recipients.reset()
}

// sums are rows that are summed up by a key.
type sums[K comparable, R any] struct {
	columnBlock
	columns []column[R]
	index   map[K]int
	rows    []R
}

func (s *sums[K, R]) init(table string, columns []column[R]) {
	s.columns, s.index = columns, map[K]int{}
	s.columnBlock = newColumnBlock(table, outputs(columns))
}

// at returns the row of a key, valid until the next call, and whether it is new.
func (s *sums[K, R]) at(key K) (row *R, fresh bool) {
	i, ok := s.index[key]
	if !ok {
		var zero R
		i = len(s.rows)
		s.index[key], s.rows = i, append(s.rows, zero)
	}
	return &s.rows[i], !ok
}

// block makes columns of the rows that count.
func (s *sums[K, R]) block(counts func(*R) bool) block {
	s.columnBlock.reset()
	for i := range s.rows {
		if !counts(&s.rows[i]) {
			continue
		}
		for _, c := range s.columns {
			c.add(&s.rows[i])
		}
		s.n++
	}
	return &s.columnBlock
}

func (s *sums[K, R]) reset() {
	clear(s.index)
	clear(s.rows) // lets go of the texts
	s.rows = s.rows[:0]
	s.columnBlock.reset()
}
