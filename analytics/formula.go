package analytics

import (
	"strconv"
	"strings"
	"sync"

	"github.com/posthorn/posthorn/schemas"
)

// Counts are counters by their names.
type Counts map[string]int64

// counterAt is where a counter is among counterNames.
var counterAt = func() map[string]int {
	at := make(map[string]int, len(counterNames))
	for i, name := range counterNames {
		at[name] = i
	}
	return at
}()

// countsOf names the counters of c that are listed. Names that are of no counter
// are left out.
func countsOf(c *schemas.Counters, names []string) Counts {
	all := counterValues(c)
	of := make(Counts, len(names))
	for _, name := range names {
		if i, is := counterAt[name]; is {
			of[name] = all[i]
		}
	}
	return of
}

func (c Counts) add(other Counts) {
	for name, n := range other {
		c[name] += n
	}
}

// formula is the text of a rate, taken apart.
type formula struct {
	numerator, denominator []term
	by                     float64 // the quotient is divided by it
}

// term is a counter, of the total or not, that is added or taken away.
type term struct {
	name    string
	ofTotal bool
	sign    int64
}

// formulas are those that were taken apart, by their texts.
var formulas sync.Map

// formulaOf takes a text apart: a counter, or (one - another), over a counter, and
// that over a number where there is one; total.NAME is of the total.
func formulaOf(text string) *formula {
	if known, ok := formulas.Load(text); ok {
		return known.(*formula)
	}
	parts := strings.Split(text, " / ")
	f := &formula{termsOf(parts[0]), termsOf(parts[1]), 1}
	for _, part := range parts[2:] {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil {
			panic("formula " + text + ": " + err.Error())
		}
		f.by *= n
	}
	formulas.Store(text, f)
	return f
}

func termsOf(text string) (terms []term) {
	for i, name := range strings.Split(strings.Trim(text, "()"), " - ") {
		t := term{name: name, sign: 1}
		t.name, t.ofTotal = strings.CutPrefix(name, "total.")
		if i > 0 {
			t.sign = -1
		}
		terms = append(terms, t)
	}
	return terms
}

func sumUp(terms []term, of, total Counts) (sum int64) {
	for _, t := range terms {
		from := of
		if t.ofTotal {
			from = total
		}
		n, ok := from[t.name]
		if !ok {
			panic("a formula names the counter " + t.name + ", which is not counted")
		}
		sum += t.sign * n
	}
	return sum
}

// ratio works out the formula of a rate, so that what is said is what is done. It
// is nil where the denominator is 0.
func (d *RateDefinition) ratio(of, total Counts) *float64 {
	f := formulaOf(d.Formula)
	denominator := sumUp(f.denominator, of, total)
	if denominator == 0 {
		return nil
	}
	v := float64(sumUp(f.numerator, of, total)) / float64(denominator) / f.by
	return &v
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
