package analytics

import "time"

// sheeted is an answer that can also be given as rows: as CSV, NDJSON, Parquet or
// Arrow.
type sheeted interface {
	// sheet returns the rows. It is called once, after the answer is complete.
	sheet() sheet
}

// sheet is an answer as rows.
type sheet struct {
	name    string // of the file, without its ending
	columns []sheetColumn
	// rows hold a value for each column: a string, int64, float64, bool or
	// time.Time, as its kind says, or nil for unknown.
	rows [][]any
}

type sheetColumn struct {
	name string
	kind columnKind
}

type columnKind int

const (
	columnText columnKind = iota
	columnInteger
	columnReal
	columnBoolean
	columnTime
)

// counterSheetColumns are the columns of all counters.
func counterSheetColumns() []sheetColumn {
	columns := make([]sheetColumn, 0, len(counterNames))
	for _, name := range counterNames {
		columns = append(columns, sheetColumn{name, columnInteger})
	}
	return columns
}

// rateSheetColumns are the columns of all rates; their names end in _rate, since
// counters have some of the same.
func rateSheetColumns() []sheetColumn {
	var columns []sheetColumn
	for _, d := range rateDefinitions() {
		columns = append(columns, sheetColumn{d.Name + "_rate", columnReal})
	}
	return columns
}

// cells are the values of the columns of all counters and all rates.
func (c *Counted) cells() []any {
	var cells []any
	for _, n := range counterValues(&c.Counters) {
		cells = append(cells, n)
	}
	for _, d := range rateDefinitions() {
		cells = append(cells, realCell(c.Rates[d.Name]))
	}
	return cells
}

func realCell(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}

func timeCell(t *time.Time) any {
	if t == nil {
		return nil
	}
	return *t
}
