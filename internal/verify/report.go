package verify

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/posthorn/posthorn/schemas"
)

// maxDetails bounds the differences that are described one by one.
const maxDetails = 10

// Check is one comparison.
type Check struct {
	Name string
	// Expected and Found count rows: by the verifier's own derivation, and in
	// the topic or table.
	Expected, Found int64
	// Differences counts rows that are missing, unexpected, doubled or differ.
	Differences int64
	// Missing and Surplus count those of the differences that are not there,
	// and those that are there once too often: doubled or unexpected.
	Missing, Surplus int64
	// Skipped counts rows that webhooks after the cut have touched already, or
	// that no current rule explains.
	Skipped int64
	// Note says why the check was left out, if it was.
	Note string
}

// Report is the result of a run.
type Report struct {
	Checks []*Check
	// Details describes the first differences.
	Details []string
	// Webhooks and Later count the webhooks up to the cut and after it.
	Webhooks, Later int64
	// Unreadable counts webhook records that are no webhooks: dead letters.
	Unreadable int64
	// Occurrences counts the events in the webhooks, repetitions included.
	Occurrences int64
	// Decided is up to when, in arrival time, everything that rules decide by it
	// had to be there; zero: it was not known, or there are no rules.
	Decided schemas.Timestamp
}

func (r *Report) check(name string) *Check {
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	c := &Check{Name: name}
	r.Checks = append(r.Checks, c)
	return c
}

// differ counts a difference and keeps its description if it is among the first.
func (r *Report) differ(c *Check, format string, args ...any) {
	c.Differences++
	if len(r.Details) < maxDetails {
		r.Details = append(r.Details, c.Name+": "+fmt.Sprintf(format, args...))
	}
}

func (r *Report) missing(c *Check, format string, args ...any) {
	c.Missing++
	r.differ(c, format, args...)
}

func (r *Report) surplus(c *Check, format string, args ...any) {
	c.Surplus++
	r.differ(c, format, args...)
}

// forget drops the descriptions of a check's differences.
func (r *Report) forget(name string) {
	r.Details = slices.DeleteFunc(r.Details, func(d string) bool { return strings.HasPrefix(d, name+": ") })
}

// Differences is the number of rows that differ, over all checks.
func (r *Report) Differences() (n int64) {
	for _, c := range r.Checks {
		n += c.Differences
	}
	return n
}

// Print writes the table, the first differences and the result line.
func (r *Report) Print(w io.Writer) {
	r.PrintChecks(w)
	fmt.Fprintf(w, "RESULT verify_differences %d rows\n", r.Differences())
}

// PrintChecks writes the table and the first differences.
func (r *Report) PrintChecks(w io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"Check", "Expected", "Found", "Differences", "Skipped"})
	for _, c := range r.Checks {
		if c.Note != "" {
			t.AppendRow(table.Row{c.Name, c.Note, "", "", ""})
			continue
		}
		t.AppendRow(table.Row{c.Name, c.Expected, c.Found, c.Differences, c.Skipped})
	}
	t.Render()
	for _, d := range r.Details {
		fmt.Fprintln(w, "difference:", d)
	}
	if n := r.Differences(); n > int64(len(r.Details)) {
		fmt.Fprintf(w, "... and %d more\n", n-int64(len(r.Details)))
	}
	if r.Decided != 0 {
		fmt.Fprintf(w, "What rules wait for is judged up to %s.\n", r.Decided)
	}
	if r.Differences() == 0 {
		fmt.Fprintf(w, "Everything agrees with %d webhooks.\n", r.Webhooks)
	}
}
