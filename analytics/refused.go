package analytics

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// maxRefused is how many records of a batch may be refused for their content.
// Where there are more it is not they that are wrong.
const maxRefused = 100

// deliverRest inserts a batch into its i-th table without the records that the
// table refuses for their content, which become dead letters.
//
// Which records these are is tried on an empty copy of the table, so that a crash
// in between leaves nothing behind. The rest is inserted under the token of the
// whole batch: only one of the two can get in, even if the table has meanwhile
// stopped refusing.
func (l *lane) deliverRest(ctx context.Context, i int, b batch, out map[*kgo.Record]bool, token string, cause error) error {
	refused, err := l.refusedBy(ctx, i, b, out)
	if err != nil {
		return fmt.Errorf("%w; looking for what is refused: %w", cause, err)
	}
	if len(refused) == 0 {
		return fmt.Errorf("%w; each record alone is taken", cause)
	}
	out = maps.Clone(out)
	for rec, why := range refused {
		out[rec] = true
		if err := l.letters.send(ctx, rec, fmt.Errorf("table %s refuses it: %w", l.target.names[i], why)); err != nil {
			return err
		}
	}
	if err := l.fill(ctx, b, out); err != nil {
		return err
	}
	if block := l.rows.blocks()[i]; block.len() > 0 {
		return l.deliver(ctx, i, block, token)
	}
	return nil
}

// refusedBy returns the records that the i-th table refuses, and why.
func (l *lane) refusedBy(ctx context.Context, i int, b batch, out map[*kgo.Record]bool) (refused map[*kgo.Record]error, err error) {
	trial := fmt.Sprintf("%s_trial_%d", l.target.tables[i], l.number)
	drop := func() error { return l.conn.Exec(ctx, "DROP TABLE IF EXISTS "+trial+" SYNC") }
	if err := drop(); err != nil {
		return nil, err
	}
	if err := l.conn.Exec(ctx, "CREATE TABLE "+trial+" AS "+l.target.tables[i]+" ENGINE = Memory"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	tables := append([]string(nil), l.target.tables...)
	tables[i] = trial
	t := &refusal{lane: l, rows: l.target.rows(tables), table: i, refused: map[*kgo.Record]error{}}
	var records []*kgo.Record
	_ = b.each(func(rec *kgo.Record) error {
		if !out[rec] && rec.Value != nil {
			records = append(records, rec)
		}
		return nil
	})
	return t.refused, t.search(ctx, records)
}

// refusal is a search for records that a table refuses.
type refusal struct {
	lane    *lane
	rows    rows // of a copy of the table
	table   int
	refused map[*kgo.Record]error
}

// search halves until each record that is refused stands alone.
func (t *refusal) search(ctx context.Context, records []*kgo.Record) error {
	why := t.try(ctx, records)
	switch {
	case why == nil:
		return nil
	case !hasCode(why, contentCodes):
		return why
	case len(records) > 1:
		half := len(records) / 2
		if err := t.search(ctx, records[:half]); err != nil {
			return err
		}
		return t.search(ctx, records[half:])
	case len(t.refused) == maxRefused:
		return fmt.Errorf("more than %d records of a batch: it is the table that is wrong", maxRefused)
	}
	t.refused[records[0]] = why
	return nil
}

func (t *refusal) try(ctx context.Context, records []*kgo.Record) error {
	t.rows.reset()
	for _, rec := range records {
		if err := t.rows.add(t.lane.cfg.Serde, rec); err != nil {
			return err
		}
	}
	block := t.rows.blocks()[t.table]
	if block.len() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.lane.cfg.InsertTimeout)
	defer cancel()
	return block.insert(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0})), t.lane.conn)
}
