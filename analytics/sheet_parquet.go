package analytics

import (
	"fmt"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"
)

// writeParquet writes the rows as one Parquet file.
func (s *sheet) writeParquet(w io.Writer) error {
	group := make(parquet.Group, len(s.columns))
	for _, c := range s.columns {
		group[c.name] = parquet.Optional(parquet.Compressed(parquetNode(c.kind), &parquet.Zstd))
	}
	schema := parquet.NewSchema(s.name, group)
	// The library sorts a group's columns by name.
	at := make([]int, len(s.columns))
	for i, c := range s.columns {
		leaf, ok := schema.Lookup(c.name)
		if !ok {
			return fmt.Errorf("column %s of %s is there twice", c.name, s.name)
		}
		at[i] = leaf.ColumnIndex
	}
	out := parquet.NewWriter(w, schema)
	row := make(parquet.Row, len(s.columns))
	for _, cells := range s.rows {
		for i, cell := range cells {
			value := parquetValue(cell)
			defined := 1
			if value.IsNull() {
				defined = 0
			}
			row[at[i]] = value.Level(0, defined, at[i])
		}
		if _, err := out.WriteRows([]parquet.Row{row}); err != nil {
			return fmt.Errorf("writing Parquet: %w", err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("writing Parquet: %w", err)
	}
	return nil
}

func parquetNode(kind columnKind) parquet.Node {
	switch kind {
	case columnInteger:
		return parquet.Leaf(parquet.Int64Type)
	case columnReal:
		return parquet.Leaf(parquet.DoubleType)
	case columnBoolean:
		return parquet.Leaf(parquet.BooleanType)
	case columnTime:
		return parquet.Timestamp(parquet.Microsecond)
	}
	return parquet.String()
}

func parquetValue(cell any) parquet.Value {
	switch v := cell.(type) {
	case string:
		return parquet.ByteArrayValue([]byte(v))
	case int64:
		return parquet.Int64Value(v)
	case float64:
		return parquet.DoubleValue(v)
	case bool:
		return parquet.BooleanValue(v)
	case time.Time:
		return parquet.Int64Value(v.UnixMicro())
	}
	return parquet.NullValue()
}
