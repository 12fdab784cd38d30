package terminal

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/posthorn/posthorn/analytics"
)

// PrintBounces writes why messages were not delivered, by mailbox provider.
func PrintBounces(w io.Writer, b analytics.Bounces) error {
	t := newTable()
	t.AppendHeader(table.Row{"Provider", "Outcome", "Class", "Reason", "Messages", "Share"})
	for _, p := range b.Providers {
		t.AppendRow(table.Row{p.Provider, "", "", "", thousands(p.Counters["messages"]), ""})
		for _, r := range p.Reasons {
			t.AppendRow(table.Row{"", r.Outcome, known(r.BounceClass), known(r.RejectReason), thousands(r.Messages), showShare(r.Share)})
		}
	}
	if b.Others != nil {
		t.AppendRow(table.Row{thousands(b.Others.Count) + " others", "", "", "", thousands(b.Others.Counters["messages"]), ""})
	}
	t.AppendSeparator()
	t.AppendRow(table.Row{"total", "", "", "", thousands(b.Total.Counters["messages"]), ""})
	rightAlign(t, 5, 6)
	return write(w, seriesSubject(b.Campaigns), ": messages that were not delivered", sentPeriod(b.SentPeriod), "\n",
		t.Render(), "\nA share is of all of the provider's that were not delivered.\n")
}

// PrintDeliverability writes how mailbox providers take messages: totals, and the
// course of the delivered ones as a line.
func PrintDeliverability(w io.Writer, d analytics.Deliverability) error {
	t := newTable()
	t.AppendHeader(table.Row{words(d.By), "Messages", "Delivered", "Hard bounced", "Soft bounced", "Deferred", "Opened", "Spam", "Messages by " + d.Resolution})
	row := func(name string, item *analytics.DeliverabilityItem) {
		cells := table.Row{shorten(name, 40), thousands(item.Counters["messages"])}
		for _, rate := range []string{"delivered", "hard_bounced", "soft_bounced", "deferred", "opened", "spam"} {
			cells = append(cells, showShare(item.Rates[rate]))
		}
		counts := make([]int64, len(item.Points))
		for i := range item.Points {
			counts[i] = item.Points[i].Counters["messages"]
		}
		t.AppendRow(append(cells, sparkline(counts)))
	}
	for i := range d.Items {
		row(known(d.Items[i].Value), &d.Items[i])
	}
	if d.Others != nil {
		row(thousands(d.Others.Count)+" others", d.Others)
	}
	t.AppendSeparator()
	row("total", &d.Total)
	rightAlign(t, 2, 3, 4, 5, 6, 7, 8)
	return write(w, seriesSubject(d.Campaigns), ": deliverability", sentPeriod(d.SentPeriod), "\n", t.Render(), "\n", formulas(d.Definitions, "delivered", "opened", "spam"))
}

// PrintHygiene writes what recipients are worth mailing, and dead domains.
func PrintHygiene(w io.Writer, h analytics.Hygiene) error {
	t := newTable()
	t.AppendHeader(table.Row{"Recipients", "Number", "Share", "Who"})
	for _, c := range h.Conditions {
		t.AppendRow(table.Row{words(c.Name), thousands(h.Counters[c.Name]), showShare(h.Rates[c.Name]), c.Condition})
	}
	rightAlign(t, 2, 3)
	dead := ""
	if len(h.DeadDomains) > 0 {
		d := newTable()
		d.AppendHeader(table.Row{"Dead domain", "Recipients", "Messages", "Hard bounced", "Soft bounced", "Rejected"})
		for _, domain := range h.DeadDomains {
			d.AppendRow(table.Row{shorten(domain.Domain, 50), thousands(domain.Recipients), thousands(domain.Messages),
				thousands(domain.HardBounced), thousands(domain.SoftBounced), thousands(domain.Rejected)})
		}
		rightAlign(d, 2, 3, 4, 5, 6)
		dead = fmt.Sprintf("\n%s\nTo %s domains with %s recipients nothing was ever delivered.\n", d.Render(), thousands(h.DeadDomainCount), thousands(h.DeadDomainRecipients))
	}
	return write(w, t.Render(), "\nA share is of all recipients. As of ", minute(h.ComputedAt), " UTC.\n", dead)
}

// write writes texts one behind the other.
func write(w io.Writer, texts ...string) error {
	_, err := io.WriteString(w, strings.Join(texts, ""))
	return err
}

// known is a value for people.
func known(value string) string {
	if value == "" {
		return "(unknown)"
	}
	return value
}

// showShare writes a share for people; a dash is an unknown one.
func showShare(share *float64) string {
	return showRate(analytics.Rate{Value: share, Unit: analytics.UnitRatio})
}

// formulas tells how some rates are made.
func formulas(definitions []analytics.RateDefinition, names ...string) string {
	text := ""
	for _, name := range names {
		if d := definition(definitions, name); d != nil {
			text += fmt.Sprintf("%s is %s.\n", words(name), d.Formula)
		}
	}
	return text
}
