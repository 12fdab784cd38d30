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

// rows collects the records of a batch as blocks, one for each table of the
// topic. It is not safe for concurrent use and is used again after reset.
type rows interface {
	// add decodes a record and adds it. After an error nothing was added.
	add(serde *schemas.Serde, rec *kgo.Record) error
	// blocks returns what was added, in the order of the tables. The same
	// records in the same order give the same blocks.
	blocks() []block
	reset()
}

// block is the rows of one insert.
type block interface {
	len() int
	// types are the columns that are filled.
	types() []clickhouse.ColumnNameAndType
	// insert writes all rows as one block. It may be called again after an
	// error: the rows stay.
	insert(ctx context.Context, conn driver.Conn) error
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

// tableRows makes a row of each record.
type tableRows[R any, P pointerTo[R]] struct {
	columnBlock
	columns []column[R]
	// Such a table ends with the place of the record in its topic.
	position []column[located[R]]
	row      located[R]
}

func newRows[R any, P pointerTo[R]](table string, columns []column[R], more ...column[located[R]]) *tableRows[R, P] {
	t := &tableRows[R, P]{columns: columns}
	t.position = append(more,
		small("kafka_partition", func(r *located[R]) int32 { return r.partition }),
		integer("kafka_offset", func(r *located[R]) int64 { return r.offset }))
	t.columnBlock = newColumnBlock(table, append(outputs(t.columns), outputs(t.position)...))
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

func (t *tableRows[R, P]) blocks() []block { return []block{&t.columnBlock} }

// columnBlock is a block whose columns were filled.
type columnBlock struct {
	outputs []output
	query   string
	typed   []clickhouse.ColumnNameAndType
	n       int
	scratch []byte
}

func newColumnBlock(table string, outputs []output) columnBlock {
	b := columnBlock{outputs: outputs}
	var names []string
	for _, c := range outputs {
		names = append(names, c.title())
		b.typed = append(b.typed, clickhouse.ColumnNameAndType{Name: c.title(), Type: c.wire()})
	}
	b.query = fmt.Sprintf("INSERT INTO %s (%s)", table, strings.Join(names, ", "))
	return b
}

func (b *columnBlock) len() int { return b.n }

func (b *columnBlock) types() []clickhouse.ColumnNameAndType { return b.typed }

func (b *columnBlock) insert(ctx context.Context, conn driver.Conn) (err error) {
	// With the types given, the driver need not ask for them before each insert.
	ctx = clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes(b.typed))
	batch, err := conn.PrepareBatch(ctx, b.query, driver.WithReleaseConnection())
	if err != nil {
		return fmt.Errorf("preparing insert: %w", err)
	}
	defer func() {
		if err != nil && !batch.IsSent() {
			_ = batch.Abort()
		}
	}()
	to := batch.Columns()
	if len(to) != len(b.typed) {
		return fmt.Errorf("preparing insert: %d columns instead of %d", len(to), len(b.typed))
	}
	for i, c := range b.outputs {
		b.scratch = c.encode(b.scratch[:0])
		if err := b.give(to[i]); err != nil {
			return err
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("inserting: %w", err)
	}
	return nil
}

// give hands a column in ClickHouse's format to the driver.
func (b *columnBlock) give(to chcolumn.Interface) error {
	if err := to.Decode(proto.NewReader(bytes.NewReader(b.scratch)), b.n); err != nil {
		return fmt.Errorf("filling column %s: %w", to.Name(), err)
	}
	return nil
}

func (b *columnBlock) reset() {
	for _, c := range b.outputs {
		c.reset()
	}
	b.n = 0
}
