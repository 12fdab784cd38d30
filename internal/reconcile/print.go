package reconcile

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Print writes the report as tables, with a summary. Counters that are 0 on both
// sides are left out, and with onlyDifferences all that agree.
func (r *Report) Print(w io.Writer, onlyDifferences bool) error {
	var out strings.Builder
	fmt.Fprintf(&out, "Source %s: events from %s to %s UTC, and the campaigns that they belong to.\n\n", r.Source, hourOf(r.From), hourOf(r.To))
	t := newTable("Campaign", "Name", "Counter", "Ours", "Mailjet's", "Difference", "")
	rows := 0
	for i := range r.Campaigns {
		rows += r.Campaigns[i].rows(t, onlyDifferences)
	}
	if rows > 0 {
		out.WriteString(t.Render() + "\n\n")
	}
	r.printHours(&out)
	r.printNotes(&out)
	r.summary(&out)
	_, err := io.WriteString(w, out.String())
	return err
}

func hourOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

func newTable(columns ...any) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row(columns))
	var right []table.ColumnConfig
	for i, c := range columns {
		if c == "Ours" || c == "Mailjet's" || c == "Difference" {
			right = append(right, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.SetColumnConfigs(right)
	return t
}

// rows adds a campaign's counters; its id stands on the first.
func (c *Campaign) rows(t table.Writer, onlyDifferences bool) (n int) {
	id, name := c.ID, shorten(c.Name)
	for _, l := range c.Counters {
		if l.Ours == 0 && l.Theirs == 0 || onlyDifferences && !l.Differs {
			continue
		}
		t.AppendRow(table.Row{id, name, l.Counter, l.Ours, l.Theirs, signed(l.Difference), verdict(l)})
		id, name = "", ""
		n++
	}
	if n > 0 {
		t.AppendSeparator()
	}
	return n
}

func signed(n int64) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%+d", n)
}

func verdict(l Line) string {
	switch {
	case l.Differs && l.Difference < 0:
		return "missing"
	case l.Differs:
		return "more"
	case l.Difference != 0:
		return "allowed"
	}
	return ""
}

// shorten cuts a name, which may be a subject of any length and content, to what a
// table holds.
func shorten(name string) string {
	const most = 28
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return name
}

// maxHours bounds the hours that are printed; JSON has all.
const maxHours = 48

// printHours names the hours of the API key, and for each campaign that differs its
// own.
func (r *Report) printHours(out *strings.Builder) {
	if len(r.Hours) > 0 {
		fmt.Fprintf(out, "Hours in which the events of the API key differ (ours of Mailjet's, UTC):\n")
		printHours(out, r.Hours)
	}
	for i := range r.Campaigns {
		c := &r.Campaigns[i]
		if len(c.Hours) > 0 {
			fmt.Fprintf(out, "Hours in which the events of campaign %s differ:\n", c.ID)
			printHours(out, c.Hours)
		}
	}
}

func printHours(out *strings.Builder, hours []Hour) {
	for _, h := range hours[:min(len(hours), maxHours)] {
		what := "webhooks are missing"
		if !h.Missing {
			what = "more than Mailjet counts"
		}
		var parts []string
		for _, l := range h.Lines {
			parts = append(parts, fmt.Sprintf("%s %d of %d", l.Counter, l.Ours, l.Theirs))
		}
		fmt.Fprintf(out, "  %s  %s: %s\n", hourOf(h.Start), what, strings.Join(parts, ", "))
	}
	if more := len(hours) - maxHours; more > 0 {
		fmt.Fprintf(out, "  and %d more (--json has all)\n", more)
	}
	out.WriteString("\n")
}

func (r *Report) printNotes(out *strings.Builder) {
	noted := false
	for i := range r.Campaigns {
		if c := &r.Campaigns[i]; c.Note != "" {
			fmt.Fprintf(out, "Campaign %s: %s.\n", c.ID, c.Note)
			noted = true
		}
	}
	if noted {
		out.WriteString("\n")
	}
}

func (r *Report) summary(out *strings.Builder) {
	compared, differing := 0, 0
	for i := range r.Campaigns {
		if len(r.Campaigns[i].Counters) > 0 {
			compared++
		}
		if r.Campaigns[i].Differences() > 0 {
			differing++
		}
	}
	hours := int(r.To.Sub(r.From) / time.Hour)
	fmt.Fprintf(out, "%d of %d campaigns differ; of %d hours %d differ, and in %d of them webhooks are missing.\n", differing, compared, hours, len(r.Hours), r.Missing())
	fmt.Fprintf(out, "RESULT reconcile_differences %d count\n", r.Differences())
}
