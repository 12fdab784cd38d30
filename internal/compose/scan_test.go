package compose

import (
	"reflect"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// newOf is what a column is read into.
func newOf(c driver.ColumnType) any { return reflect.New(c.ScanType()).Interface() }

// indirect is the value behind pointers, nil for none.
func indirect(v any) any {
	r := reflect.ValueOf(v)
	for r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return nil
		}
		r = r.Elem()
	}
	return r.Interface()
}
