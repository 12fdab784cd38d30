package analytics

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	chcolumn "github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// rows collects decoded records as the columns of one insert. It is not safe
// for concurrent use and is used again after reset.
type rows interface {
	// add decodes a record and appends it. After an error nothing was appended.
	add(serde *schemas.Serde, rec *kgo.Record) error
	len() int
	// insert writes all rows as one block. It may be called again after an
	// error: the rows stay.
	insert(ctx context.Context, conn driver.Conn) error
	reset()
}

// located is a record and where in its topic it lay.
type located[R any] struct {
	rec       R
	partition int32
	offset    int64
}

// pointerTo says that *R is a record type.
type pointerTo[R any] interface {
	*R
	schemas.Record
}

type tableRows[R any, P pointerTo[R]] struct {
	columns []column[R]
	// Every table ends with the place of the record in its topic.
	position []column[located[R]]
	query    string
	types    []clickhouse.ColumnNameAndType
	row      located[R]
	n        int
	scratch  []byte
}

func newRows[R any, P pointerTo[R]](table string, columns []column[R], more ...column[located[R]]) *tableRows[R, P] {
	t := &tableRows[R, P]{columns: columns}
	t.position = append(more,
		small("kafka_partition", func(r *located[R]) int32 { return r.partition }),
		integer("kafka_offset", func(r *located[R]) int64 { return r.offset }))
	var names []string
	for _, c := range t.columns {
		names = append(names, c.title())
		t.types = append(t.types, clickhouse.ColumnNameAndType{Name: c.title(), Type: c.wire()})
	}
	for _, c := range t.position {
		names = append(names, c.title())
		t.types = append(t.types, clickhouse.ColumnNameAndType{Name: c.title(), Type: c.wire()})
	}
	t.query = fmt.Sprintf("INSERT INTO %s (%s)", table, strings.Join(names, ", "))
	return t
}

func (t *tableRows[R, P]) add(serde *schemas.Serde, rec *kgo.Record) error {
	if err := serde.Decode(rec.Value, P(&t.row.rec)); err != nil {
		return err
	}
	t.row.partition, t.row.offset = rec.Partition, rec.Offset
	for _, c := range t.columns {
		c.add(&t.row.rec)
	}
	for _, c := range t.position {
		c.add(&t.row)
	}
	t.n++
	return nil
}

func (t *tableRows[R, P]) len() int { return t.n }

func (t *tableRows[R, P]) insert(ctx context.Context, conn driver.Conn) (err error) {
	// With the types given, the driver need not ask for them before each insert.
	ctx = clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes(t.types))
	batch, err := conn.PrepareBatch(ctx, t.query, driver.WithReleaseConnection())
	if err != nil {
		return fmt.Errorf("preparing insert: %w", err)
	}
	defer func() {
		if err != nil && !batch.IsSent() {
			_ = batch.Abort()
		}
	}()
	to := batch.Columns()
	if len(to) != len(t.types) {
		return fmt.Errorf("preparing insert: %d columns instead of %d", len(to), len(t.types))
	}
	for i, c := range t.columns {
		t.scratch = c.encode(t.scratch[:0])
		if err := t.give(to[i]); err != nil {
			return err
		}
	}
	for i, c := range t.position {
		t.scratch = c.encode(t.scratch[:0])
		if err := t.give(to[len(t.columns)+i]); err != nil {
			return err
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("inserting: %w", err)
	}
	return nil
}

// give hands a column in ClickHouse's format to the driver.
func (t *tableRows[R, P]) give(to chcolumn.Interface) error {
	if err := to.Decode(proto.NewReader(bytes.NewReader(t.scratch)), t.n); err != nil {
		return fmt.Errorf("filling column %s: %w", to.Name(), err)
	}
	return nil
}

func (t *tableRows[R, P]) reset() {
	for _, c := range t.columns {
		c.reset()
	}
	for _, c := range t.position {
		c.reset()
	}
	t.n = 0
}
