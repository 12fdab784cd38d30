package terminal

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/posthorn/posthorn/analytics"
)

// PrintSuppressions writes a page of suppressions as a table.
func PrintSuppressions(w io.Writer, list analytics.SuppressionList) error {
	if len(list.Suppressions) == 0 {
		_, err := fmt.Fprintln(w, "No suppressions.")
		return err
	}
	out := suppressionTable(list.Suppressions) + "\nTimes are UTC.\n"
	if list.Next != "" {
		out += "There are more: --after " + list.Next + ", or --csv for all\n"
	}
	_, err := io.WriteString(w, out)
	return err
}

// PrintSuppressionCheck writes what is in force for an address.
func PrintSuppressionCheck(w io.Writer, c analytics.SuppressionCheck) error {
	verdict := "may be mailed"
	switch {
	case c.Suppressed:
		verdict = "must not be mailed"
	case len(c.Suppressions) > 0:
		verdict = "may be mailed, but not for the lists below"
	}
	out := fmt.Sprintf("%s %s\n", c.Address, verdict)
	if len(c.Suppressions) > 0 {
		out += suppressionTable(c.Suppressions) + "\nTimes are UTC.\n"
	}
	_, err := io.WriteString(w, out)
	return err
}

func suppressionTable(list []analytics.Suppression) string {
	t := newTable()
	t.AppendHeader(table.Row{"Address", "Scope", "Reason", "Since", "Account", "Campaign", "Lifted"})
	for _, s := range list {
		lifted := ""
		if s.LiftedAt != nil {
			lifted = minute(*s.LiftedAt)
		}
		if s.LiftedAt != nil && s.Active {
			lifted += ", and suppressed again"
		}
		t.AppendRow(table.Row{s.Address, s.Scope, s.Reason, minute(s.Since), s.Account, shorten(s.CampaignID, 28), lifted})
	}
	return t.Render()
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
