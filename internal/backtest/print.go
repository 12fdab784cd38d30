package backtest

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "What arrived from %s to %s: %s, and %s before it, from %s on, which rules look back at.\n",
		stamp(r.Since), stamp(r.Until), events(r.Events), events(r.EventsBefore), stamp(r.From))
	for i := range r.Rules {
		fmt.Fprintln(w)
		r.Rules[i].print(w)
	}
	fmt.Fprintln(w, "\nNot known here:")
	for _, note := range r.Notes() {
		fmt.Fprintf(w, "  - %s\n", note)
	}
}

// Notes say what a backtest can't know.
func (r *Report) Notes() (notes []string) {
	if r.Truncated {
		text := "the log no longer holds events from before"
		if r.Oldest != 0 {
			text = "the log may no longer hold events from before " + stamp(r.Oldest)
		}
		notes = append(notes, text+": what they began is missing, though --since asks for it")
	}
	return append(notes,
		"messages sent before "+stamp(r.From)+": for rules they were never sent",
		"what rules had fired for before that, but for what is left of the triggers that fired live",
		"firings that wait for what is after "+stamp(r.Until),
		"pauses and limits: they concern calls, and here nobody is called")
}

func (r *Rule) print(w io.Writer) {
	fmt.Fprintf(w, "%s (%s, version %s)\n", r.Name, r.Kind, r.Version)
	fmt.Fprintf(w, "  fired %s, shadow %s, expired %s", number(r.Fired), number(r.Shadow), number(r.Expired))
	if r.Raised+r.Cleared > 0 {
		fmt.Fprintf(w, "; raised %s, cleared %s", number(r.Raised), number(r.Cleared))
	}
	if r.Recipients > 0 {
		fmt.Fprintf(w, "; %s recipients", number(r.Recipients))
	}
	fmt.Fprintln(w)
	if r.Failures > 0 {
		fmt.Fprintf(w, "  its conditions ended in an error in %s evaluations, which counts as false: a key that is not there?\n", number(int64(r.Failures)))
	}
	if r.First != 0 {
		fmt.Fprintf(w, "  first %s, last %s\n", stamp(r.First), stamp(r.Last))
		r.printDays(w)
		r.printCampaigns(w)
	}
	r.printLive(w)
}

// barWidth is the length of the longest bar, in characters.
const barWidth = 40

func (r *Rule) printDays(w io.Writer) {
	most := int64(1)
	for _, d := range r.Days {
		most = max(most, d.Fired)
	}
	for _, d := range r.Days {
		line := fmt.Sprintf("  %s %s", d.Day, bar(d.Fired, most))
		fmt.Fprintln(w, strings.TrimRight(line, " ")+" "+number(d.Fired))
	}
}

// eighths are blocks of one eighth of a character's width to seven.
var eighths = [...]string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// bar draws n beside the most; whatever is not zero can be seen.
func bar(n, most int64) string {
	parts := (n*barWidth*8 + most/2) / most
	if n > 0 {
		parts = max(parts, 1)
	}
	return strings.Repeat("█", int(parts/8)) + eighths[parts%8]
}

func (r *Rule) printCampaigns(w io.Writer) {
	var parts []string
	for _, c := range r.Campaigns {
		name := c.ID
		switch {
		case name == "":
			name = "(none)"
		case c.Name != "" && c.Name != c.ID:
			name += " " + c.Name
		}
		parts = append(parts, name+": "+number(c.Fired))
	}
	if r.OtherCampaigns > 0 {
		parts = append(parts, fmt.Sprintf("%s more: %s", number(int64(r.OtherCampaigns)), number(r.OtherFired)))
	}
	fmt.Fprintf(w, "  campaigns  %s\n", strings.Join(parts, ", "))
}

func (r *Rule) printLive(w io.Writer) {
	l := r.Live
	if l == nil {
		fmt.Fprintln(w, "  live       no rule of that name has fired, as far as the log goes back")
		return
	}
	fmt.Fprintf(w, "  live       fired %s in that time: %s the same, %s not here; %s only here", number(l.Fired), number(l.Same), number(l.OnlyLive), number(l.OnlyHere))
	if l.EarlierLive > 0 {
		fmt.Fprintf(w, ", of which %s had fired before and would not again", number(l.EarlierLive))
	}
	fmt.Fprintln(w)
}

func stamp(t schemas.Timestamp) string {
	return t.Time().Truncate(time.Second).Format("2006-01-02 15:04:05Z")
}

func events(n int64) string {
	if n == 1 {
		return "1 event"
	}
	return number(n) + " events"
}

// number writes a number with its thousands apart.
func number(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
