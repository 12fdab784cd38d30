package terminal

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/posthorn/posthorn/analytics"
)

// shownRates are the rates of a breakdown that fit a screen: those that say most
// of each dimension come first.
var shownRates = map[string][]string{
	"link":     {"click_share", "clicked", "machine_clicks"},
	"machine":  {"open_share", "click_share"},
	"domain":   {"share", "delivered", "hard_bounced", "soft_bounced", "opened", "clicked", "spam"},
	"provider": {"share", "delivered", "hard_bounced", "soft_bounced", "opened", "clicked", "spam"},
	"reason":   {"share", "of_sent"},
	"":         {"open_share", "opened", "click_share", "clicked", "machine_opens"},
}

// shownCounts are its counters that fit a screen.
var shownCounts = map[string][]string{
	"domain":   {"messages", "delivered", "opened", "clicked"},
	"provider": {"messages", "delivered", "opened", "clicked"},
}

// PrintBreakdown writes a breakdown as a table, with a bar for what orders it.
func PrintBreakdown(w io.Writer, b analytics.Breakdown) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s by %s%s\n", seriesSubject(b.Campaigns), b.By, sentPeriod(b.SentPeriod))
	if len(b.Items) == 0 {
		out.WriteString("Nothing was counted.\n")
		_, err := io.WriteString(w, out.String())
		return err
	}
	counts, rates := shownCounts[b.By], shownRates[b.By]
	if counts == nil {
		counts = b.Counters
	}
	if rates == nil {
		rates = shownRates[""]
	}
	rows := breakdownRows{definitions: b.Definitions, counts: counts, rates: rates, barOf: b.Order}
	if !slices.Contains(b.Counters, b.Order) {
		rows.barOf = b.Counters[0]
	}
	for _, item := range b.Items {
		rows.most = max(rows.most, item.Counters[rows.barOf])
	}
	t := newTable()
	t.AppendHeader(rows.header(b.By))
	for _, item := range b.Items {
		t.AppendRow(rows.row(valueText(item), item.Rated, true))
	}
	if b.Others != nil {
		t.AppendRow(rows.row(fmt.Sprintf("%s others", thousands(b.Others.Count)), b.Others.Rated, false))
	}
	t.AppendSeparator()
	t.AppendRow(rows.row("total, each message once", b.Total, false))
	rightAlign(t, rows.numbers()...)
	out.WriteString(t.Render() + "\n")
	for _, name := range rates {
		if d := definition(b.Definitions, name); d != nil {
			fmt.Fprintf(&out, "%s is %s.\n", words(name), d.Formula)
		}
	}
	if b.UnknownShare != nil {
		fmt.Fprintf(&out, "Of %s %% it is not known.\n", percent(b.UnknownShare))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// breakdownRows makes the rows of a table of counts and rates.
type breakdownRows struct {
	definitions   []analytics.RateDefinition
	counts, rates []string
	barOf         string // the counter that the bars show
	most          int64  // of it
}

func (b *breakdownRows) header(by string) table.Row {
	header := table.Row{words(by)}
	for _, name := range b.counts {
		header = append(header, words(name))
	}
	for _, name := range b.rates {
		header = append(header, words(name))
	}
	return append(header, "")
}

func (b *breakdownRows) row(value string, r analytics.Rated, bars bool) table.Row {
	row := table.Row{value}
	for _, name := range b.counts {
		row = append(row, thousands(r.Counters[name]))
	}
	for _, name := range b.rates {
		rate := analytics.Rate{Value: r.Rates[name], Unit: analytics.UnitRatio}
		if d := definition(b.definitions, name); d != nil {
			rate.Unit = d.Unit
		}
		row = append(row, showRate(rate))
	}
	if bars && b.most > 0 {
		row = append(row, bar(max(0, r.Counters[b.barOf]), b.most*2))
	}
	return row
}

// numbers are the columns that are aligned at the right.
func (b *breakdownRows) numbers() (columns []int) {
	for i := range len(b.counts) + len(b.rates) {
		columns = append(columns, i+2)
	}
	return columns
}

func definition(list []analytics.RateDefinition, name string) *analytics.RateDefinition {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// valueText is a value for people; one that is not known is called so.
func valueText(item analytics.BreakdownItem) string {
	text := item.Value
	if text == "" {
		text = "(unknown)"
	}
	text = shorten(text, 60)
	if item.Detail != "" {
		text += " #" + item.Detail
	}
	return text
}

func sentPeriod(p analytics.SentPeriod) string {
	text := ""
	if p.Since != nil {
		text += " from " + *p.Since
	}
	if p.Until != nil {
		text += " until before " + *p.Until
	}
	if text != "" {
		text = ", of messages sent" + text + " (UTC)"
	}
	return text
}

func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

func percent(share *float64) string { return strconv.FormatFloat(100**share, 'f', 2, 64) }
