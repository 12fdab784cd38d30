package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// extent is what was read of a topic, to compare a table with the same records.
type extent struct {
	start, end offsets
	records    int64
	sums       []int64 // of appendedColumns
}

// sinkGroup is what the names of the sink's consumer groups begin with.
func sinkGroup(topic string) string { return "posthorn-sink." + topic + "." }

// compareClickHouse compares the tables with the topics: rows that are only
// added by their number and ids, over the very offsets that were read; rows
// that replace earlier ones by their sums, where nothing has been added since.
func (v *verifier) compareClickHouse(ctx context.Context) error {
	if v.cfg.ClickHouse == nil {
		v.report.check("ClickHouse").Note = "not asked for: no DSN"
		return nil
	}
	if err := v.readDeliveries(ctx); err != nil {
		return err
	}
	for _, t := range []struct{ topic, table, unique string }{
		{schemas.TopicEvents, "events", "uniqExact(event_id)"},
		{schemas.TopicTriggers, "triggers", "uniqExact(trigger_id, status = 'expired')"},
		{schemas.TopicDeliveries, "deliveries", "uniqExact(kafka_partition, kafka_offset)"},
		{schemas.TopicRejected, "rejections", "uniqExact(kafka_partition, kafka_offset)"},
	} {
		if err := v.waitForSink(ctx, t.topic); err != nil {
			return err
		}
		table := t.table
		if t.topic != schemas.TopicDeliveries {
			table = v.cfg.Table(t.table)
		}
		if err := v.compareAppended(ctx, t.topic, table, t.unique); err != nil {
			return err
		}
	}
	if err := v.compareReplaced(ctx); err != nil {
		return err
	}
	return v.readBreakdownTables(ctx)
}

// compareReplaced compares the tables whose rows replace earlier ones.
func (v *verifier) compareReplaced(ctx context.Context) error {
	for _, t := range []struct {
		topic, table string
		compare      func(context.Context, *Check) error
	}{
		{schemas.TopicMessages, "messages", v.compareMessageTable},
		{schemas.TopicStatistics, "campaign_statistics", v.compareStatisticsTable},
		{schemas.TopicSuppressions, "suppressions", v.compareSuppressionTable},
	} {
		if err := v.waitForSink(ctx, t.topic); err != nil {
			return err
		}
		check := v.report.check("ClickHouse " + t.table)
		if err := t.compare(ctx, check); err != nil {
			return err
		}
		// Rows that were replaced meanwhile cannot be told apart, only that
		// there was nothing to replace them with.
		_, end, err := bounds(ctx, v.adm, v.topic(t.topic))
		if err != nil {
			return err
		}
		if !maps.Equal(end, v.extents[t.topic].end) && check.Differences > 0 {
			*check = Check{Name: check.Name, Note: "skipped: live traffic replaces rows"}
			v.report.forget(check.Name)
		}
	}
	return nil
}

// readDeliveries counts the attempts and sums them up, which nothing else needs.
func (v *verifier) readDeliveries(ctx context.Context) error {
	start, end, err := bounds(ctx, v.adm, schemas.TopicDeliveries)
	if err != nil {
		return err
	}
	x := &extent{start: start, end: end}
	v.extents[schemas.TopicDeliveries] = x
	return v.read(ctx, schemas.TopicDeliveries, start, end, func(rec *kgo.Record) error {
		var d schemas.Delivery
		if err := v.cfg.Serde.Decode(rec.Value, &d); err != nil {
			return fmt.Errorf("decoding record: %w", err)
		}
		x.records++
		x.sum(deliveryValues(&d))
		return nil
	})
}

// waitForSink waits until all lanes of a topic are past what was read of it.
func (v *verifier) waitForSink(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timeout)
	defer cancel()
	x := v.extents[topic]
	for {
		at, err := v.sinkPositions(ctx, topic)
		if err != nil {
			return err
		}
		behind := int64(0)
		for p, to := range x.end {
			behind += max(0, to-max(at[p], x.start[p]))
		}
		v.progress("waiting for ClickHouse", x.end.sum()-behind, x.end.sum())
		if behind == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the sink is still %d offsets of %s behind: is it running? (--timeout waits longer)", behind, topic)
		case <-time.After(pause):
		}
	}
}

// sinkPositions is how far the sink's groups have recorded a topic as done. A
// group commits the start of a batch, with its end in the metadata, before it
// writes it: up to the commit all is written.
func (v *verifier) sinkPositions(ctx context.Context, topic string) (offsets, error) {
	groups, err := v.adm.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing groups: %w", err)
	}
	at := offsets{}
	for _, group := range groups.Groups() {
		if !strings.HasPrefix(group, sinkGroup(v.topic(topic))) {
			continue
		}
		lane, err := v.committed(ctx, Step{group, v.topic(topic)})
		if err != nil {
			return nil, err
		}
		for p, offset := range lane {
			at[p] = max(at[p], offset)
		}
	}
	return at, nil
}

// compareAppended counts the rows of the offsets that were read.
func (v *verifier) compareAppended(ctx context.Context, topic, table, unique string) error {
	x := v.extents[topic]
	check := v.report.check("ClickHouse " + table)
	check.Expected = x.records
	var ranges []string
	for _, p := range slices.Sorted(maps.Keys(x.end)) {
		ranges = append(ranges, fmt.Sprintf("(kafka_partition = %d AND kafka_offset >= %d AND kafka_offset < %d)", p, x.start[p], x.end[p]))
	}
	var rows, distinct uint64
	columns := appendedColumns[topic]
	sums := make([]int64, len(columns))
	query, into := "SELECT count(), "+unique, []any{&rows, &distinct}
	for i, column := range columns {
		query += ", toInt64(sum(" + column + "))"
		into = append(into, &sums[i])
	}
	query += " FROM " + table + " WHERE " + strings.Join(ranges, " OR ")
	if err := v.cfg.ClickHouse.QueryRow(ctx, query).Scan(into...); err != nil {
		return fmt.Errorf("counting %s in ClickHouse: %w", table, err)
	}
	check.Found = int64(rows)
	if n := abs(int64(rows) - x.records); n > 0 {
		v.report.differ(check, "%d rows for %d records of %s", rows, x.records, topic)
		check.Differences += n - 1
	} else if n := abs(int64(distinct) - x.records); n > 0 {
		v.report.differ(check, "%d distinct ids in %d rows", distinct, rows)
		check.Differences += n - 1
	} else {
		for i, column := range columns {
			if want := x.sumOf(i); sums[i] != want {
				v.report.differ(check, "the sum of %s is %d, the topic gives %d", column, sums[i], want)
			}
		}
	}
	return nil
}

func abs(n int64) int64 { return max(n, -n) }

// messageSums are the sums over the messages of one outcome.
type messageSums struct {
	rows, opens, humanOpens, clicks, humanClicks, deferrals, complaints, unsubscribes, lateBounces, revisions int64
}

func (s *messageSums) add(m *schemas.Message) {
	s.rows++
	s.opens += m.Opens
	s.humanOpens += m.HumanOpens
	s.clicks += m.Clicks
	s.humanClicks += m.HumanClicks
	s.deferrals += m.Deferrals
	s.complaints += m.Complaints
	s.unsubscribes += m.Unsubscribes
	s.revisions += m.Revision
	if m.LateBounce {
		s.lateBounces++
	}
}

func (v *verifier) compareMessageTable(ctx context.Context, check *Check) (err error) {
	rows, err := v.cfg.ClickHouse.Query(ctx, `SELECT outcome, toInt64(count()), sum(opens), sum(human_opens), sum(clicks), sum(human_clicks),
		sum(deferrals), sum(complaints), sum(unsubscribes), toInt64(countIf(late_bounce)), sum(revision)
		FROM `+v.cfg.Table("messages")+` FINAL GROUP BY outcome`)
	if err != nil {
		return fmt.Errorf("summing messages in ClickHouse: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found := map[string]messageSums{}
	for rows.Next() {
		var outcome string
		var s messageSums
		if err := rows.Scan(&outcome, &s.rows, &s.opens, &s.humanOpens, &s.clicks, &s.humanClicks, &s.deferrals, &s.complaints, &s.unsubscribes, &s.lateBounces, &s.revisions); err != nil {
			return fmt.Errorf("summing messages in ClickHouse: %w", err)
		}
		found[outcome] = s
		check.Found += s.rows
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("summing messages in ClickHouse: %w", err)
	}
	for outcome, want := range v.messageSums {
		check.Expected += want.rows
		if got := found[outcome]; got != *want {
			v.report.differ(check, "outcome %s: sums %+v, the topic gives %+v", outcome, got, *want)
		}
		delete(found, outcome)
	}
	for outcome, got := range found {
		v.report.differ(check, "outcome %s: sums %+v, the topic has none", outcome, got)
	}
	return nil
}

// counterColumns are the columns of campaign_statistics in the order of
// counterValues.
var counterColumns = []string{
	"messages", "queued", "deferred", "delivered", "rejected", "failed", "hard_bounced", "soft_bounced",
	"opened", "human_opened", "opens", "human_opens", "clicked", "human_clicked", "clicks", "human_clicks",
	"unsubscribed", "unsubscribes", "complained", "complaints", "late_bounces",
	"open_delay_ms", "open_delays", "click_delay_ms", "click_delays",
}

func counterValues(c *schemas.Counters) []*int64 {
	return []*int64{
		&c.Messages, &c.Queued, &c.Deferred, &c.Delivered, &c.Rejected, &c.Failed, &c.HardBounced, &c.SoftBounced,
		&c.Opened, &c.HumanOpened, &c.Opens, &c.HumanOpens, &c.Clicked, &c.HumanClicked, &c.Clicks, &c.HumanClicks,
		&c.Unsubscribed, &c.Unsubscribes, &c.Complained, &c.Complaints, &c.LateBounces,
		&c.OpenDelayMS, &c.OpenDelays, &c.ClickDelayMS, &c.ClickDelays,
	}
}

// tableKey is a campaign and a basis: the windows of it are summed.
type tableKey struct{ tenant, campaign, basis string }

type windowSums struct {
	rows     int64
	counters schemas.Counters
}

func (v *verifier) compareStatisticsTable(ctx context.Context, check *Check) (err error) {
	query := "SELECT tenant, campaign_id, basis, toInt64(count())"
	for _, column := range counterColumns {
		query += ", sum(" + column + ")"
	}
	rows, err := v.cfg.ClickHouse.Query(ctx, query+" FROM "+v.cfg.Table("campaign_statistics")+" FINAL GROUP BY tenant, campaign_id, basis")
	if err != nil {
		return fmt.Errorf("summing statistics in ClickHouse: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	seen := map[tableKey]bool{}
	for rows.Next() {
		var k tableKey
		var got windowSums
		into := []any{&k.tenant, &k.campaign, &k.basis, &got.rows}
		for _, value := range counterValues(&got.counters) {
			into = append(into, value)
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("summing statistics in ClickHouse: %w", err)
		}
		seen[k] = true
		check.Found += got.rows
		want := v.windowSums[k]
		if want == nil {
			v.report.differ(check, "campaign %s/%s, %s: %d rows, the topic has none", k.tenant, k.campaign, k.basis, got.rows)
			continue
		}
		if *want != got {
			v.report.differ(check, "campaign %s/%s, %s: %d rows, want %d; %s", k.tenant, k.campaign, k.basis, got.rows, want.rows, diff(&want.counters, &got.counters))
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("summing statistics in ClickHouse: %w", err)
	}
	for k, want := range v.windowSums {
		check.Expected += want.rows
		if !seen[k] {
			v.report.differ(check, "campaign %s/%s, %s: no rows, want %d", k.tenant, k.campaign, k.basis, want.rows)
		}
	}
	return nil
}
