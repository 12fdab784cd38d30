package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// lane moves one lane of a topic into its tables.
type lane struct {
	cfg     SinkConfig
	target  target
	number  int
	conn    driver.Conn // of its shard
	cluster bool
	admin   *kadm.Client
	letters *deadLetters
	metrics *metrics
	log     *slog.Logger
	state   *laneState

	member  *membership
	rows    rows
	checked atomic.Int64 // when the tables' columns were looked at last, Unix ns
}

// run takes part in the lane's group until ctx ends or nothing can go on.
func (l *lane) run(ctx context.Context) error {
	member, err := join(l.cfg, l.target.topic, l.number)
	if err != nil {
		return err
	}
	defer member.close()
	l.member, l.rows = member, l.target.rows(l.target.tables)
	for {
		t, err := member.next(ctx)
		if err != nil {
			return nil // Told to stop.
		}
		if err := l.own(ctx, t); err != nil {
			return fmt.Errorf("lane %d of %s: %w", l.number, l.target.topic, err)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// own serves the lane until the tenure or ctx ends. Only an error that no retry
// can mend is returned.
func (l *lane) own(parent context.Context, t *tenure) (fatal error) {
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	defer context.AfterFunc(parent, cancel)()
	defer func() { l.state.standBy(fatal) }()
	wait := l.cfg.backoff()
	for ctx.Err() == nil {
		began := time.Now()
		err := l.serve(ctx, t)
		switch {
		case ctx.Err() != nil || errors.Is(err, errFenced):
			// A tenure that has ended is not waited for here: next does.
			if errors.Is(err, errFenced) {
				<-t.ctx.Done()
			}
			return nil
		case errors.Is(err, errFatal):
			return err
		}
		if l.state.failed(err) {
			l.log.Error("sink lane failed, trying again", "error", err)
		}
		l.metrics.failures.WithLabelValues(l.target.names[0], "lane").Inc()
		if time.Since(began) > time.Minute {
			wait = l.cfg.backoff()
		}
		wait.sleep(ctx)
	}
	return nil
}

// serve finishes the batch that was recorded last and then goes on with new
// ones. It returns on the first error.
func (l *lane) serve(ctx context.Context, t *tenure) (err error) {
	book := &ledger{admin: l.admin, member: l.member, cfg: l.cfg, topic: l.target.topic, lane: l.number}
	todo, err := book.load(ctx, t.partitions)
	if err != nil {
		return err
	}
	r, err := newReader(l.cfg.Kafka, l.target.topic, todo.start)
	if err != nil {
		return err
	}
	defer r.close()
	l.state.begin(todo.start)

	// recorded tells whether the ledger says more than what is done.
	recorded := false
	if todo.pending != nil && !l.target.replacing {
		b, err := r.exactly(ctx, todo.pending)
		if err != nil {
			return err
		}
		l.log.Debug("repeating the recorded batch", "rows", b.rows)
		if err := l.insert(ctx, book.topicID.String(), b); err != nil {
			return err
		}
		recorded = true
	}
	defer func() {
		// At a clean end the ledger says that nothing is pending. If it cannot,
		// the next owner repeats the batch, which does nothing.
		if recorded && t.ctx.Err() == nil && ctx.Err() != nil {
			closing, cancel := context.WithTimeout(t.ctx, 2*time.Second)
			defer cancel()
			_ = book.record(closing, t, still(r.positions()))
		}
	}()
	for {
		b, err := r.nextBatch(ctx, l.cfg.limits(), l.cfg.Idle)
		if err != nil {
			return err
		}
		if b.rows == 0 {
			if recorded || !b.vector.empty() {
				if err := book.record(ctx, t, still(r.positions())); err != nil {
					return err
				}
				recorded = false
			}
			l.state.moved(r.positions(), time.Time{})
			continue
		}
		// From here on the positions are beyond what is done.
		recorded = false
		if err := book.record(ctx, t, b.vector); err != nil {
			return err
		}
		if err := l.insert(ctx, book.topicID.String(), b); err != nil {
			return err
		}
		recorded = true
	}
}

// still is a vector that holds nothing: all before these positions is done.
func still(at map[int32]int64) vector {
	v := make(vector, len(at))
	for p, offset := range at {
		v[p] = span{offset, offset}
	}
	return v
}

// insert writes a batch as one block a table, each under its token, and does not
// give up while ctx lasts: ClickHouse may be away for hours. The batch is done
// once all blocks are in; until then a repetition repeats all of them, and
// ClickHouse drops those that it has.
func (l *lane) insert(ctx context.Context, topicID string, b batch) error {
	defer l.rows.reset()
	out := map[*kgo.Record]bool{}
	if err := l.fill(ctx, b, out); err != nil {
		return err
	}
	blocks := l.rows.blocks()
	if err := l.checkDrift(ctx, blocks); err != nil {
		return err
	}
	for i, name := range l.target.names {
		if blocks[i].len() == 0 {
			continue
		}
		token := b.vector.token(name, topicID, l.number)
		err := l.deliver(ctx, i, blocks[i], token)
		if hasCode(err, contentCodes) {
			if err = l.deliverRest(ctx, i, b, out, token, err); err == nil {
				err = l.fill(ctx, b, out) // the other tables are given all of it
			}
			blocks = l.rows.blocks()
		}
		if err != nil {
			return err
		}
		l.metrics.rows.WithLabelValues(name).Add(float64(blocks[i].len()))
	}
	at := make(map[int32]int64, len(b.vector))
	for p, s := range b.vector {
		at[p] = s.to
	}
	l.state.moved(at, b.newest())
	return nil
}

// fill makes rows of a batch but for the records that are out. What cannot be
// decoded becomes a dead letter, and is out from then on.
func (l *lane) fill(ctx context.Context, b batch, out map[*kgo.Record]bool) error {
	l.rows.reset()
	return b.each(func(rec *kgo.Record) error {
		if out[rec] || rec.Value == nil { // nil: a tombstone of a compacted topic
			return nil
		}
		err := l.rows.add(l.cfg.Serde, rec)
		if err == nil {
			return nil
		}
		if temporary(err) {
			return fmt.Errorf("decoding record: %w", err)
		}
		out[rec] = true
		return l.letters.send(ctx, rec, err)
	})
}

// deliver inserts a block, and gives up only where ctx ends, or where trying again
// is of no use: content that is refused, a table that has changed.
func (l *lane) deliver(ctx context.Context, i int, block block, token string) error {
	name := l.target.names[i]
	settings := insertSettings(token)
	if l.cluster {
		maps.Copy(settings, quorum)
	}
	for wait := l.cfg.backoff(); ; {
		began := time.Now()
		attempt, cancel := context.WithTimeout(ctx, l.cfg.InsertTimeout)
		err := block.insert(clickhouse.Context(attempt, clickhouse.WithSettings(settings)), l.conn)
		cancel()
		if err == nil {
			l.metrics.seconds.WithLabelValues(name).Observe(time.Since(began).Seconds())
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.metrics.failures.WithLabelValues(name, "insert").Inc()
		err = fmt.Errorf("table %s: %w", name, err)
		if hasCode(err, contentCodes) {
			return err
		}
		if hasCode(err, driftCodes) {
			if drift := checkColumns(ctx, l.conn, l.target.tables[i], block.types()); errors.Is(drift, errDrift) {
				return drift
			}
		}
		if l.state.failed(err) {
			l.log.Error("insert failed, trying again", "error", err)
		}
		wait.sleep(ctx)
	}
}

// insertSettings make an insert one block that ClickHouse takes once.
func insertSettings(token string) clickhouse.Settings {
	return clickhouse.Settings{
		"insert_deduplicate":         1,
		"insert_deduplication_token": token,
		// Views drop what their table dropped; the default differs by version.
		"deduplicate_blocks_in_dependent_materialized_views": 1,
		// The default since 26: it would answer before the block is kept, and
		// cut it together with others.
		"async_insert": 0,
		// One block: the token counts by block, so that a batch cut in two
		// could be kept by half.
		"max_insert_threads": 1,
		// Events that waited for long may be of many months.
		"max_partitions_per_insert_block": 0,
		"max_insert_block_size":           maxBlockRows,
		"min_insert_block_size_rows":      maxBlockRows,
		"min_insert_block_size_bytes":     maxBlockBytes,
	}
}

// quorum lets an insert into a shard count only when most of its replicas have
// it: the ledger goes on, and what one replica alone had may be lost with it.
var quorum = clickhouse.Settings{"insert_quorum": "auto", "insert_quorum_parallel": 1}

// A batch stays below both limits of a block.
const (
	maxBlockRows  = 1 << 20
	maxBlockBytes = 1 << 30
)
