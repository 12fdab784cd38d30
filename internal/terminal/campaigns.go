package terminal

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	align "github.com/jedib0t/go-pretty/v6/text"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/schemas"
)

// PrintCampaigns writes a page of campaigns as a table.
func PrintCampaigns(w io.Writer, list analytics.CampaignList) error {
	if len(list.Campaigns) == 0 {
		_, err := fmt.Fprintln(w, "No campaigns yet.")
		return err
	}
	t := newTable()
	t.AppendHeader(table.Row{"Campaign", "Name", "Messages", "Delivered", "Opened", "by people", "Clicked", "Bounced", "Unsub.", "Spam", "Last event", "Opens by day"})
	for _, c := range list.Campaigns {
		rates := byName(c.Rates)
		t.AppendRow(table.Row{
			c.ID, shorten(c.Name, 28), thousands(c.Totals.Messages), showRate(rates["delivered"]),
			showRate(rates["opened"]), showRate(rates["human_opened"]), showRate(rates["clicked"]),
			thousands(c.Totals.HardBounced + c.Totals.SoftBounced), thousands(c.Totals.Unsubscribed), thousands(c.Totals.Complained),
			c.LastEventAt.UTC().Format("2006-01-02 15:04"), course(c.Course),
		})
	}
	rightAlign(t, 3, 4, 5, 6, 7, 8, 9, 10)
	out := t.Render() + "\nOpened is of delivered messages, clicked of opened ones. Times are UTC.\n"
	if list.Next != "" {
		out += "There are more: --after " + list.Next + "\n"
	}
	_, err := io.WriteString(w, out)
	return err
}

func course(c *analytics.Course) string {
	if c == nil {
		return ""
	}
	return sparkline(c.Opens)
}

// PrintCampaign writes one campaign: totals, rates with their formulas, and its
// course over time as bars.
func PrintCampaign(w io.Writer, d analytics.CampaignDetail) error {
	var out strings.Builder
	fmt.Fprintf(&out, "Campaign %s", d.ID)
	if d.Name != "" {
		fmt.Fprintf(&out, "  %s", d.Name)
	}
	fmt.Fprintf(&out, "\nEvents from %s to %s UTC\n\n", moment(d.FirstEventAt), moment(d.LastEventAt))
	out.WriteString(totalsTable(d.Totals))
	out.WriteString("\n\n")
	out.WriteString(ratesTable(d.Rates))
	out.WriteString("\n")
	if len(d.Series.Points) > 0 || d.Series.Late != nil {
		out.WriteString("\n")
		out.WriteString(bars(d.Series))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func totalsTable(c schemas.Counters) string {
	t := newTable()
	t.AppendHeader(table.Row{"Messages", "", "Engagement", "Messages", "by people", "Events", "by people"})
	left := []struct {
		name string
		n    int64
	}{
		{"Processed", c.Messages}, {"Delivered", c.Delivered}, {"Deferred", c.Deferred}, {"Queued", c.Queued},
		{"Blocked", c.Rejected}, {"Hard bounced", c.HardBounced}, {"Soft bounced", c.SoftBounced}, {"Failed", c.Failed},
		{"Bounced after delivery", c.LateBounces},
	}
	right := []table.Row{
		{"Opened", thousands(c.Opened), thousands(c.HumanOpened), thousands(c.Opens), thousands(c.HumanOpens)},
		{"Clicked", thousands(c.Clicked), thousands(c.HumanClicked), thousands(c.Clicks), thousands(c.HumanClicks)},
		{"Unsubscribed", thousands(c.Unsubscribed), "", thousands(c.Unsubscribes), ""},
		{"Spam complaints", thousands(c.Complained), "", thousands(c.Complaints), ""},
	}
	for i, l := range left {
		row := table.Row{l.name, thousands(l.n)}
		if i < len(right) {
			row = append(row, right[i]...)
		}
		t.AppendRow(row)
	}
	rightAlign(t, 2, 4, 5, 6, 7)
	return t.Render()
}

func ratesTable(rates []analytics.Rate) string {
	t := newTable()
	t.AppendHeader(table.Row{"Rate", "Value", "Formula", "Numbers"})
	for _, r := range rates {
		t.AppendRow(table.Row{strings.ReplaceAll(r.Name, "_", " "), showRate(r), r.Formula, thousands(r.Numerator) + " / " + thousands(r.Denominator)})
	}
	rightAlign(t, 2, 4)
	return t.Render()
}

// barRows is how many windows the bars show: the earliest, when most happens.
const barRows, barWidth = 24, 40

func bars(s analytics.Series) string {
	var out strings.Builder
	by := "by the time of the event"
	if s.Basis == "send_time" {
		by = "by the time of the send"
	}
	fmt.Fprintf(&out, "Opens in steps of %s, %s (%s)\n", s.Step, by, s.TZ)
	points := s.Points
	most := int64(1)
	for _, p := range points[:min(len(points), barRows)] {
		most = max(most, p.Opens)
	}
	for _, p := range points[:min(len(points), barRows)] {
		fmt.Fprintf(&out, "%s %9s %s\n", p.Start.Format("2006-01-02 15:04"), thousands(p.Opens), bar(p.Opens, most))
	}
	if rest := len(points) - barRows; rest > 0 {
		fmt.Fprintf(&out, "and %d more\n", rest)
	}
	if s.Late != nil {
		fmt.Fprintf(&out, "Late: %s opens and %s clicks came after their windows were closed and are in the totals only\n",
			thousands(s.Late.Opens), thousands(s.Late.Clicks))
	}
	return out.String()
}

// bar draws n of most in eighths of a character.
func bar(n, most int64) string {
	eighths := int(n * barWidth * 8 / most)
	if n > 0 && eighths == 0 {
		eighths = 1
	}
	full := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		full += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return full
}

func newTable() table.Writer {
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = align.FormatDefault
	style.Options.DrawBorder = false
	style.Options.SeparateColumns = false
	t.SetStyle(style)
	return t
}

func rightAlign(t table.Writer, columns ...int) {
	configs := make([]table.ColumnConfig, len(columns))
	for i, c := range columns {
		configs[i] = table.ColumnConfig{Number: c, Align: align.AlignRight, AlignHeader: align.AlignRight}
	}
	t.SetColumnConfigs(configs)
}

func byName(rates []analytics.Rate) map[string]analytics.Rate {
	m := make(map[string]analytics.Rate, len(rates))
	for _, r := range rates {
		m[r.Name] = r
	}
	return m
}

// showRate writes a value for people; a dash is an unknown one.
func showRate(r analytics.Rate) string {
	if r.Value == nil {
		return "-"
	}
	switch r.Unit {
	case analytics.UnitSeconds:
		return time.Duration(*r.Value * float64(time.Second)).Round(time.Second).String()
	case analytics.UnitPerMessage:
		return strconv.FormatFloat(*r.Value, 'f', 2, 64)
	}
	return strconv.FormatFloat(100**r.Value, 'f', 2, 64) + " %"
}

func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return sign + strings.Join(append([]string{digits}, groups...), ",")
}

func moment(t time.Time) string {
	if t.Unix() <= 0 {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
