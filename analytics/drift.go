package analytics

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// errDrift says that a table is not as the migrations have made it. Nothing is
// written to it, and nothing is lost, until it is mended.
var errDrift = errors.New("the table is not as this build's migrations make it")

// checkColumns compares the columns that a block fills with those of its table.
// A type that ClickHouse would convert to is refused as well: a conversion may
// cut. Columns that the table has beside them are nobody's concern.
func checkColumns(ctx context.Context, conn driver.Conn, table string, columns []clickhouse.ColumnNameAndType) error {
	rows, err := conn.Query(ctx, `SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = ?`, table)
	if err != nil {
		return fmt.Errorf("describing table %s: %w", table, err)
	}
	defer func() { _ = rows.Close() }()
	found := map[string]string{}
	for rows.Next() {
		var name, typ string
		if err := rows.Scan(&name, &typ); err != nil {
			return fmt.Errorf("describing table %s: %w", table, err)
		}
		found[name] = typ
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("describing table %s: %w", table, err)
	}
	if len(found) == 0 {
		return fmt.Errorf("%w: there is no table %s: run posthorn migrate; if it says that nothing is pending, the table was dropped or renamed: name it back, or start with a new database and posthorn rebuild", errDrift, table)
	}
	const remedy = "run posthorn migrate; if it says that nothing is pending, somebody has changed the table by hand: ALTER TABLE it back"
	for _, c := range columns {
		switch typ, ok := found[c.Name]; {
		case !ok:
			return fmt.Errorf("%w: table %s has no column %s (%s): %s", errDrift, table, c.Name, c.Type, remedy)
		case plainType(typ) != plainType(c.Type):
			return fmt.Errorf("%w: column %s of table %s is %s, it must be %s: %s", errDrift, c.Name, table, typ, c.Type, remedy)
		}
	}
	return nil
}

var aggregate = regexp.MustCompile(`SimpleAggregateFunction\(\w+, (.*)\)$`)

// plainType leaves out how values are kept, not what they can be.
func plainType(typ string) string {
	if found := aggregate.FindStringSubmatch(typ); found != nil {
		typ = found[1]
	}
	return strings.NewReplacer("LowCardinality(String)", "String").Replace(typ)
}

// Codes of ClickHouse's exceptions.
var (
	// driftCodes tell of a table that has changed.
	driftCodes = []int32{
		8,   // THERE_IS_NO_COLUMN
		10,  // NOT_FOUND_COLUMN_IN_BLOCK
		16,  // NO_SUCH_COLUMN_IN_TABLE
		20,  // NUMBER_OF_COLUMNS_DOESNT_MATCH
		47,  // UNKNOWN_IDENTIFIER
		48,  // NOT_IMPLEMENTED: a table that can't be written to
		53,  // TYPE_MISMATCH
		60,  // UNKNOWN_TABLE
		218, // TABLE_IS_DROPPED
	}
	// contentCodes tell of a row whose content is refused.
	contentCodes = []int32{
		6, 27, 38, 41, 72, // CANNOT_PARSE_...
		117, // INCORRECT_DATA
		128, // TOO_LARGE_ARRAY_SIZE
		131, // TOO_LARGE_STRING_SIZE
		321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
		349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
		395, // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO, in a view on the table
		469, // VIOLATED_CONSTRAINT
		691, // UNKNOWN_ELEMENT_OF_ENUM
	}
)

func hasCode(err error, codes []int32) bool {
	var exception *clickhouse.Exception
	return errors.As(err, &exception) && slices.Contains(codes, exception.Code)
}

// checkedEvery is how long a lane trusts its tables' columns.
const checkedEvery = 30 * time.Second

// checkDrift looks at the tables again now and then: where a column was changed
// to a type that values can be converted to, no insert fails.
func (l *lane) checkDrift(ctx context.Context, blocks []block) error {
	if time.Since(time.Unix(0, l.checked.Load())) < checkedEvery {
		return nil
	}
	for i, b := range blocks {
		err := checkColumns(ctx, l.conn, l.target.tables[i], b.types())
		if errors.Is(err, errDrift) {
			return err
		}
		if err != nil {
			return nil // ClickHouse does not answer: the insert says so better
		}
	}
	l.checked.Store(time.Now().UnixNano())
	return nil
}
