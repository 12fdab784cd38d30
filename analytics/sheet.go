package analytics

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

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
	// next is the value of after for the next page; empty where there is none.
	next string
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

// rateNames are the names of all rates, in their order.
var rateNames = func() (names []string) {
	for _, r := range Rates(schemas.Counters{}) {
		names = append(names, r.Name)
	}
	return names
}()

// rateSheetColumns are the columns of all rates; their names end in _rate, since
// counters have some of the same.
func rateSheetColumns() []sheetColumn {
	var columns []sheetColumn
	for _, name := range rateNames {
		columns = append(columns, sheetColumn{name + "_rate", columnReal})
	}
	return columns
}

// cells are the values of the columns of all counters and all rates.
func (c *Counted) cells() []any {
	var cells []any
	for _, n := range counterValues(&c.Counters) {
		cells = append(cells, n)
	}
	for _, d := range rateNames {
		cells = append(cells, realCell(c.Rates[d]))
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

// write writes the rows in a form that is not JSON.
func (s *sheet) write(w io.Writer, f form) error {
	if err := s.check(); err != nil {
		return err
	}
	switch f {
	case formCSV:
		return s.writeCSV(w)
	case formNDJSON:
		return s.writeNDJSON(w)
	case formParquet:
		return s.writeParquet(w)
	case formArrow:
		return s.writeArrow(w)
	}
	return fmt.Errorf("rows can't be written as %s", forms[f].name)
}

// check tells whether every value is of its column's kind.
func (s *sheet) check() error {
	for n, cells := range s.rows {
		if len(cells) != len(s.columns) {
			return fmt.Errorf("row %d of %s has %d values for %d columns", n, s.name, len(cells), len(s.columns))
		}
		for i, cell := range cells {
			if c := s.columns[i]; cell != nil && !c.kind.holds(cell) {
				return fmt.Errorf("row %d of %s: column %s holds a %T", n, s.name, c.name, cell)
			}
		}
	}
	return nil
}

func (k columnKind) holds(cell any) (ok bool) {
	switch k {
	case columnText:
		_, ok = cell.(string)
	case columnInteger:
		_, ok = cell.(int64)
	case columnReal:
		_, ok = cell.(float64)
	case columnBoolean:
		_, ok = cell.(bool)
	case columnTime:
		_, ok = cell.(time.Time)
	}
	return ok
}

func (s *sheet) writeCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	row := make([]string, len(s.columns))
	for i, c := range s.columns {
		row[i] = c.name
	}
	_ = out.Write(row) // kept by the writer, see Error
	for _, cells := range s.rows {
		for i, cell := range cells {
			row[i] = cellText(cell)
		}
		_ = out.Write(row)
	}
	out.Flush()
	return out.Error()
}

// cellText is a value in CSV; unknown is empty.
func cellText(cell any) string {
	switch v := cell.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return ""
}

// writeNDJSON writes an object a line, its members in the order of the columns.
func (s *sheet) writeNDJSON(w io.Writer) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	names := make([]string, len(s.columns))
	for i, c := range s.columns {
		name, err := json.Marshal(c.name)
		if err != nil {
			return err
		}
		names[i] = string(name)
	}
	for _, cells := range s.rows {
		line.Reset()
		for i, cell := range cells {
			line.WriteByte("{,"[min(i, 1)])
			line.WriteString(names[i])
			line.WriteByte(':')
			if err := enc.Encode(cell); err != nil {
				return err
			}
			line.Truncate(line.Len() - 1) // the line's end
		}
		line.WriteString("}\n")
		if _, err := w.Write(line.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
