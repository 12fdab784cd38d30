package analytics

import (
	"strconv"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// Counts are counters by their names.
type Counts map[string]int64

// countsOf names the counters of c that are listed.
func countsOf(c *schemas.Counters, names []string) Counts {
	all := counterValues(c)
	of := make(Counts, len(names))
	for i, name := range counterNames {
		for _, wanted := range names {
			if name == wanted {
				of[name] = all[i]
			}
		}
	}
	return of
}

func (c Counts) add(other Counts) {
	for name, n := range other {
		c[name] += n
	}
}

// ratio works out the formula of a rate, so that what is said is what is done:
// a counter, or (one - another), over a counter; total.NAME is of the total. It
// is nil where the denominator is 0.
func (d *RateDefinition) ratio(of, total Counts) *float64 {
	parts := strings.Split(d.Formula, " / ")
	denominator := term(parts[1], of, total)
	if denominator == 0 {
		return nil
	}
	v := float64(term(parts[0], of, total)) / float64(denominator)
	for _, by := range parts[2:] {
		n, err := strconv.ParseFloat(by, 64)
		if err != nil {
			panic("formula " + d.Formula + ": " + err.Error())
		}
		v /= n
	}
	return &v
}

func term(text string, of, total Counts) (sum int64) {
	for i, name := range strings.Split(strings.Trim(text, "()"), " - ") {
		from := of
		if rest, ok := strings.CutPrefix(name, "total."); ok {
			from, name = total, rest
		}
		n, ok := from[name]
		if !ok {
			panic("a formula names the counter " + name + ", which is not counted")
		}
		if i > 0 {
			n = -n
		}
		sum += n
	}
	return sum
}

// define makes a definition of a formula; its denominator is what it divides by.
func define(name, formula, unit, mailjet string) RateDefinition {
	return RateDefinition{Name: name, Formula: formula, Denominator: strings.Split(formula, " / ")[1], Unit: unit, Mailjet: mailjet}
}

// Rated are counters and the rates that they make, by name; a rate is null where
// its denominator is 0.
type Rated struct {
	Counters Counts              `json:"counters"`
	Rates    map[string]*float64 `json:"rates"`
}

func rate(of, total Counts, definitions []RateDefinition) Rated {
	rates := make(map[string]*float64, len(definitions))
	for i := range definitions {
		rates[definitions[i].Name] = definitions[i].ratio(of, total)
	}
	return Rated{of, rates}
}

// cells are the values of the columns of ratedSheetColumns.
func (r *Rated) cells(counters []string, definitions []RateDefinition) []any {
	var cells []any
	for _, name := range counters {
		if n, ok := r.Counters[name]; ok {
			cells = append(cells, n)
		} else {
			cells = append(cells, nil)
		}
	}
	for _, d := range definitions {
		cells = append(cells, realCell(r.Rates[d.Name]))
	}
	return cells
}

// ratedSheetColumns are the columns of some counters and rates; the rates' names
// end in _rate, since counters have some of the same.
func ratedSheetColumns(counters []string, definitions []RateDefinition) []sheetColumn {
	var columns []sheetColumn
	for _, name := range counters {
		columns = append(columns, sheetColumn{name, columnInteger})
	}
	for _, d := range definitions {
		columns = append(columns, sheetColumn{d.Name + "_rate", columnReal})
	}
	return columns
}
