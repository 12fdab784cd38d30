package analytics

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// tally is a table as the topic says that it must be, and how to ask the table
// for the same: two columns, what tells a row apart and what it says. It shares
// no code with the sink.
type tally struct {
	table, topic string
	query        string
	records      int               // read from the topic
	rows         map[string]string // what a row says, by what tells it apart
	take         func(c *tally, rec *kgo.Record) error
	finish       func(c *tally) // where rows are sums
}

// newTallies lists all tables that the sink fills.
func newTallies() []*tally {
	return append(breakdownTallies(),
		appendedTally("events", schemas.TopicEvents, "toString(event_id)",
			`type, campaign_id, message_id, toString(recipient_id), toUnixTimestamp64Micro(occurred_at), link_index, attempt, url`,
			func(e *schemas.Event) (string, []any) {
				return e.EventID.String(), []any{e.Type, e.CampaignID, e.MessageID, e.RecipientID, int64(e.OccurredAt), e.LinkIndex, e.Attempt, e.URL}
			}),
		appendedTally("triggers", schemas.TopicTriggers, "toString(trigger_id)", `rule, toString(recipient_id), hits, base, toString(evidence_ids[1])`,
			func(t *schemas.Trigger) (string, []any) {
				return t.TriggerID.String(), []any{t.Rule, t.RecipientID, t.Hits, t.Base, t.Evidence[0].EventID}
			}),
		appendedTally("deliveries", schemas.TopicDeliveries, "toString(trigger_id)", `attempt, duration_ms, status_code, error`,
			func(d *schemas.Delivery) (string, []any) {
				return d.TriggerID.String(), []any{d.Attempt, d.DurationMS, d.StatusCode, d.Error}
			}),
		appendedTally("rejections", schemas.TopicRejected, "toString(webhook_id)", `webhook_index, webhook_offset, reason`,
			func(r *schemas.Rejection) (string, []any) {
				return r.WebhookID.String(), []any{r.Index, r.Offset, r.Reason}
			}),
		replacedTally("messages", schemas.TopicMessages, "message_id",
			`revision, opens, human_opens, clicks, deferrals, outcome, toUnixTimestamp64Micro(last_event_at), ifNull(toString(open_delay_ms), '-')`,
			func(m *schemas.Message) (string, []any) {
				delay := "-"
				if m.OpenDelayMS.Valid {
					delay = fmt.Sprint(m.OpenDelayMS.Int64)
				}
				return m.MessageID, []any{m.Revision, m.Opens, m.HumanOpens, m.Clicks, m.Deferrals, m.Outcome, int64(m.LastEventAt), delay}
			},
			func(m *schemas.Message, _ int64) int64 { return m.Revision }),
		replacedTally("campaign_statistics", schemas.TopicStatistics, "concat(campaign_id, '/', basis, '/', toString(toUnixTimestamp(window_start)))",
			strings.Join(tallyColumns(), ", "),
			func(s *schemas.CampaignStatistics) (string, []any) {
				return fmt.Sprintf("%s/%s/%d", s.CampaignID, s.Basis, s.WindowStart/1e6), tallyValues(&s.Counters)
			},
			func(_ *schemas.CampaignStatistics, offset int64) int64 { return offset }),
		replacedTally("suppressions", schemas.TopicSuppressions, "concat(toString(recipient_id), '/', scope)",
			`revision, recipient, reason, toString(active), toUnixTimestamp64Micro(since)`,
			func(s *schemas.Suppression) (string, []any) {
				return s.RecipientID.String() + "/" + s.Scope, []any{s.Revision, s.Recipient, s.Reason, s.Active, int64(s.Since)}
			},
			func(s *schemas.Suppression, _ int64) int64 { return s.Revision }),
	)
}

// appendedTally is a table that has a row for each record.
func appendedTally[R any, P pointerTo[R]](table, topic, key, columns string, row func(P) (string, []any)) *tally {
	return &tally{
		table: table, topic: topic, query: tallyQuery(table, key, columns), rows: map[string]string{},
		take: func(c *tally, rec *kgo.Record) error {
			r := P(new(R))
			if err := serde.Decode(rec.Value, r); err != nil {
				return err
			}
			k, values := row(r)
			if _, ok := c.rows[k]; ok {
				return fmt.Errorf("%s is twice in %s", k, c.topic)
			}
			c.rows[k] = tallyText(values)
			return nil
		},
	}
}

// replacedTally is a table of which the row of the highest version counts.
func replacedTally[R any, P pointerTo[R]](table, topic, key, columns string, row func(P) (string, []any), version func(r P, offset int64) int64) *tally {
	newest := map[string]int64{}
	return &tally{
		table: table, topic: topic, query: tallyQuery(table+" FINAL", key, columns), rows: map[string]string{},
		take: func(c *tally, rec *kgo.Record) error {
			r := P(new(R))
			if err := serde.Decode(rec.Value, r); err != nil {
				return err
			}
			k, values := row(r)
			if v := version(r, rec.Offset); c.rows[k] == "" || v > newest[k] {
				c.rows[k], newest[k] = tallyText(values), v
			}
			return nil
		},
	}
}

func tallyQuery(from, key, columns string) string {
	return fmt.Sprintf("SELECT %s, concatWithSeparator('|', %s) FROM %s", key, columns, from)
}

func tallyText(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, "|")
}

// tallyColumns are the columns of Counters, in the order of tallyValues.
func tallyColumns() (names []string) {
	t := reflect.TypeFor[schemas.Counters]()
	for i := range t.NumField() {
		names = append(names, strings.TrimSuffix(t.Field(i).Tag.Get("json"), ",omitzero"))
	}
	return names
}

func tallyValues(c *schemas.Counters) (values []any) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		values = append(values, v.Field(i).Int())
	}
	return values
}

// read counts the topic.
func (c *tally) read(ctx context.Context, cfg kafka.Config) error {
	err := kafka.Scan(ctx, cfg, kafka.Scanned{Topic: c.topic}, func(rec *kgo.Record) error {
		c.records++
		return c.take(c, rec)
	})
	if err == nil && c.finish != nil {
		c.finish(c)
	}
	return err
}

// compare reads the table, and says of each row that is missing, too much,
// double or other than it must be.
func (c *tally) compare(ctx context.Context, conn driver.Conn) (differences []string, err error) {
	differ := func(format string, args ...any) {
		differences = append(differences, c.table+": "+fmt.Sprintf(format, args...))
	}
	rows, err := conn.Query(ctx, c.query)
	if err != nil {
		return nil, fmt.Errorf("reading table %s: %w", c.table, err)
	}
	defer func() { _ = rows.Close() }()
	seen := map[string]int{}
	for rows.Next() {
		var key, got string
		if err := rows.Scan(&key, &got); err != nil {
			return nil, fmt.Errorf("reading table %s: %w", c.table, err)
		}
		want, ok := c.rows[key]
		switch seen[key]++; {
		case !ok:
			differ("%s is there and should not be: %s", key, got)
		case seen[key] > 1:
			differ("%s is there %d times", key, seen[key])
		case got != want:
			differ("%s is %s, want %s", key, got, want)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading table %s: %w", c.table, err)
	}
	for key, want := range c.rows {
		if seen[key] == 0 {
			differ("%s is missing: %s", key, want)
		}
	}
	slices.Sort(differences)
	return differences, nil
}
