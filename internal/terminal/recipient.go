package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/posthorn/posthorn/analytics"
)

// PrintRecipient writes what a recipient was sent and did, the latest first.
func PrintRecipient(w io.Writer, r analytics.Recipient) error {
	var out strings.Builder
	fmt.Fprintf(&out, "Recipient %s\n", r.ID)
	if s := r.Summary; s != nil {
		fmt.Fprintf(&out, "at %s; first seen %s, last %s; last sent to %s, last open %s, last click %s (by anyone)\n", known(s.Domain),
			maybe(s.FirstEventAt), maybe(s.LastEventAt), maybe(s.LastSentAt), maybe(s.LastOpenedAt), maybe(s.LastClickedAt))
	}
	for _, s := range r.Suppressions {
		if s.Active {
			fmt.Fprintf(&out, "Must not be mailed (%s, %s, since %s)\n", s.Scope, s.Reason, minute(s.Since))
		}
	}
	t := newTable()
	t.AppendHeader(table.Row{"When", "Event", "Campaign", "Message", "By", "Client", "Country", "Detail"})
	for i := range r.Events {
		e := &r.Events[i]
		detail := e.URL
		if e.BounceClass+e.RejectReason != "" {
			detail = strings.TrimSpace(e.BounceClass + " " + e.RejectReason)
		}
		by := e.Machine
		if by == "unknown" {
			by = ""
		}
		t.AppendRow(table.Row{e.OccurredAt.UTC().Format(time.DateTime), e.Type, shorten(e.CampaignID, 28), shorten(e.MessageID, 24), by, e.Client, e.Country, shorten(detail, 50)})
	}
	out.WriteString(t.Render() + "\nTimes are UTC.\n")
	if r.Next != "" {
		out.WriteString("There are more: --after " + r.Next + "\n")
	}
	return write(w, out.String())
}

// maybe is a time, or a dash where there is none.
func maybe(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return minute(*t)
}
