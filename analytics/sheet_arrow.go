package analytics

import (
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// writeArrow writes the rows in Arrow's streaming format.
func (s *sheet) writeArrow(w io.Writer) error {
	batch := s.batch()
	defer batch.Release()
	out := ipc.NewWriter(w, ipc.WithSchema(batch.Schema()))
	if err := out.Write(batch); err != nil {
		return fmt.Errorf("writing Arrow: %w", err)
	}
	return out.Close()
}

var arrowTypes = [...]arrow.DataType{
	columnText:    arrow.BinaryTypes.String,
	columnInteger: arrow.PrimitiveTypes.Int64,
	columnReal:    arrow.PrimitiveTypes.Float64,
	columnBoolean: arrow.FixedWidthTypes.Boolean,
	columnTime:    &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"},
}

// batch makes the rows a record batch of Arrow; every column may be null.
func (s *sheet) batch() arrow.RecordBatch {
	fields := make([]arrow.Field, len(s.columns))
	for i, c := range s.columns {
		fields[i] = arrow.Field{Name: c.name, Type: arrowTypes[c.kind], Nullable: true}
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	for _, cells := range s.rows {
		for i, cell := range cells {
			appendCell(b.Field(i), cell)
		}
	}
	return b.NewRecordBatch()
}

// appendCell appends a value to its column, whose kind check has seen.
func appendCell(to array.Builder, cell any) {
	switch v := cell.(type) {
	case nil:
		to.AppendNull()
	case string:
		to.(*array.StringBuilder).Append(v)
	case int64:
		to.(*array.Int64Builder).Append(v)
	case float64:
		to.(*array.Float64Builder).Append(v)
	case bool:
		to.(*array.BooleanBuilder).Append(v)
	case time.Time:
		to.(*array.TimestampBuilder).Append(arrow.Timestamp(v.UnixMicro()))
	}
}
