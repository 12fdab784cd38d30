package analytics

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/links"
	"github.com/posthorn/posthorn/schemas"
)

// burst is what the stages write of some events: the events, a record of each
// message that they change, the changes of breakdowns and recipients and the
// snapshots of windows, as transactions of a second make them on twelve partitions.
type burst struct {
	events                               int
	facts, messages, changes, statistics []*kgo.Record
}

const perTransaction = 1000

func newBurst(w *world, n int) *burst {
	b := &burst{}
	record := func(topic string, list []*kgo.Record, rec schemas.Record) []*kgo.Record {
		return append(list, &kgo.Record{Topic: topic, Partition: int32(len(list) % 12), Offset: int64(len(list) / 12), Value: serde.Append(nil, topic, rec)})
	}
	for b.events < n {
		messages, changed := map[string]*schemas.Message{}, newBreakdownChanges()
		for range perTransaction {
			e := w.next()
			if e == nil {
				return b
			}
			b.events++
			b.facts = record(schemas.TopicEvents, b.facts, e)
			m := messages[e.MessageID]
			if m == nil {
				m = &schemas.Message{Tenant: e.Tenant, Account: e.Account, Provider: e.Provider, MessageID: e.MessageID, MessageUUID: e.MessageUUID,
					RecipientID: e.RecipientID, RecipientDomain: e.RecipientDomain, CampaignID: e.CampaignID, CampaignName: e.CampaignName,
					CustomID: e.CustomID, ContactID: e.ContactID, SentAt: e.OccurredAt, DeliveredAt: e.OccurredAt, Outcome: schemas.OutcomeDelivered, FirstEventAt: e.OccurredAt}
				messages[e.MessageID] = m
			}
			m.Revision++
			m.LastEventAt, m.LastArrivedAt = e.OccurredAt, e.ArrivedAt
			changed.add(e)
		}
		for _, m := range messages {
			b.messages = record(schemas.TopicMessages, b.messages, m)
		}
		for campaign, d := range changed.deltas {
			b.changes = record(schemas.TopicBreakdownDeltas, b.changes, d)
			b.statistics = record(schemas.TopicStatistics, b.statistics, &schemas.CampaignStatistics{Tenant: "default", CampaignID: campaign, Basis: schemas.BasisLifetime})
			for _, basis := range []schemas.Basis{schemas.BasisEventTime, schemas.BasisSendTime} {
				b.statistics = record(schemas.TopicStatistics, b.statistics, &schemas.CampaignStatistics{Tenant: "default", CampaignID: campaign, Basis: basis, WindowStart: epoch})
			}
		}
	}
	return b
}

// breakdownChanges are the deltas of a transaction, with about as many cells as
// the dimensions make.
type breakdownChanges struct {
	deltas map[string]*schemas.BreakdownDelta
	cells  map[cellKey]*schemas.BreakdownCell
}

func newBreakdownChanges() *breakdownChanges {
	return &breakdownChanges{map[string]*schemas.BreakdownDelta{}, map[cellKey]*schemas.BreakdownCell{}}
}

func (c *breakdownChanges) of(campaign string) *schemas.BreakdownDelta {
	d := c.deltas[campaign]
	if d == nil {
		d = &schemas.BreakdownDelta{Tenant: "default", CampaignID: campaign, Cells: make([]schemas.BreakdownCell, 0, 4096)}
		c.deltas[campaign] = d
	}
	return d
}

func (c *breakdownChanges) cell(campaign string, d schemas.Dimension, value string, basis schemas.Basis, at schemas.Timestamp, n schemas.Counters) {
	key := cellKey{"default", campaign, value, "", d, basis, at}
	if have := c.cells[key]; have != nil {
		have.Counters.Add(&n)
		return
	}
	to := c.of(campaign)
	to.Cells = append(to.Cells, schemas.BreakdownCell{Dimension: d, Value: value, Basis: basis, WindowStart: at, Counters: n})
	c.cells[key] = &to.Cells[len(to.Cells)-1]
}

func (c *breakdownChanges) add(e *schemas.Event) {
	n := schemas.Counters{Messages: 1, Delivered: 1}
	if e.Type == schemas.EventTypeOpened {
		n = schemas.Counters{Opens: 1, Opened: 1, HumanOpens: 1}
	}
	const day, window = 86_400_000_000, 300_000_000
	sent, happened := e.OccurredAt/day*day, e.OccurredAt/window*window
	for _, above := range []struct {
		d     schemas.Dimension
		value string
	}{{schemas.DimensionTenant, ""}, {schemas.DimensionAccount, e.Account}, {schemas.DimensionSource, e.Source}} {
		c.cell("", above.d, above.value, schemas.BasisLifetime, 0, n)
		c.cell("", above.d, above.value, schemas.BasisEventTime, happened, n)
		c.cell("", above.d, above.value, schemas.BasisSendTime, sent, n)
	}
	c.cell("", schemas.DimensionDomain, e.RecipientDomain, schemas.BasisSendTime, sent, n)
	c.cell(e.CampaignID, schemas.DimensionDomain, e.RecipientDomain, schemas.BasisSendTime, sent, n)
	c.cell(e.CampaignID, schemas.DimensionAge, "24", schemas.BasisSendTime, sent, n)
	c.cell(e.CampaignID, schemas.DimensionPath, "delivered+opened", schemas.BasisSendTime, sent, n)
	if e.UserAgent != "" {
		for d, value := range map[schemas.Dimension]string{schemas.DimensionCountry: e.Country, schemas.DimensionClient: e.ClientName, schemas.DimensionOS: e.ClientOS,
			schemas.DimensionDevice: e.DeviceType, schemas.DimensionMachine: e.Machine.String(), schemas.DimensionLink: links.Redact(e.URL),
			schemas.DimensionOpenDelay: schemas.DelayValue(int64(e.EventID[0])*1000 + int64(e.EventID[1])*100)} {
			c.cell(e.CampaignID, d, value, schemas.BasisSendTime, sent, n)
		}
	}
	to := c.of("")
	to.Recipients = append(to.Recipients, schemas.RecipientDelta{RecipientID: e.RecipientID, RecipientDomain: e.RecipientDomain, Counters: n, LastEventAt: e.OccurredAt})
}

// BenchmarkIntoEverything is the way of events into all that a page reads, in one
// process with the engine: events, messages, breakdowns, recipients and
// statistics, each topic by a lane of its own.
func BenchmarkIntoEverything(b *testing.B) {
	const size = 100_000
	w := newWorld(b, 10*size)
	conn, first := migrated(b), newBurst(w, size)
	again := newBurst(w, size)
	lanes := []struct {
		records func(*burst) []*kgo.Record
		rows    rows
	}{
		{func(b *burst) []*kgo.Record { return b.facts }, eventRows("events")},
		{func(b *burst) []*kgo.Record { return b.messages }, messageRows("messages")},
		{func(b *burst) []*kgo.Record { return b.changes }, newBreakdownRows("breakdowns", "recipients")},
		{func(b *burst) []*kgo.Record { return b.statistics }, statisticsRows("campaign_statistics", 1)},
	}
	b.ResetTimer()
	began, used, events, rowsIn := time.Now(), cpu(), 0, 0
	spent := make([]time.Duration, len(lanes))
	for n := 0; b.Loop(); n++ {
		load := first
		if n%2 == 1 {
			load = again
		}
		events += load.events
		var all sync.WaitGroup
		for i, l := range lanes {
			all.Go(func() {
				start := time.Now()
				if err := intoTables(b, conn, l.rows, l.records(load), strconv.Itoa(n)+"-"+strconv.Itoa(i)); err != nil {
					b.Error(err)
				}
				spent[i] += time.Since(start)
			})
		}
		all.Wait()
		for _, l := range lanes {
			for _, block := range l.rows.blocks() {
				rowsIn += block.len()
			}
		}
	}
	rate := float64(events) / time.Since(began).Seconds()
	b.ReportMetric(rate, "events/s")
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/float64(events), "cpu-ns/event")
	b.ReportMetric(float64(rowsIn)/float64(events), "rows/event")
	fmt.Printf("RESULT sink_into_everything %.0f events/s rows_per_event=%.2f events=%v messages=%v breakdowns=%v statistics=%v\n",
		rate, float64(rowsIn)/float64(events), spent[0], spent[1], spent[2], spent[3])
}

func intoTables(b *testing.B, conn driver.Conn, rows rows, records []*kgo.Record, token string) error {
	rows.reset()
	for _, rec := range records {
		if err := rows.add(serde, rec); err != nil {
			return err
		}
	}
	for i, block := range rows.blocks() {
		ctx := clickhouse.Context(b.Context(), clickhouse.WithSettings(insertSettings(token+"-"+strconv.Itoa(i))))
		if err := block.insert(ctx, conn); err != nil {
			return err
		}
	}
	return nil
}
